"""Pages that document the endpoints."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter(tags=["status"], include_in_schema=False)


@router.get("/api")
async def api(request: Request) -> Response:
    """Show the page that documents the endpoints without a script."""
    from service.explorer.api.page import api_page  # loads Jinja, which no other request needs

    return api_page(request, request.app.openapi())


@router.get("/docs")
async def swagger(request: Request) -> Response:
    """Show Swagger UI."""
    from service.explorer.api.viewers import swagger_page  # loads Jinja, which no other request needs

    return swagger_page(request)


@router.get("/redoc")
async def redoc(request: Request) -> Response:
    """Show ReDoc."""
    from service.explorer.api.viewers import redoc_page  # loads Jinja, which no other request needs

    return redoc_page(request)
