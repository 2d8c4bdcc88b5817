"""Pages that document the endpoints."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

router = APIRouter(tags=["status"])


@router.get("/docs", include_in_schema=False)
async def api(request: Request) -> Response:
    """Show the page that documents the endpoints."""
    from service.explorer.api.page import api_page  # loads Jinja, which no other request needs

    return api_page(request, request.app.openapi())
