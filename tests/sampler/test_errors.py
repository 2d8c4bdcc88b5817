"""Errors of the sampler travel between processes with all their parts."""

import pickle

import pytest

from sampler.errors import AnnotationError, ConfigError, ImageError, InvalidRequestError, SamplerError
from sampler.wire.reader import RemoteError
from service.errors.problems import ServiceError


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("config = 3: expected text"),
        InvalidRequestError("step", -1, "0 or more"),
        AnnotationError("a.json", "images[3]", "no file name"),
        ImageError("a.jpg", "missing", "the file does not exist", 7),
        ServiceError("busy", "full", {"limit": 3}, retry_after=2),
        RemoteError({"type": "urn:x", "title": "no image", "status": 500, "index": 4}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_pickled_error_has_its_message_and_its_parts(error: SamplerError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__
