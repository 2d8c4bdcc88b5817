"""The headers of a request that decide whether it is served."""

from starlette.types import Scope

from sampler.errors import InvalidRequestError

_WANTED = frozenset(
    (b"host", b"origin", b"authorization", b"cookie", b"accept", b"sec-fetch-site", b"sec-fetch-mode",
     b"sec-fetch-dest")
)  # fmt: skip

_ONCE = frozenset((b"host", b"origin", b"authorization"))
"""A second one could be read by a proxy in place of the first."""

Headers = dict[bytes, bytes]


def access_headers(scope: Scope) -> Headers:
    """Return the headers that decide about access. Raises `InvalidRequestError` if one is repeated."""
    found: Headers = {}
    for name, value in scope["headers"]:
        if name not in _WANTED:
            continue
        if name not in found:
            found[name] = value
        elif name in _ONCE:
            raise InvalidRequestError(name.decode().capitalize(), None, "one header of this name")
        else:
            found[name] += (b"; " if name == b"cookie" else b", ") + value
    return found
