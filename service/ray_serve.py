"""The server as an application of Ray Serve: `serve run service.ray_serve:app`.

Ray runs at most one replica on each node. Each replica makes the same app as `uvicorn service.main:app` and starts its
own workers. Ray's HAProxy spreads requests over the replicas, which listen themselves: batches are sent from the arena,
and Ray's Python proxy would have to pickle them.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

import httpx
import ray
from ray import serve

from sampler.errors import SamplerError
from sampler.wire.problem_types import TYPE_PREFIX
from service.access.binding import require_protected
from service.app import SamplerApp, create_app
from service.middleware.behind_ray import BehindRay
from service.settings.load import SettingsError, load_settings
from service.settings.server import PREFIX, Settings

REQUIRED = ("RAY_SERVE_ENABLE_HA_PROXY", "RAY_SERVE_THROUGHPUT_OPTIMIZED")
"""Variables of Ray, each to be 1: HAProxy instead of the Python proxy, and requests handled in the replica's loop."""

ALL_ADDRESSES = "0.0.0.0"
"""Where replicas and HAProxy listen. Ray lets HAProxy reach replicas of other nodes, whatever its own setting says."""

TARGET_REQUESTS = 8
"""Requests in flight or queued per replica at which autoscaling aims. A loader with one URL has one, its stream."""

MOST_REPLICAS = 16

DRAIN_SECONDS = 35.0
"""Time that Ray keeps a replica reachable while HAProxy forgets it (30 s by default), and a margin of its own."""

CONSTRUCTIONS = 3
"""How often Ray tries to start a replica. A wrong setting does not become right by itself."""


def require_direct_ingress(environment: Mapping[str, str]) -> None:
    """Check that requests reach the replicas without Ray's Python proxy. Raises `SettingsError`."""
    missing = [name for name in REQUIRED if environment.get(name) != "1"]
    if missing:
        raise SettingsError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not 1: Ray's Python proxy cannot send "
            f"batches; set {' '.join(f'{name}=1' for name in REQUIRED)} where `serve run` and `ray start` are run"
        )


def checked_settings() -> Settings:
    """Return the settings of the environment, which must suit Ray Serve. Raises `SettingsError`."""
    settings = load_settings()
    if settings.tls_cert is not None:
        raise SettingsError(
            "SAMPLER_TLS_CERT is only for `saccade-sampler serve`; with Ray Serve, put a proxy that speaks https in "
            "front of it"
        )
    require_protected(settings, ALL_ADDRESSES)
    return settings


def create_replica() -> SamplerApp:
    """Return the app of a replica. Ray calls it there: nothing of an app is pickled."""
    app = create_app()
    app.add_middleware(BehindRay)
    return app


class SamplerServer:
    """What a replica runs: the app, made where it serves, with its workers."""

    app: SamplerApp  # set by `serve.ingress`

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Take the settings over. Raises `SettingsError`.

        variables: SAMPLER_… of the process that deploys. Those in the runtime environment of the deployment go first,
        those that the node itself has come last.
        """
        given = ray.get_runtime_context().runtime_env.get("env_vars") or {}
        os.environ.update({**variables, **given})
        require_direct_ingress(os.environ)
        checked_settings()

    async def check_health(self) -> None:
        """Raise an error if no worker is alive. Ray replaces a replica that fails three times in a row.

        One that refuses requests because it is full or ends is well, and its streams go on.
        """
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            response = await client.get("/readyz")
        if response.status_code != httpx.codes.OK and response.json()["type"] == TYPE_PREFIX + "not-ready":
            raise RuntimeError(f"/readyz: {response.json()['detail']}")


def options_of(settings: Settings) -> dict[str, Any]:
    """Return the options of the deployment. `serve build` writes them into a file, where they can be changed."""
    options: dict[str, Any] = {
        "name": "sampler",
        "max_replicas_per_node": 1,
        "max_ongoing_requests": settings.max_requests,
        "max_queued_requests": settings.max_requests,
        "backpressure_config": {"status_code": 503, "retry_after_s": settings.retry_after},
        "autoscaling_config": {
            "min_replicas": 1,
            "max_replicas": MOST_REPLICAS,
            "target_ongoing_requests": min(TARGET_REQUESTS, settings.max_requests),
        },
        "graceful_shutdown_timeout_s": DRAIN_SECONDS + settings.grace_seconds,
        "health_check_period_s": 5,
        "health_check_timeout_s": 10,
        "max_constructor_retry_count": CONSTRUCTIONS,
    }
    if "workers" in settings.model_fields_set:  # Ray then places nothing else on the CPUs of the workers
        options["ray_actor_options"] = {"num_cpus": settings.workers}
    return options


def application() -> Any:
    """Return the application with the settings of the environment. Raises `SettingsError`."""
    require_direct_ingress(os.environ)
    settings = checked_settings()
    variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    server = serve.ingress(create_replica)(SamplerServer)
    return serve.deployment(**options_of(settings))(server).bind(variables)


def _load(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return application()
    except SamplerError as error:
        if ray.is_initialized():  # a task of `serve deploy`, which reports the error
            raise
        sys.exit(f"error: {error}")


__getattr__ = _load
