"""The problem types of error responses (RFC 9457): part of the wire contract, shared by server and client.

A problem document's `type` is `TYPE_PREFIX` followed by one of these names. Clients tell errors apart by it; titles
and details are for people.
"""

from typing import Any, NamedTuple

TYPE_PREFIX = "urn:saccade-sampler:problem:"

MAX_DEPTH = 16
"""Lists and maps within one another that a problem document may have. Ours have 3."""


class ProblemType(NamedTuple):
    """The HTTP status and the title of a problem type."""

    status: int
    title: str


PROBLEM_TYPES = {
    "invalid-request": ProblemType(422, "Invalid request"),
    "digest-mismatch": ProblemType(412, "Digest mismatch"),
    "body-too-large": ProblemType(413, "The request body is too large"),
    "body-timeout": ProblemType(408, "The request body did not arrive in time"),
    "media-type": ProblemType(415, "The request body is not declared as JSON"),
    "unauthorized": ProblemType(401, "The request does not carry the token"),
    "foreign-origin": ProblemType(403, "The request comes from a page of another site"),
    "foreign-host": ProblemType(421, "The server does not have this host name"),
    "head-too-large": ProblemType(431, "The head of the request is too large"),
    "url-too-long": ProblemType(414, "The URL is too long"),
    "malformed-request": ProblemType(400, "This is not a valid HTTP request"),
    "head-timeout": ProblemType(408, "The head of the request did not arrive in time"),
    "overloaded": ProblemType(503, "The server is busy"),
    "shutting-down": ProblemType(503, "The server is shutting down"),
    "image": ProblemType(500, "An image cannot be read as annotated"),
    "storage": ProblemType(503, "The images cannot be reached at the moment"),
    "worker": ProblemType(500, "A sample could not be made"),
    "not-ready": ProblemType(503, "The server is not ready"),
    "not-found": ProblemType(404, "There is nothing at this path"),
    "method": ProblemType(405, "The path does not have this method"),
    "http": ProblemType(500, "The request failed"),
    "internal": ProblemType(500, "The server has a fault"),
}


def is_shallow(document: object) -> bool:
    """Whether a problem document can be shown and pickled, which recurse into its lists and maps."""
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        containers = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [entry for entries in containers for entry in entries]
        if not level:
            return True
    return not any(isinstance(one, dict | list) for one in level)
