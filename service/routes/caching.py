"""Entity tags and Cache-Control of responses that depend on digests."""

import hashlib

from starlette.responses import Response

from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec
from service.workers.protocol import ViewJob

IMMUTABLE = "max-age=31536000, immutable"
"""Cache-Control of a URL that names all that its response depends on: both digests, and for what this server draws its
version. The response never changes."""

REVALIDATE = "no-cache"
"""Cache-Control of a URL that does not, or of a server that does not know the digest of its images: another server, or
the same one with other images or after an upgrade, may give another response."""

PRIVATE = "private, "
"""Cache-Control of a server with a token: a cache that others share would give the response to anyone. The cache of a
proxy that checks the token itself may store it all the same."""


def cache_control(*, immutable: bool, protected: bool) -> str:
    """Return the Cache-Control of a response.

    immutable: the URL names all that the response depends on. protected: the server has a token.
    """
    if not protected:
        return f"public, {IMMUTABLE}" if immutable else REVALIDATE
    return PRIVATE + (IMMUTABLE if immutable else REVALIDATE)


def not_modified(headers: dict[str, str]) -> Response:
    """Return the response to a client that has the content."""
    return Response(status_code=304, headers=headers)


def view_tag(job: ViewJob, spec: ServiceSpec, part: str = "", *, run: str) -> str:
    """Return a strong entity tag of a view, or of a part of it. It changes with everything that the view depends on.

    run: names this run of the server; "" if the hashes of the image files are recorded, since the tag of the view then
        changes with the files.
    """
    name = (VERSION, spec.digest, spec.pixels, job.identity, part, run)
    return f'"{hashlib.blake2b(repr(name).encode(), digest_size=16).hexdigest()}"'
