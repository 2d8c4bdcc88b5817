"""All routes of the app, so that tests cover those that are added later."""

from collections.abc import Iterator

from fastapi import APIRouter, FastAPI
from starlette.routing import Route


def routes(router: APIRouter | FastAPI) -> Iterator[Route]:
    """Yield the routes of an app or router, those of included routers too."""
    for route in router.routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from routes(included)
        else:
            assert isinstance(route, Route), "a kind of route that tests do not know"
            yield route
