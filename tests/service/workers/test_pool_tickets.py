"""Which sample ends its workers is found out, however it looks from outside while they run."""

import asyncio
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from sampler.stream.keys import SampleKey
from service.arena import Arena
from service.errors.problems import ServiceError
from service.workers.pool import Ticket, WorkerPool
from service.workers.process import WorkerSetup
from service.workers.protocol import RunJob
from tests.support.paths import ROOT
from tests.support.processes import output_of

KEYS = tuple(SampleKey(1, 0, index) for index in range(3))

POISON = """
import os, sys
from service.workers import run_writer
honest = run_writer.write_sample

def write_sample(memory, position, dataset, config, categories, key, **manner):
    if key.index == 2:
        os._exit(9)
    return honest(memory, position, dataset, config, categories, key, **manner)

run_writer.write_sample = write_sample
from sampler.ipc.child_process import run_child
from service.workers.main import serve
run_child(serve)
"""
"""A worker that ends at image 2."""


def test_a_sample_behind_others_of_its_run_is_given_up_though_the_others_are_made_again_each_time(
    scenes: tuple[Path, Path], cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, images = scenes
    index_dir = open_dataset(annotations, images, cache_dir).index_dir
    setup = WorkerSetup(index_dir, images, preset("cornernet_saccade"), 1 << 24)
    popen = subprocess.Popen

    def poisoned(command: list[str], **named: object) -> "subprocess.Popen[bytes]":
        return popen([sys.executable, "-c", POISON, command[-1]], **named | {"cwd": ROOT})  # type: ignore[call-overload,no-any-return] # what the pool passes on

    monkeypatch.setattr(subprocess, "Popen", poisoned)

    async def scene() -> None:
        arena = Arena(16 << 20)
        pool = WorkerPool(setup, 1, 60.0, arena)
        await pool.start()
        try:
            slab = arena.borrow(4 << 20)
            assert slab is not None
            answer = pool.submit(RunJob(KEYS, 0, True, "compact", slab.offset, slab.capacity), "lane", slab)
            with pytest.raises(ServiceError, match=r"'index': 2.*ended its worker 3 times"):
                await asyncio.wait_for(answer, 60)
            assert pool.restarts == 3
        finally:
            await pool.stop()
            arena.close()

    asyncio.run(scene())


def test_looking_at_a_run_that_begins_anew_is_no_progress_of_it() -> None:
    async def scene() -> None:
        arena = Arena(1 << 16)
        slab = arena.borrow(4096)
        assert slab is not None
        ticket = Ticket(1, RunJob(KEYS, 0, True, "compact", 0, slab.capacity), asyncio.Future(), slab)
        written = arena._memory[slab.offset + slab.capacity :]
        further = []
        for count in (2, 2, 1, 2):
            written[:8] = (0).to_bytes(8, "little")
            ticket.is_moving()
            written[:8] = count.to_bytes(8, "little")
            further.append(ticket.got_further())
        assert further == [True, False, False, False]
        assert ticket.culprit == KEYS[2].as_dict()
        arena.close()

    asyncio.run(scene())


def test_a_stop_waits_for_a_worker_that_is_being_ended(
    scenes: tuple[Path, Path], cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, images = scenes
    setup = WorkerSetup(
        open_dataset(annotations, images, cache_dir).index_dir, images, preset("cornernet_saccade"), 1 << 24
    )

    async def scene() -> None:
        pool = WorkerPool(setup, 1, 60.0)
        await pool.start()
        (number,) = pool.process_ids
        process = psutil.Process(number)
        process.suspend()
        (seat,) = pool._seats
        assert seat.process is not None
        seat.process._frames.close()
        while pool.alive:
            await asyncio.sleep(0.01)
        await pool.stop()
        assert not psutil.pid_exists(number)

    asyncio.run(scene())


CRAMPED = """
import resource
from service.lifespan.startup import _arena
from service.settings import Settings, SettingsError
import os
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
before = len(os.listdir("/dev/fd"))
try:
    _arena(Settings(buffer_mb=1 << 16), 1000)
except SettingsError as error:
    print(len(os.listdir("/dev/fd")) - before, error)
"""


def test_memory_that_cannot_be_had_is_told_by_the_settings_that_ask_for_it() -> None:
    assert output_of(CRAMPED).startswith("0 SAMPLER_BUFFER_MB = 65536, SAMPLER_MAX_REQUESTS = 64: ")
