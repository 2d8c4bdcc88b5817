"""Clients in processes of their own, as trainers are: what they wait for batches, and their CPU time.

`python -m benchmarks.clients URL` is such a process. It reads a line of JSON for each `Work` and prints its `Report`.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass

from client import SamplerClient, Shard, StepRequest, StreamRequest

READY = "ready"


@dataclass(frozen=True, slots=True)
class Work:
    """Batches that one process receives, without rendering them.

    Attributes:
        steps: [start, stop).
        batch_size: Of all ranks together.
        connections: 0 for one stream of all steps. Otherwise each step is a separate request, and as many are made at
            the same time.
        pause: Seconds of training after each batch of a stream.
    """

    seed: int
    steps: tuple[int, int]
    batch_size: int
    rank: int = 0
    world_size: int = 1
    connections: int = 0
    pause: float = 0.0

    @property
    def shard(self) -> Shard:
        """The part of each batch that the process receives."""
        return Shard(self.batch_size, self.rank, self.world_size)


@dataclass(frozen=True, slots=True)
class Report:
    """What receiving cost.

    Attributes:
        waits: Seconds until each batch was there, counted from its request or from the batch before it in a stream.
        seconds: From the first request to the last batch.
        cpu_seconds: Of the client.
    """

    waits: list[float]
    seconds: float
    cpu_seconds: float


class ClientProcesses:
    """Client processes that are ready to receive from one server."""

    def __init__(self, processes: Sequence["subprocess.Popen[str]"]) -> None:
        """Take processes that have printed `READY`."""
        self._processes = processes

    def receive(self, works: Sequence[Work]) -> list[Report]:
        """Let as many processes as there are works receive at the same time; return their reports, in order."""
        busy = self._processes[: len(works)]
        for process, work in zip(busy, works, strict=True):
            assert process.stdin is not None
            process.stdin.write(json.dumps(asdict(work)) + "\n")
            process.stdin.flush()
        return [Report(**json.loads(_line(process))) for process in busy]


@contextmanager
def client_processes(url: str, count: int) -> Iterator[ClientProcesses]:
    """Start client processes of a server. They end with the block."""
    command = [sys.executable, "-m", "benchmarks.clients", url]
    with ExitStack() as stack:
        processes = []
        for _ in range(count):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            processes.append(stack.enter_context(process))  # closes its input, which ends it, and waits
        for process in processes:
            _line(process)
        yield ClientProcesses(processes)


def receive(client: SamplerClient, work: Work) -> Report:
    """Receive the batches of a work."""
    cpu, began = time.process_time(), time.perf_counter()
    waits = _single(client, work) if work.connections else _streamed(client, work)
    return Report(waits, time.perf_counter() - began, time.process_time() - cpu)


def _streamed(client: SamplerClient, work: Work) -> list[float]:
    start, stop = work.steps
    request = StreamRequest(seed=work.seed, start=start, stop=stop, shard=work.shard)
    waits = []
    before = time.perf_counter()
    with closing(client.packed_stream(request)) as batches:
        for _ in batches:
            now = time.perf_counter()
            waits.append(now - before)
            time.sleep(work.pause)
            before = time.perf_counter()
    return waits


def _single(client: SamplerClient, work: Work) -> list[float]:
    def wait(step: int) -> float:
        began = time.perf_counter()
        client.packed_batch(StepRequest(seed=work.seed, step=step, shard=work.shard))
        return time.perf_counter() - began

    with ThreadPoolExecutor(work.connections) as threads:
        return list(threads.map(wait, range(*work.steps)))


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"a client process ended with status {process.wait()}; see its output above")
    return line


def _serve(url: str) -> None:
    with SamplerClient(url) as client:
        client.spec()
        print(READY, flush=True)
        for line in sys.stdin:
            print(json.dumps(asdict(receive(client, Work(**json.loads(line))))), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
