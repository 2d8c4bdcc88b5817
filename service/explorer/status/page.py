"""The page at /status."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from service.activity.snapshot import Snapshot
from service.explorer.shell.templates import page
from service.explorer.status.display import (
    CHART_HEIGHT,
    CHART_WIDTH,
    ERROR_COLUMNS,
    STREAM_COLUMNS,
    clock_time,
    display,
)


def status_page(request: Request, snapshot: Snapshot) -> HTMLResponse:
    """Return the page with a snapshot, which its script keeps up to date."""
    return page(
        request,
        "status/page.html",
        title="Status",
        scripts=("status/page.js",),
        styles=("status/page.css",),
        shown=display(snapshot),
        snapshot=snapshot,
        stream_columns=STREAM_COLUMNS,
        error_columns=ERROR_COLUMNS,
        chart_width=CHART_WIDTH,
        chart_height=CHART_HEIGHT,
        taken=clock_time(snapshot.time),
    )
