"""Swagger UI and ReDoc, which show the OpenAPI document, as pages of this server."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from service.explorer.shell.templates import page
from service.explorer.shell.vendored import SWAGGER_STYLE


def swagger_page(request: Request) -> HTMLResponse:
    """Return the page with Swagger UI."""
    return page(
        request, "api/swagger.html", title="Swagger UI", view="Swagger UI", scripts=("api/swagger.js",),
        styles=(SWAGGER_STYLE, "api/swagger.css"),
    )  # fmt: skip


def redoc_page(request: Request) -> HTMLResponse:
    """Return the page with ReDoc, which makes its style in the browser and searches in a worker."""
    policy = {"style-src": "'self' 'unsafe-inline'", "worker-src": "blob:"}
    return page(
        request,
        "api/redoc.html",
        title="ReDoc",
        view="ReDoc",
        scripts=("api/redoc.js",),
        styles=("api/redoc.css",),
        policy=policy,
    )
