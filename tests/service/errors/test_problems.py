"""Errors become problem documents with stable types."""

from sampler.errors import ImageError
from sampler.wire.problem_types import PROBLEM_TYPES, TYPE_PREFIX
from service.errors.problems import JobError, ServiceError, problem_of


def test_every_problem_type_has_a_status_and_a_title() -> None:
    for kind, (status, title) in PROBLEM_TYPES.items():
        document = problem_of(ServiceError(kind, "detail", {"more": 1}))
        assert document == {
            "type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": "detail", "more": 1,
        }  # fmt: skip
        assert problem_of(JobError(document)) == document


def test_an_image_error_becomes_a_problem_with_index_and_file() -> None:
    document = problem_of(ImageError("a/b.jpg", "missing", "there is no such file", 7))
    assert (document["status"], document["index"], document["file"], document["kind"]) == (500, 7, "a/b.jpg", "missing")


def test_an_unexpected_error_is_internal() -> None:
    assert problem_of(ZeroDivisionError("x"))["type"] == TYPE_PREFIX + "internal"
