"""`serve run service.ray_serve:app`: replicas on three nodes, the bytes of a single server, and refusals."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.ray.hashes import hashes_of
from tests.ray.scenario import run_scenario
from tests.support.live_server import LiveServer
from tests.support.processes import run_python

pytest.importorskip("ray")

DIRECT = {"RAY_SERVE_ENABLE_HA_PROXY": 1, "RAY_SERVE_THROUGHPUT_OPTIMIZED": 1}
SERVER = {"workers": 1, "buffer_mb": 64, "max_requests": 8, "grace_seconds": 1}
STEPS = 60


def test_batches_are_those_of_a_server_though_a_node_is_killed_and_none_is_lost_when_replicas_stop(
    scenes: tuple[Path, Path], cache_dir: Path, server: LiveServer, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = SERVER | {"annotations": annotations, "images": images, "cache_dir": cache_dir, "open": 1}
    found = run_scenario("tests.ray.serve_requests", STEPS, tmp_path, settings=settings, variables=DIRECT)
    assert found["before"] == 3
    assert found["lost"] == 1
    assert found["hashes"] == hashes_of(server, range(STEPS))
    assert found["statuses"].keys() == {"200"}
    assert found["refusal"] == [503, "1", "urn:saccade-sampler:problem:not-ready"]


def test_without_direct_ingress_it_refuses_to_start_in_one_line_that_names_both_variables() -> None:
    line = refused({}, {"open": 1})
    assert all(f"{name}=1" in line for name in DIRECT)


def refused(variables: Mapping[str, object], settings: Mapping[str, object]) -> str:
    """Run `serve run`, which must fail; return the line that says why."""
    done = run_python(
        "-m", "ray.serve.scripts", "run", "service.ray_serve:app", check=False, variables=variables, settings=settings,
        coverage=False,
    )  # fmt: skip
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if "INFO" not in line]
    assert line.startswith("error: ")
    return line
