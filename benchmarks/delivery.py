"""Batches that were made before: how fast they travel from the server's memory into arrays of the client's."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.material import Material
from benchmarks.row import NO_LIMIT, Row, paired
from benchmarks.server import server
from client import PackedBatch, SamplerClient, Shard, StepRequest
from sampler.arrays import Layout

DENSE_BATCH = 16
COMPACT_BATCH = 48
RUNS = 9
COMPACT_FETCHES = 210
WARM_FETCHES = 10
PIECE = 1 << 20

SENDER = """
import socket, sys
channel, size, piece = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
memory = memoryview(bytes(piece))
while channel.recv(1):
    left = size
    while left:
        left -= channel.sendmsg([memory[: min(left, piece)]])
"""


def rows(source: Material, folder: Path) -> Iterator[Row]:
    """Measure dense batches against a bare socket, and count compact batches."""
    with (
        server(source, folder / "server.log", batch_cache_mb=900, buffer_mb=1024) as running,
        SamplerClient(running.url) as client,
    ):
        yield _dense(client)
        yield _compact(client)


def _dense(client: SamplerClient) -> Row:
    request = _request("dense", DENSE_BATCH)
    size = client.packed_batch(request).wire_bytes
    ours, bare = [], []
    with _bare_socket(size) as receive:
        for run in range(RUNS + 2):
            seconds, bare_seconds = _seconds(lambda: client.packed_batch(request).render()), _seconds(receive)
            if run > 1:  # the first ones make the batch and touch the buffers
                ours.append(size / 1e6 / seconds)
                bare.append(size / 1e6 / bare_seconds)
    name = "dense batch from the cache, server → client arrays"
    return paired(name, "MB/s", ours, "bare socket, sendmsg → recv_into", bare, 0.6, at_most=False)


def _compact(client: SamplerClient) -> Row:
    request = _request("compact", COMPACT_BATCH)
    seconds = [_seconds(lambda: _whole(client, request)) for _ in range(COMPACT_FETCHES)]
    rates = [COMPACT_BATCH / taken for taken in seconds[WARM_FETCHES:]]
    name = "compact batch from the cache, delivered but not rendered"
    return paired(name, "samples/s", rates, NO_LIMIT, [1.0] * len(rates), 5000, at_most=False)


def _request(layout: Layout, batch_size: int) -> StepRequest:
    return StepRequest(seed=1, step=0, shard=Shard(batch_size), layout=layout)


def _whole(client: SamplerClient, request: StepRequest) -> int:
    packed: PackedBatch = client.packed_batch(request)
    return len(packed)


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


@contextmanager
def _bare_socket(size: int) -> Iterator[Callable[[], None]]:
    """A function that receives `size` bytes from another process, over TCP, into memory that is there already."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as theirs:
        theirs.connect(listener.getsockname())
        ours, _ = listener.accept()
        command = [sys.executable, "-c", SENDER, str(theirs.fileno()), str(size), str(PIECE)]
        memory = memoryview(bytearray(size))

        def receive() -> None:
            ours.sendall(b"\0")
            got = 0
            while got < size:
                got += ours.recv_into(memory[got:])

        # The socket ends before the process is waited for: that is what ends the process.
        with subprocess.Popen(command, pass_fds=[theirs.fileno()]), ours:
            yield receive
