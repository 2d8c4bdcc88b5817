"""Measure every contender once in each round, so that a machine that slows down slows all of them."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.material import Material
from benchmarks.peers.job import BATCH, WORKERS, Job, OwnJob, PeerJob, Window
from benchmarks.peers.processes import TrainerError, run
from benchmarks.peers.results import (
    FIRST,
    LATER,
    ONE,
    OWN,
    PEERS,
    RANKS,
    ROUTE_TEXTS,
    STORE,
    TWINS,
    Contender,
    Result,
    Turn,
    turn_of,
)
from benchmarks.peers.routes import ROUTES
from benchmarks.server import MeasuredServer, server
from client import SamplerClient, Shard, StreamRequest

WARM_UP_SEED = 1
SEEDS = 2
"""Measurements use this seed and those above it, one each, so that no batch was made before."""

LONGEST = 540.0
"""Seconds for all rounds."""
WARM_UP = 3
"""Batches of the first epoch before the measurement."""
AHEAD = 6
"""More batches than server and loader prefetch."""

Say = Callable[[str], None]
"""Called with a line about what has just been measured or is about to be."""


@dataclass
class Findings:
    """What was measured so far.

    Attributes:
        turns: Of each contender, in the order of the rounds.
        left_out: Why a peer is missing, by its name.
    """

    turns: dict[Contender, list[Turn]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, contender: Contender, turn: Turn) -> None:
        """Record a turn."""
        self.turns.setdefault(contender, []).append(turn)

    def leave_out(self, peer: str, why: str) -> None:
        """Drop a peer from all rounds."""
        self.left_out[peer] = why
        self.turns = {who: turns for who, turns in self.turns.items() if who.loader != peer}

    def results(self) -> list[Result]:
        """Return the results of all contenders that took part in every round."""
        return [Result(who, tuple(turns)) for who, turns in self.turns.items()]


@dataclass(frozen=True, slots=True)
class Bench:
    """The datasets, their servers, and what to tell while measuring.

    Attributes:
        jpeg: Dataset without a decoded store.
        images: Number of its images.
        later: Server of `jpeg` that has sent a whole epoch.
        store: Server of the same dataset with a decoded store, which has sent a whole epoch.
        peers: Which peers to measure.
    """

    jpeg: Material
    images: int
    later: MeasuredServer
    store: MeasuredServer
    peers: tuple[str, ...]
    window: Window
    folder: Path
    say: Say


@contextmanager
def warm_server(source: Material, images: int, folder: Path) -> Iterator[MeasuredServer]:
    """A server that has sent a whole epoch: everything that it keeps for later epochs is there."""
    with server(source, folder / f"{source.cache_dir.name}.log", workers=WORKERS) as running:
        request = StreamRequest(seed=WARM_UP_SEED, start=0, stop=-(-images // BATCH), shard=Shard(BATCH))
        with SamplerClient(running.url) as client:
            for _ in client.packed_stream(request):
                pass
        yield running


def measure(bench: Bench, rounds: int) -> Findings:
    """Measure all contenders in so many rounds, or in fewer if all would take longer than `LONGEST`."""
    findings, seeds, began = Findings(), itertools.count(SEEDS), time.monotonic()
    for number in range(1, rounds + 1):
        done = number - 1
        if done and (time.monotonic() - began) / done * number > LONGEST:
            bench.say(f"ended after {done} of {rounds} rounds: this machine is too slow or busy for more")
            break
        bench.say(f"round {number} of {rounds}")
        for peer in bench.peers:
            if PEERS[peer] not in findings.left_out:
                _measure_peer(bench, peer, findings)
        _measure_own(bench, findings, seeds)
    return findings


def _measure_peer(bench: Bench, peer: str, findings: Findings) -> None:
    name = PEERS[peer]
    try:
        (measured,) = run([PeerJob(peer, bench.jpeg, ROUTES, bench.window)], bench.folder)
    except TrainerError as error:
        findings.leave_out(name, str(error))
        bench.say(f"{name} is left out: {error}")
        return
    for route, one in zip(ROUTES, measured, strict=True):
        _record(bench, findings, Contender(name, ROUTE_TEXTS[route]), turn_of([one]))


def _measure_own(bench: Bench, findings: Findings, seeds: Iterator[int]) -> None:
    for trainers in (ONE, RANKS, TWINS):
        with tempfile.TemporaryDirectory(dir=bench.folder) as name:
            fresh = replace(bench.jpeg, cache_dir=Path(name))
            with server(fresh, bench.folder / "first.log", workers=WORKERS) as running:
                window = first_epoch(bench.images, trainers)
                turn = _own_turn(bench, running, next(seeds), window, trainers)
                _record(bench, findings, Contender(OWN, FIRST, trainers), turn)
        for running, source in ((bench.later, LATER), (bench.store, STORE)):
            turn = _own_turn(bench, running, next(seeds), bench.window, trainers)
            _record(bench, findings, Contender(OWN, source, trainers), turn)


def first_epoch(images: int, trainers: str) -> Window:
    """Return a window that ends before the server prefetches samples of the second epoch."""
    steps = images // (BATCH * _world_size(trainers))
    return Window(warm_up=WARM_UP, seconds=0, samples=(steps - WARM_UP - AHEAD) * BATCH)


def _own_turn(bench: Bench, running: MeasuredServer, seed: int, window: Window, trainers: str) -> Turn:
    ranks = _world_size(trainers)
    jobs: list[Job] = [OwnJob(running.url, running.process.pid, window, seed, rank, ranks) for rank in range(ranks)]
    return turn_of([one for (one,) in run(jobs * 2 if trainers == TWINS else jobs, bench.folder)])


def _world_size(trainers: str) -> int:
    return 2 if trainers == RANKS else 1


def _record(bench: Bench, findings: Findings, who: Contender, turn: Turn) -> None:
    findings.add(who, turn)
    trainers = "" if who.trainers == ONE else f", trainers: {who.trainers}"
    bench.say(f"  {who.loader}, {who.source}{trainers}: {turn.rate:,.0f} samples/s, {turn.cpu:.2f} ms of CPU a sample")
