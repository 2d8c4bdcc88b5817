"""Clients of all kinds in one process, until SIGTERM: `python -m tests.soak.client URL`. Prints how often each ran."""

import asyncio
import faulthandler
import json
import random
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable

import httpx

from client import AsyncSamplerClient, SamplerClient
from sampler.arrays import LAYOUTS

BATCH = 6
DAMAGED = "/v1/batches?dataset=damaged&indices=0"
"""A batch with an image that cannot be decoded."""

_PAUSE_SECONDS = 4.0
"""Longer than a server keeps memory for a stream whose client reads nothing."""

_REFUSED = {
    "/v1/batches?indices=99999": 422, "/v1/batches?indices=1&digest=" + "0" * 32: 412, "/nowhere": 404,
    "/v1/stream?seed=x": 422, "/debug/samples/99999.png": 422,
}  # fmt: skip


class Clients:
    """The activities. Each uses the server in one way, once."""

    def __init__(self, url: str, images: int) -> None:
        self._url, self._images = url, images
        self.stopped = threading.Event()
        self._kept = SamplerClient(url)

    def stream(self, rng: random.Random) -> None:
        """Read some steps with a client for them alone."""
        start = rng.randrange(1000)
        with SamplerClient(self._url) as client:
            layout = rng.choice(LAYOUTS)
            steps = [
                one.step for one in client.stream(seed=1, batch_size=BATCH, start=start, stop=start + 6, layout=layout)
            ]
        assert steps == list(range(start, start + 6)), steps

    def abandoned_stream(self, rng: random.Random) -> None:
        """Leave an endless stream after two batches, with a client that is kept."""
        for batch in self._kept.stream(seed=2, batch_size=BATCH, start=rng.randrange(1000)):
            if rng.random() < 0.5:
                assert len(batch) == BATCH
                return

    def async_stream(self, rng: random.Random) -> None:
        """Read some steps with the asynchronous client."""

        async def read() -> int:
            async with AsyncSamplerClient(self._url) as client:
                start = rng.randrange(1000)
                return len([one async for one in client.stream(seed=3, batch_size=BATCH, start=start, stop=start + 3)])

        assert asyncio.run(read()) == 3

    def batches(self, rng: random.Random) -> None:
        """Request single batches, by index and by step."""
        indices = [rng.randrange(self._images) for _ in range(BATCH)]
        assert len(self._kept.batch(indices=indices, seed=rng.randrange(50))) == BATCH

    def disconnect(self, rng: random.Random) -> None:
        """Disconnect in the middle of a stream."""
        url = f"{self._url}/v1/stream?seed=4&batch_size=48&start={rng.randrange(1000)}&layout=dense"
        with httpx.stream("GET", url, timeout=60) as response:
            for size, _ in enumerate(response.iter_raw(1 << 16)):
                if size > rng.randrange(20):
                    return

    def pause(self, rng: random.Random) -> None:
        """Read nothing for a while, then go on."""
        url = f"{self._url}/v1/stream?seed=5&batch_size=48&start={rng.randrange(1000)}&stop=9999&layout=dense"
        with httpx.stream("GET", url, timeout=60) as response:
            pieces = response.iter_raw(1 << 20)
            next(pieces)
            self.stopped.wait(_PAUSE_SECONDS)
            for _ in range(30):
                next(pieces)

    def pictures(self, rng: random.Random) -> None:
        """Look at a sample as a browser does."""
        index = rng.randrange(self._images)
        for path in (f"/explore/{index}", f"/debug/samples/{index}.png?seed=1", f"/debug/samples/{index}", "/metrics"):
            httpx.get(self._url + path, timeout=60, follow_redirects=True).raise_for_status()

    def errors(self, rng: random.Random) -> None:
        """Send requests that are refused, and some for an image that cannot be decoded."""
        path = rng.choice(list(_REFUSED))
        assert httpx.get(self._url + path, timeout=60).status_code == _REFUSED[path], path
        large = httpx.post(f"{self._url}/v1/batches", json={"indices": [1] * 600_000}, timeout=60)
        assert large.status_code == 413, large.status_code
        try:
            httpx.get(self._url + DAMAGED, timeout=60)
        except httpx.RemoteProtocolError:
            return  # the body ends early
        raise AssertionError("a batch with a damaged image")


def main(url: str) -> int:
    """Run all activities at once, each again and again, until SIGTERM."""
    spec = httpx.get(f"{url}/v1/spec", timeout=60).raise_for_status().json()
    clients, counts = Clients(url, spec["dataset"]["size"]), Counter[str]()
    failed = threading.Event()
    faulthandler.register(signal.SIGUSR1)
    signal.signal(signal.SIGTERM, lambda *_: clients.stopped.set())

    def repeat(activity: Callable[[random.Random], None]) -> None:
        name = activity.__name__
        rng = random.Random(name)
        while not clients.stopped.wait(rng.uniform(0.05, 0.3)):
            try:
                activity(rng)
            except Exception:  # noqa: BLE001 - whatever it is, the run has failed
                traceback.print_exc()
                failed.set()
                clients.stopped.set()
            counts[name] += 1

    activities = (
        clients.stream, clients.abandoned_stream, clients.async_stream, clients.batches, clients.disconnect,
        clients.pause, clients.pictures, clients.errors,
    )  # fmt: skip
    threads = [threading.Thread(target=repeat, args=(activity,)) for activity in activities]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps(counts), flush=True)
    return 1 if failed.is_set() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
