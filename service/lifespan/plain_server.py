"""What a server checks and says if it was not started by `serve`, but by uvicorn or another ASGI server."""

import logging
import multiprocessing
from typing import Any

from service.settings.load import SettingsError
from service.settings.server import Settings

log = logging.getLogger("saccade_sampler")

UNLIMITED = (
    "started without `saccade-sampler serve`: nothing limits the size of request heads, the time that clients take for "
    "them, and the number of connections. Start the server with it, or put a proxy in front that does"
)


def check_plain_server(settings: Settings) -> None:
    """Log what is not limited. Raises `SettingsError` for what cannot work without `serve`."""
    if settings.tls_cert is not None:
        raise SettingsError(
            "SAMPLER_TLS_CERT is only for `saccade-sampler serve`; start the server with it, or give uvicorn "
            "--ssl-certfile and --ssl-keyfile instead"
        )
    copies = _copies()
    if copies > 1:
        raise SettingsError(
            f"uvicorn runs {copies} copies of the server (--workers or WEB_CONCURRENCY), each with its own memory, "
            "workers and metrics; run one, and set SAMPLER_WORKERS to the number of processes that make samples"
        )
    log.warning(UNLIMITED)


def _copies() -> int:
    """Return how many processes of this server uvicorn runs."""
    # uvicorn hands its config to the processes that it starts, but no app sees it. Reloading starts one at a time.
    started_with: dict[str, Any] = getattr(multiprocessing.current_process(), "_kwargs", {})
    config = started_with.get("config")
    return 1 if getattr(config, "reload", False) else int(getattr(config, "workers", 1))
