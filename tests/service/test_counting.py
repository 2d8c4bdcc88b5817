"""Counters and histograms keep the numbers that Prometheus expects."""

from hypothesis import given
from hypothesis import strategies as st

from service.counting import Counter, Histogram, Times

BOUNDS = (0.1, 1.0, 10.0)


def test_a_counter_shows_known_keys_before_anything_happens() -> None:
    counter = Counter("token", "host")
    counter.add("host")
    counter.add("new", 2.5)
    assert counter.values == {"token": 0, "host": 1, "new": 2.5}
    assert counter.total() == 3.5


@given(st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS)))
def test_each_bucket_counts_the_durations_up_to_its_bound(durations: list[float]) -> None:
    times = Times(BOUNDS)
    for seconds in durations:
        times.observe(seconds)
    expected = [(str(bound), sum(seconds <= bound for seconds in durations)) for bound in BOUNDS]
    assert times.buckets() == [*expected, ("+Inf", len(durations))]
    assert (times.count, times.seconds) == (len(durations), sum(durations))


def test_a_histogram_has_separate_durations_for_each_key() -> None:
    histogram = Histogram(BOUNDS, "train")
    histogram.of("val").observe(0.5)
    histogram.of("val").observe(0.7)
    assert {key: times.count for key, times in histogram.values.items()} == {"train": 0, "val": 2}
