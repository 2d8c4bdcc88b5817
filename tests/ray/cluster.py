"""A cluster of Ray whose nodes are processes of this machine; part of the programs that scenarios run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.cluster_utils import Cluster

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 << 20}

HEAD: dict[str, Any] = {
    "include_dashboard": False,
    "_system_config": {
        "health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_timeout_ms": 1000,
        "health_check_failure_threshold": 3,
    },  # a lost node is noticed after some 2 s instead of 15
}  # fmt: skip


SECONDS = 20.0


@contextmanager
def cluster(nodes: int) -> Iterator[tuple[Cluster, list[Any]]]:
    """Start a cluster and connect to it; give it with its nodes after the first, and stop it at the end."""
    running = Cluster(initialize_head=True, head_node_args=NODE | HEAD)
    try:
        others = [running.add_node(**NODE) for _ in range(nodes - 1)]
        ray.init(address=running.address, namespace="serve", log_to_driver=False, logging_level="ERROR")
        yield running, others
    finally:
        ray.shutdown()
        running.shutdown()


def lost_nodes() -> int:
    """Wait until Ray has noticed the loss of a node; return how many were lost."""
    deadline = time.monotonic() + SECONDS
    while not (lost := sum(not node["Alive"] for node in ray.nodes())) and time.monotonic() < deadline:
        time.sleep(0.1)
    return lost
