"""The FastAPI app."""

import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from sampler.errors import SamplerError
from sampler.printable import printable
from sampler.version import VERSION
from service import connection, error_responses
from service.access.exposure import Exposure, listening_host
from service.access.policy import AccessPolicy
from service.contract.document import complete
from service.contract.methods import Endpoints, Methods
from service.explorer.loading import loading_pages
from service.explorer.status.events import encode_events
from service.kubernetes import service_variables
from service.lifespan.plain_server import check_plain_server
from service.lifespan.startup import run_server
from service.log_lines import configure, hide
from service.metrics import Metrics
from service.middleware.forwarded_prefix import ForwardedPrefix, TrustedProxies
from service.middleware.guard import Guard
from service.middleware.old_clients import without_chunks
from service.middleware.request_log import RequestLog
from service.middleware.request_metrics import RequestMetrics
from service.middleware.response_headers import with_headers
from service.middleware.slow_clients import SlowClients
from service.middleware.uncopied_chunks import without_copies
from service.monitoring.monitor import monitored
from service.routes import (
    access,
    api,
    assets,
    batches,
    compare,
    debug,
    health,
    images,
    images_page,
    matches,
    samples,
    statistics,
    status,
    steps,
    thumbnails,
    what_if,
)
from service.settings.load import load_settings
from service.settings.server import Settings

log = logging.getLogger("saccade_sampler")

DESCRIPTION = """
Training samples for CornerNet-Saccade, CornerNet and CornerNet-Squeeze. A sample is a pure function of dataset,
config, seed, epoch and index: any server with the same digest makes the same bytes.
"""


class SamplerApp(FastAPI):
    """A FastAPI app that reports a failed startup in one line, and declares all that its endpoints do."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:

        async def send_brief(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self.state.startup_error is not None:
                message["message"] = f"cannot start: {printable(str(self.state.startup_error))}"
            await send(message)

        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send_brief)
            return
        scope[connection.KEY] = connection.Connection.behind(send)
        await super().__call__(scope, receive, with_headers(scope, without_copies(without_chunks(scope, send))))

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, which is complete once the server has started."""
        if self.openapi_schema is None:
            complete(super().openapi(), token=self.state.access.credentials is not None)
        return super().openapi()


def create_app(settings: Settings | None = None) -> SamplerApp:
    """Return the app.

    settings: Default: they are read from environment and file at startup.
    """
    metrics = Metrics()
    app = SamplerApp(
        title="saccade-sampler", version=VERSION, description=DESCRIPTION, lifespan=_lifespan, docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.metrics = metrics
    app.state.settings = settings
    app.state.limited = False  # whether connections are limited, which no app can do
    app.state.startup_error = None
    app.state.access = AccessPolicy()
    app.state.exposure = None
    app.state.proxies = None
    modules = (
        batches, images, steps, images_page, samples, matches, debug, compare, what_if, statistics, thumbnails, access,
        health, status, api, assets,
    )  # fmt: skip
    endpoints = Endpoints.of([*app.routes, *(route for module in modules for route in module.router.routes)])
    metrics.show_no_errors(endpoints.names)
    app.add_middleware(Methods, endpoints=endpoints)  # the last one that is added handles requests first
    app.add_middleware(Guard, metrics=metrics)
    app.add_middleware(RequestLog, endpoints=endpoints)
    app.add_middleware(SlowClients)
    app.add_middleware(RequestMetrics, metrics=metrics, endpoints=endpoints)
    app.add_middleware(ForwardedPrefix)
    error_responses.install(app)
    for module in modules:
        app.include_router(module.router)
    return app


def _log_ignored_variables() -> None:
    ignored = service_variables(os.environ)
    if ignored:
        log.info("ignored variables that Kubernetes sets for a Service, not settings: %s", ", ".join(ignored))


def _control_access(app: FastAPI, settings: Settings) -> None:
    """Set the policy that the guard of the app follows. Raises `SettingsError`."""
    policy = AccessPolicy.of(settings)
    if policy.credentials is not None:
        hide(policy.credentials.token)
    app.state.access = policy
    app.state.proxies = TrustedProxies(os.environ)
    app.state.exposure = exposure = Exposure(policy)
    exposure.check_start(listening_host(sys.argv, os.environ))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            settings = app.state.settings or load_settings()
            configure(settings.log_level, settings.log_format)
            _log_ignored_variables()
            if not app.state.limited:
                check_plain_server(settings)
            _control_access(app, settings)
            serving = await stack.enter_async_context(run_server(settings, app.state.metrics))
            await stack.enter_async_context(monitored(serving, encode_events))
            await stack.enter_async_context(loading_pages())  # now, so that the start does not wait for it
            app.state.serving = serving
            app.openapi()  # prepares the parameters of all routes, so that the first request does not wait for it
        except SamplerError as error:
            app.state.startup_error = error
            raise
        yield
