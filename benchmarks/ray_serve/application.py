"""The server under Ray Serve, in a separate process that starts Ray and ends it.

    python -m benchmarks.ray_serve.application PORT

Prints a line when it serves on the loopback interface, and ends when its input does.
"""

import sys

import ray
from ray import serve

from service.ray_serve import application

READY = "ready"
OBJECT_STORE_BYTES = 100 << 20
"""Batches do not pass through it."""


def main(port: int) -> None:
    """Serve until stdin is closed."""
    ray.init(
        num_cpus=2, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR",
    )  # fmt: skip
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        serve.run(application())
        print(READY, flush=True)
        sys.stdin.read()
        serve.shutdown()
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main(int(sys.argv[1]))
