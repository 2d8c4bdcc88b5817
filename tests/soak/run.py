"""A run: starts server, clients and trainers, kills workers, and notes what all of them hold."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.soak.holdings import FILES, QUANTITIES, Values, count_files, holdings_of
from tests.support.coco_files import category_entry, coco, image_entry, write_dataset
from tests.support.live_server import SERVE, LiveServer, running
from tests.support.processes import start_python
from tests.support.scenes import write_scenes

SETTINGS = {"workers": 2, "buffer_mb": 96, "batch_cache_mb": 16, "decoded_cache_mb": 8, "max_requests": 32}
"""Small pools are full soon, so that growth afterwards is a leak."""

RETURN_MEMORY: dict[str, object] = {"MALLOC_MMAP_THRESHOLD_": 1 << 16, "MALLOC_ARENA_MAX": 1}
"""Lets glibc return freed memory to the system, so that what a process with many threads has is what it holds."""

_KILL_SECONDS = 15.0
_LOG_LINES = 20
_END_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What each part of the system holds at a time, in seconds since the start."""

    seconds: float
    values: dict[str, Values]


@dataclass(slots=True)
class Record:
    """A run.

    Attributes:
        samples: In order.
        counts: How often each activity of each process ran.
        faults: What went wrong besides growth.
    """

    samples: list[Sample] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def soak(folder: Path, seconds: float, every: float) -> Record:
    """Run everything for some time, and take a sample every few seconds."""
    record, temporary = Record(), folder / "tmp"
    variables: dict[str, object] = {"TMPDIR": temporary}
    temporary.mkdir()
    settings = {**SETTINGS, "settings": _write_datasets(folder), "cache_dir": folder / "cache"}
    with (
        _faults_shown(record),
        running(folder, settings, SERVE, variables=variables, coverage=False) as server,
        ExitStack() as stack,
    ):
        system = System(server, folder / "cache")
        for name, module, *arguments in (
            ("clients", "tests.soak.client"),
            ("steady trainer", "tests.soak.trainer", "steady"),
            ("restarting trainer", "tests.soak.trainer", "restarting"),
        ):
            own = variables | RETURN_MEMORY
            process = stack.enter_context(_companion(name, module, server.url, arguments, own, record))
            system.processes[name] = psutil.Process(process.pid)
        _watch(system, record, seconds, every, [folder / "cache", temporary])
    _check_workers(server, system.killed, record)
    _check_end(server, temporary, record)
    return record


@contextmanager
def _faults_shown(record: Record) -> Iterator[None]:
    """If the block raises an error, print the faults that were noted before: they may be the cause."""
    try:
        yield
    except BaseException:
        print("\n".join(record.faults), file=sys.stderr)
        raise


def _write_datasets(folder: Path) -> Path:
    """Write a dataset, and one whose image cannot be decoded; return the settings file that names them."""
    annotations, images = write_scenes(folder)
    damaged, files = write_dataset(folder / "damaged", coco([image_entry(1)], [], [category_entry(1)]))
    next(files.iterdir()).write_bytes(b"an image that cannot be decoded")
    tables = {"scenes": (annotations, images), "damaged": (damaged, files)}
    lines = [f"[datasets.{name}]\nannotations = '{one}'\nimages = '{other}'\n" for name, (one, other) in tables.items()]
    file = folder / "settings.toml"
    file.write_text("".join(lines))
    return file


class System:
    """The processes of a run, by what they are."""

    def __init__(self, server: LiveServer, cache_dir: Path) -> None:
        self._server, self._cache_dir = server, cache_dir
        self.processes = {"server": psutil.Process(server.process.pid)}
        self.watched = self._watch_worker()
        self.killed: set[int] = set()

    def _watch_worker(self) -> str:
        """Watch the oldest worker; return its name."""
        oldest = min(self._server.workers(), key=lambda worker: worker.create_time())
        name = f"worker {oldest.pid}"
        self.processes[name] = oldest
        return name

    def kill_a_worker(self) -> None:
        """Kill a worker other than the one that is watched."""
        for worker in self._server.workers():
            if worker.pid != self.processes[self.watched].pid:
                self.killed.add(worker.pid)
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
                return

    def replace_watched(self) -> None:
        """Watch another worker if the server has replaced the one that was watched."""
        if _has_ended(self.processes[self.watched]) and self._server.workers():
            del self.processes[self.watched]
            self.watched = self._watch_worker()

    def holdings(self) -> dict[str, Values]:
        """Return what each process holds. The steady trainer's loader has its own process."""
        processes = dict(self.processes)
        with suppress(psutil.NoSuchProcess, IndexError):
            processes["steady loader"] = processes["steady trainer"].children()[0]
        found = {name: holdings_of(process, self._cache_dir) for name, process in processes.items()}
        return {name: values for name, values in found.items() if values is not None}

    def ended(self) -> list[str]:
        """Return which processes have exited, workers apart: `_check_workers` looks at these."""
        return [name for name, process in self.processes.items() if name != self.watched and _has_ended(process)]


def _has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _watch(system: System, record: Record, seconds: float, every: float, folders: list[Path]) -> None:
    began = time.monotonic()
    next_kill = _KILL_SECONDS
    while (now := time.monotonic() - began) < seconds:
        values = system.holdings()
        values["folders"] = {FILES: count_files(folders)}
        record.samples.append(Sample(now, values))
        if now > next_kill:
            next_kill += _KILL_SECONDS
            system.kill_a_worker()
        system.replace_watched()
        if ended := system.ended():
            record.faults.append(f"exited: {', '.join(ended)}")
            break
        time.sleep(max(0.0, every * (len(record.samples)) - (time.monotonic() - began)))


@contextmanager
def _companion(
    name: str, module: str, url: str, arguments: list[str], variables: Mapping[str, object], record: Record
) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that ends with SIGTERM and then prints its counts."""
    process = start_python("-m", module, url, *arguments, variables=variables, coverage=False)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            printed, errors = process.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)  # prints where its threads are
            time.sleep(1)
            process.kill()
            printed, errors = process.communicate()
            record.faults.append(f"{name} does not end: {errors[-6000:]}")
        if process.returncode != 0:
            record.faults.append(f"{name} ended with status {process.returncode}: {errors[-3000:]}")
        record.counts[name] = json.loads(printed or "{}")


def _check_workers(server: LiveServer, killed: set[int], record: Record) -> None:
    """Note why workers ended. A host that is too busy may stop one for so long that the server replaces it."""
    log = server.log
    late = {int(pid) for pid in re.findall(r"worker (\d+): no progress for .* it is killed", log)}
    ended = {int(pid): line for line, pid in re.findall(r"(.*worker (\d+) ended \(.*)", log)}
    record.counts["server"] = {"workers killed": len(killed), "workers replaced because they were late": len(late)}
    record.faults += [line for pid, line in ended.items() if pid not in killed | late]


def _check_end(server: LiveServer, temporary: Path, record: Record) -> None:
    """Note what is left once all processes have ended."""
    if server.process.returncode not in (0, -signal.SIGTERM):  # uvicorn ends with the signal that it got
        record.faults.append(f"the server ended with status {server.process.returncode}")
    if "Traceback" in server.log:
        record.faults.append(f"the server's log: {server.log[server.log.index('Traceback') :][:3000]}")
    if record.faults:
        warnings = [line for line in server.log.splitlines() if " INFO " not in line and "/damaged/" not in line]
        record.faults.append("\n".join(["the last warnings of the server:", *warnings[-_LOG_LINES:]]))
    left = [path.name for path in temporary.rglob("*")]
    if left:
        record.faults.append(f"temporary files are left: {', '.join(left[:5])}")


def series(record: Record, warm_up: float) -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """Return seconds and values of each quantity of each part, without the samples of the first `warm_up` seconds."""
    found: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
    for sample in record.samples:
        for name, values in sample.values.items():
            for quantity in (*QUANTITIES, FILES):
                if quantity in values and sample.seconds >= warm_up:
                    seconds, numbers = found.setdefault((name, quantity), ([], []))
                    seconds.append(sample.seconds)
                    numbers.append(values[quantity])
    return found
