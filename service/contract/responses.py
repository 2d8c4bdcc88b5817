"""The responses that an endpoint declares, from the table of problem types.

An endpoint names the problems that only it can have. Those that any request can meet are added to all of them by
`service.contract.document`, so that none can forget one.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sampler.wire.problem_types import PROBLEM_TYPES, TYPE_PREFIX

Responses = dict[int | str, dict[str, Any]]

PROBLEM_MEDIA_TYPE = "application/problem+json"

ANYWHERE = ("malformed-request", "head-timeout", "url-too-long", "head-too-large", "overloaded", "internal")
"""Problems of any request: with its head, with the server's connections, or a fault of the server."""

GUARDED = ("invalid-request", "unauthorized", "foreign-origin", "foreign-host")
"""Problems of any request to an endpoint that is not served to everyone; the first of contradicting headers."""

PARAMETERS = ("invalid-request",)
PINNED = (*PARAMETERS, "digest-mismatch")
"""Problems of parameters that name digests."""

SAMPLES = (*PINNED, "image", "storage", "worker", "shutting-down")
"""Problems of endpoints that make samples."""

BODY = ("media-type", "body-too-large", "body-timeout")

NOT_MODIFIED: Responses = {304: {"description": "If-None-Match has the ETag of the response"}}

KINDS = "x-problem-types"
"""Member of a response in the OpenAPI document: the problem types with its status."""

PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "A problem document (RFC 9457). Members other than these depend on the type.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "enum": [TYPE_PREFIX + kind for kind in PROBLEM_TYPES]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "the invalid values of a request",
            "items": {
                "type": "object",
                "required": ["field", "value", "expected"],
                "properties": {"field": {"type": "string"}, "value": {}, "expected": {"type": "string"}},
            },
        },
    },
}


def problems(*kinds: str) -> Responses:
    """Return the responses with these problem types, by status."""
    by_status: dict[int, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(PROBLEM_TYPES[kind].status, []).append(kind)
    return {status: _problem_response(found) for status, found in by_status.items()}


def add_problems(responses: dict[str, Any], kinds: Iterable[str]) -> None:
    """Add problem types to the responses of an operation of the OpenAPI document."""
    for status, added in problems(*kinds).items():
        present = responses.get(str(status), {}).get(KINDS, [])
        responses[str(status)] = _problem_response([*present, *(kind for kind in added[KINDS] if kind not in present)])


def binary(media_type: str, description: str) -> Responses:
    """Return a 200 response whose body is bytes of a media type."""
    schema = {"type": "string", "contentMediaType": media_type}
    return {200: {"content": {media_type: {"schema": schema}}, "description": description}}


def document(media_type: str, schema: Mapping[str, Any], description: str, *others: str) -> Responses:
    """Return a 200 response with a document of a schema. others: media types that a client may ask for instead."""
    content = {name: {"schema": dict(schema)} for name in (media_type, *others)}
    return {200: {"content": content, "description": description}}


def _problem_response(kinds: list[str]) -> dict[str, Any]:
    return {
        "description": "; ".join(PROBLEM_TYPES[kind].title for kind in kinds),
        "content": {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        KINDS: kinds,
    }
