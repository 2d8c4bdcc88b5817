"""Recent errors: each once, with the file and what to do, and never too many."""

import pytest

from sampler.errors import ImageError
from service.activity.recent_errors import ADVICE, MAX_ERRORS, MAX_TEXT, RecentErrors
from service.errors.problems import JobError, ServiceError, problem, problem_of
from service.routes.batch_sender import BrokenMessageError
from tests.support.clock import Clock


def test_the_same_error_is_listed_once_with_its_number() -> None:
    clock = Clock(10.0)
    errors = RecentErrors(clock)
    errors.add("damaged", "truncated", "a.jpg")
    errors.add("worker", "a worker ended")
    clock.now = 20.0
    errors.add("damaged", "truncated", "a.jpg")
    latest, other = errors.latest()
    assert (latest.file, latest.times, latest.first, latest.last) == ("a.jpg", 2, 10.0, 20.0)
    assert (other.kind, other.advice) == ("worker", ADVICE["worker"])
    assert errors.failures == 0


def test_an_image_that_only_a_page_needed_is_listed_and_is_no_failure() -> None:
    errors, error = RecentErrors(), ImageError("a.jpg", "missing", "it has disappeared", 3)
    errors.add_seen(error)
    assert [(one.kind, one.file, one.times) for one in errors.latest()] == [("image", "a.jpg", 0)]
    assert errors.failures == 0
    errors.add_failure(JobError(problem_of(error)))
    errors.add_seen(error)
    assert [(one.kind, one.file, one.times) for one in errors.latest()] == [("image", "a.jpg", 1)]


def test_the_number_and_the_length_of_errors_are_bounded() -> None:
    errors = RecentErrors()
    for number in range(3 * MAX_ERRORS):
        errors.add("damaged", "x" * 10_000, f"{number}.jpg")
    assert len(errors.latest()) == MAX_ERRORS
    assert errors.latest()[0].file == f"{3 * MAX_ERRORS - 1}.jpg"
    assert len(errors.latest()[0].text) == MAX_TEXT


@pytest.mark.parametrize(
    ("error", "kind", "file"),
    [
        (JobError(problem("image", "it has disappeared", {"index": 3, "file": "a.jpg"})), "image", "a.jpg"),
        (JobError(problem("storage", "no route to the host")), "storage", None),
        (ServiceError("worker", "sample 3 ended its worker 3 times"), "sample", None),
        (BrokenMessageError("a run is shorter than before"), "sample", None),
    ],
)
def test_a_failed_sample_is_listed_with_its_file(error: Exception, kind: str, file: str | None) -> None:
    errors = RecentErrors()
    errors.add_failure(error)
    (listed,) = errors.latest()
    assert (listed.kind, listed.file, listed.text) == (kind, file, str(error))
    assert errors.failures == 1
