"""The FastAPI app, put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from sampler.errors import SamplerError
from sampler.version import VERSION
from service.errors import responses as error_responses
from service.lifespan.startup import run_server
from service.metrics import Metrics
from service.middleware import request_log
from service.routes import batches, debug, status
from service.settings import Settings, load_settings

DESCRIPTION = """
Training samples for CornerNet-Saccade, CornerNet and CornerNet-Squeeze. A sample is a pure function of dataset,
config, seed, epoch and index: any server with the same digest makes the same bytes.
"""


class SamplerApp(FastAPI):
    """A FastAPI app whose start-up failures are one line instead of a stack trace."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve; at start-up, say in one line what is wrong."""
        if scope["type"] != "lifespan":
            await super().__call__(scope, receive, send)
            return

        async def brief(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self.state.start_failure is not None:
                message["message"] = self.state.start_failure
            await send(message)

        await super().__call__(scope, receive, brief)


def create_app(settings: Settings | None = None) -> SamplerApp:
    """Return the app. Settings are read from the environment when it starts, unless they are given here."""
    metrics = Metrics()
    app = SamplerApp(title="saccade-sampler", version=VERSION, description=DESCRIPTION, lifespan=_lifespan)
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.start_failure = None
    app.add_middleware(request_log.RequestLog, metrics=metrics)
    error_responses.install(app)
    for module in (batches, debug, status):
        app.include_router(module.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        try:
            settings = app.state.settings or load_settings()
            request_log.configure(settings.log_level)
            app.state.serving = await stack.enter_async_context(run_server(settings, app.state.metrics))
            app.openapi()  # works out all routes' parameters, which the first batch would otherwise wait for
        except SamplerError as error:
            app.state.start_failure = f"cannot start: {error}"
            raise
        yield
