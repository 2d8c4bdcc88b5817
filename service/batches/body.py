"""Parameters in a JSON body, parsed in bounded time: a few milliseconds, whatever the body contains."""

import json
from typing import NoReturn

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from sampler.errors import InvalidRequestError
from service.batches.parameters import IN_BODY, MOST_NAMES, BatchParameters

MOST_LISTS = 16
"""Most lists and objects. A valid body has one of each."""

MOST_DIGITS = 40
"""Most digits of a number; the largest valid ones have 20."""


def parse_body(body: bytes, max_batch: int) -> BatchParameters:
    """Return the parameters in a body.

    Raises:
        InvalidRequestError: it is not JSON, has far too much of anything, or repeats a parameter.
        RequestValidationError: a value is invalid.
    """
    _check_extent(body, max_batch)
    try:
        values = json.loads(
            body.decode(), object_pairs_hook=_object, parse_int=_integer, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError("body", None, f"a JSON object: {error}") from None
    try:
        return BatchParameters.model_validate(values, strict=True, context=IN_BODY)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from None


def _check_extent(body: bytes, max_batch: int) -> None:
    """Count the characters that structure JSON, which takes microseconds, before anything is made of them."""
    names, lists = body.count(b":"), body.count(b"[") + body.count(b"{")
    if names > MOST_NAMES:
        raise InvalidRequestError("body", f"{names} parameters", f"at most {MOST_NAMES}")
    if lists > MOST_LISTS:
        raise InvalidRequestError("body", f"{lists} lists and objects", "one object with one list")
    if (indices := body.count(b",") + 1) > max_batch + MOST_NAMES:
        raise InvalidRequestError("indices", indices, f"at most {max_batch} samples in one request of one rank")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object. Raises `InvalidRequestError` for a repeated name, ValueError for an invalid surrogate."""
    for name, value in pairs:
        (name if not isinstance(value, str) else name + value).encode()
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise InvalidRequestError(repeated, [value for name, value in pairs if name == repeated], "one value")
    return values


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
