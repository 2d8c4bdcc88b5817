"""Loading what pages need, so that the first one is as fast as the others and streams do not wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.resources import files

from service.explorer.shell.assets import assets


@asynccontextmanager
async def loading_pages() -> AsyncIterator[None]:
    """Load the pages in a thread while the block runs. Its end waits for the thread."""
    loading = asyncio.create_task(asyncio.to_thread(load_pages))
    try:
        yield
    finally:
        await asyncio.wait([loading])


def load_pages() -> None:
    """Import the modules of all pages and Jinja, compile the templates, and read the assets: 0.2 s of one CPU."""
    from service.explorer.shell.templates import load_templates  # loads Jinja, in a thread

    for folder in files("service.explorer").iterdir():
        if folder.joinpath("page.py").is_file():
            import_module(f"service.explorer.{folder.name}.page")
    load_templates()
    assets()
