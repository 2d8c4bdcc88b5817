"""The names in expressions of Prometheus are found."""

import pytest

from tests.support.promql import Selection, selection


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("up == 0", Selection({"up": set()}, set())),
        ('up{job="a{b}",instance!~\'c\'}', Selection({"up": {"job", "instance"}}, set())),
        ("sum by (job, le) (rate(a_bucket[5m])) > bool 0.5", Selection({"a_bucket": set()}, {"job", "le"})),
        ("histogram_quantile(0.99, sum(rate(a{x=\"y\"}[$__rate_interval])) by (le))",
         Selection({"a": {"x"}}, {"le"})),
        ("a / on (job) group_left (dataset) b and c offset 5m",
         Selection({"a": set(), "b": set(), "c": set()}, {"job", "dataset"})),
        ("sum(a) / (sum(a) + sum(b)) > 1e9", Selection({"a": set(), "b": set()}, set())),
    ],
)  # fmt: skip
def test_metrics_and_labels_of_an_expression_are_found(expression: str, found: Selection) -> None:
    assert selection(expression) == found


def test_text_that_is_no_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="unexpected text"):
        selection("a ; b")
