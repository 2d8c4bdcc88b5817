"""Scenario: steps from three replicas behind HAProxy while a node is killed, then requests while replicas are stopped.

    python -m tests.ray.serve_requests STEPS

The settings of the server come from the environment. Prints the hash of each step's arrays, the number of replicas
before the kill, of lost nodes, the response of Ray's Python proxy, and the outcomes of the requests while replicas
are stopped.
"""

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import yaml  # type: ignore[import-untyped] # the package ships no types
from ray import serve

from client import SamplerClient
from tests.chaos.server import free_port
from tests.ray.cluster import cluster, lost_nodes
from tests.ray.hashes import BATCH_SIZE, SEED, hash_of
from tests.ray.scenario import FOLDER
from tests.support.processes import run_python

SECONDS = 60.0
PORT = free_port()


def main(steps: int, folder: Path) -> None:
    """Deploy the application, use it, and print what came."""
    with cluster(3) as (running, others):
        config = build(folder)
        deploy(folder, running.address, config, replicas=3)
        wait_until(lambda: replicas() == 3)
        before = replicas()
        refused = httpx.get(f"http://{fallback_proxy()}/v1/batches", params=query(0))
        hashes = []
        with SamplerClient(f"http://127.0.0.1:{PORT}") as client:
            for step in range(steps):
                batch = client.batch(seed=SEED, step=step, batch_size=BATCH_SIZE)
                hashes.append(hash_of(batch))
                if step == steps // 3:
                    running.remove_node(others[0], allow_graceful=False)
        lost = lost_nodes()
        wait_until(lambda: replicas() == 2)
        deploy(folder, running.address, config, replicas=1)
        statuses = requests_until(lambda: serve_states() == {"RUNNING": 1})
    refusal = [refused.status_code, refused.headers.get("retry-after"), refused.json()["type"]]
    print(json.dumps({"hashes": hashes, "before": before, "lost": lost, "statuses": statuses, "refusal": refusal}))


def build(folder: Path) -> dict[str, Any]:
    """Return the configuration that `serve build` writes."""
    file = folder / "app.yaml"
    run_python("-m", "ray.serve.scripts", "build", "service.ray_serve:app", "-o", file)
    config: dict[str, Any] = yaml.safe_load(file.read_text())
    config["proxy_location"] = "HeadOnly"  # the nodes share this machine's ports
    config["http_options"] = {"host": "127.0.0.1", "port": PORT}
    return config


def deploy(folder: Path, address: str, config: dict[str, Any], replicas: int) -> None:
    """Deploy with a fixed number of replicas."""
    [deployment] = config["applications"][0]["deployments"]
    deployment["autoscaling_config"] |= {"min_replicas": replicas, "max_replicas": replicas}
    file = folder / "deployed.yaml"
    file.write_text(yaml.safe_dump(config))
    run_python("-m", "ray.serve.scripts", "run", file, "--address", address, "--non-blocking")


def serve_states() -> dict[str, int]:
    """Return how many replicas are in each state."""
    applications = serve.status().applications
    return {
        str(state): count
        for application in applications.values()
        for deployment in application.deployments.values()
        for state, count in deployment.replica_states.items()
    }


def replicas() -> int:
    """Return how many replicas serve."""
    return serve_states().get("RUNNING", 0)


def query(step: int) -> dict[str, int]:
    """Return the parameters of the request for a step."""
    return {"seed": SEED, "step": step, "batch_size": BATCH_SIZE}


def fallback_proxy() -> str:
    """Return the address of Ray's Python proxy, to which HAProxy turns while it finds no replica up."""
    files = Path(os.environ[FOLDER]).rglob("*.cfg")
    found: set[str] = set()
    for file in files:
        found.update(re.findall(r"server \S+ (\S+:\d+) .*backup", file.read_text()))
    [address] = found
    return address


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait until a state is reached."""
    deadline = time.monotonic() + SECONDS
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {SECONDS} s: {serve.status()}"
        time.sleep(0.2)


def requests_until(reached: Callable[[], bool]) -> dict[str, int]:
    """Request batches one after another, each once; count the outcomes."""
    outcomes: Counter[str] = Counter()
    url = f"http://127.0.0.1:{PORT}/v1/batches"
    deadline = time.monotonic() + SECONDS
    step = 0
    while not reached() and time.monotonic() < deadline:
        try:
            outcomes[str(httpx.get(url, params=query(step), timeout=10).status_code)] += 1
        except httpx.TransportError as error:
            outcomes[repr(error)] += 1
        step += 1
    return dict(outcomes)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
