"""The headers of pages, for GET and for HEAD."""

from collections.abc import Mapping

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
"""The content security policy: whatever names of a dataset contain, a browser runs no script within a page."""


def page_headers(policy: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the headers of a page. policy: directives of the content security policy that differ from `POLICY`."""
    directives = POLICY | dict(policy or {})
    return {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in directives.items()),
        "referrer-policy": "same-origin",
        "cache-control": "no-cache",
    }
