"""What the OpenAPI document declares, compared with what servers of tests did."""

import re
from functools import cache

from service.app import create_app

REQUEST = re.compile(r" saccade_sampler\.requests: \S+ (?P<method>[A-Z]+) (?P<target>\S+) (?P<status>\d{3}) ")

CLIENT_DISCONNECTED = "499"
"""Status in the log of a request that got no response."""


@cache
def declared() -> list[tuple[re.Pattern[str], dict[str, set[str]]]]:
    """Return the statuses of each path and method, paths with a suffix first."""
    paths = create_app().openapi()["paths"]
    return [
        (
            re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))),
            {method.upper(): set(operation["responses"]) for method, operation in operations.items()},
        )
        for path, operations in sorted(paths.items(), key=lambda item: -len(item[0]))
    ]


def undeclared(log: str) -> list[str]:
    """Return the responses in a server's log that its OpenAPI document does not declare."""
    found = set()
    for request in REQUEST.finditer(log):
        method, status = request["method"], request["status"]
        path = request["target"].partition("?")[0]
        operations = next((operations for pattern, operations in declared() if pattern.fullmatch(path)), {})
        if method in operations and status not in operations[method] | {CLIENT_DISCONNECTED}:
            found.add(f"{method} {path}: {status}")
    return sorted(found)
