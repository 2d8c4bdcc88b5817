"""Pages for people: HTML that needs nothing else, and may run only its own script and style."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

_STYLE = "style.css"


@cache
def _template(name: str) -> Template:
    loader = PackageLoader("service.explorer", package_path="")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(name)


@cache
def _file(name: str) -> str:
    return files("service.explorer").joinpath(name).read_text(encoding="utf-8")


def render(name: str, **values: Any) -> str:
    """Return the page of a template. It gets the common style as `style`, and values are escaped."""
    return _template(name).render(style=Markup(_file(_STYLE)), **values)


def script(name: str) -> Markup:
    """Return the text of a script, for a template."""
    return Markup(_file(name))


def page_response(page: str, *, scripts: tuple[str, ...] = (), status: int = 200) -> HTMLResponse:
    """Return the response with a page.

    scripts: files with the scripts of the page. Its browser runs no others, whatever names of a dataset contain.
    """
    headers = {
        "content-security-policy": _policy(scripts), "referrer-policy": "same-origin", "cache-control": "no-cache",
    }  # fmt: skip
    return HTMLResponse(page, status, headers)


@cache
def _policy(scripts: tuple[str, ...]) -> str:
    allowed = " ".join(_hash(_file(name)) for name in scripts) or "'none'"
    return "; ".join(
        (
            "default-src 'none'", f"script-src {allowed}", f"style-src {_hash(_file(_STYLE))}", "img-src 'self' data:",
            "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
        )
    )  # fmt: skip


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
