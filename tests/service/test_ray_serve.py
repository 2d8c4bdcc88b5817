"""The application of Ray Serve: what it requires, and how Ray is to run it. `tests/ray` runs it."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from service.error_responses import install
from service.errors.problems import ServiceError
from service.settings.load import SettingsError

ray_serve = pytest.importorskip("service.ray_serve", reason="ray is not installed", exc_type=ImportError)

DIRECT = {"RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}


@pytest.mark.parametrize("name", DIRECT)
@pytest.mark.parametrize("value", [None, "0", ""])
def test_each_variable_of_direct_ingress_is_required(name: str, value: str | None) -> None:
    variables = {**DIRECT, name: value} if value is not None else {one: "1" for one in DIRECT if one != name}
    with pytest.raises(SettingsError, match=f"^{name} is not 1: .* set .*HA_PROXY=1 .*THROUGHPUT_OPTIMIZED=1 where"):
        ray_serve.require_direct_ingress(variables)
    ray_serve.require_direct_ingress(DIRECT)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the deployment with settings of the environment."""

    def make(**settings: object) -> Any:
        for name, value in (
            DIRECT | {f"SAMPLER_{name.upper()}": str(value) for name, value in settings.items()}
        ).items():
            monkeypatch.setenv(name, value)
        return ray_serve.application()._bound_deployment

    return make


def test_ray_admits_the_requests_that_the_server_admits_and_refuses_others_with_its_retry_after(
    deployment: Any,
) -> None:
    made = deployment(open=1, max_requests=24, retry_after=7)
    assert (made.max_ongoing_requests, made.max_queued_requests) == (24, 24)
    refusal = made._deployment_config.backpressure_config
    assert (refusal.status_code, refusal.retry_after_s) == (503, 7)


def test_each_node_has_one_replica_with_the_cpus_of_its_workers(deployment: Any) -> None:
    made = deployment(open=1, workers=3)
    assert made._replica_config.max_replicas_per_node == 1
    assert made.ray_actor_options["num_cpus"] == 3


def test_a_replica_that_is_stopped_has_time_to_drain_and_to_finish(deployment: Any) -> None:
    assert deployment(open=1, grace_seconds=20)._deployment_config.graceful_shutdown_timeout_s >= 30 + 20


def test_replicas_get_the_settings_of_the_process_that_deploys_and_no_other_variables(deployment: Any) -> None:
    [variables] = deployment(open=1, workers=3).init_args
    assert variables == {"SAMPLER_OPEN": "1", "SAMPLER_WORKERS": "3"}


@pytest.mark.parametrize(
    ("kind", "well"), [(None, True), ("overloaded", True), ("shutting-down", True), ("not-ready", False)]
)
def test_only_a_replica_without_workers_is_replaced(kind: str | None, well: bool) -> None:
    app = FastAPI()
    install(app)
    server = object.__new__(ray_serve.SamplerServer)
    server.app = app

    @app.get("/readyz")
    async def ready() -> dict[str, int]:
        if kind is not None:
            raise ServiceError(kind, "none of 2 workers is ready")
        return {"workers": 2}

    with nullcontext() if well else pytest.raises(RuntimeError, match=r"^/readyz: none of 2 workers is ready"):
        asyncio.run(server.check_health())


def test_other_hosts_reach_replicas_so_a_token_is_required(deployment: Any) -> None:
    with pytest.raises(SettingsError, match=r"other hosts could use this server at 0\.0\.0\.0 without a token"):
        deployment(workers=1)
    assert deployment(token="0123456789abcdef") is not None


def test_a_certificate_is_refused_since_ray_does_not_use_it(deployment: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SAMPLER_TLS_CERT is only for `saccade-sampler serve`; .*Ray Serve"):
        deployment(open=1, tls_cert=tmp_path / "cert.pem")
