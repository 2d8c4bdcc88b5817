"""What grows is noticed, what only fluctuates is not, and a short run of everything reports and draws."""

import math
import random
import re
import time
from pathlib import Path

import psutil
import pytest

from tests.soak.__main__ import main
from tests.soak.holdings import BOUNDS, DESCRIPTORS, FILES, MEMORY, QUANTITIES, SEGMENTS, THREADS, holdings_of
from tests.soak.report import faults, table, trends_of
from tests.soak.run import Record, Sample
from tests.soak.trend import trend_of
from tests.support.processes import start_python

LEAKY = """
import os, threading, time
from sampler.memory.shared_memory import create_shared_memory
import mmap
kept = []
print("ready", flush=True)
while True:
    kept.append(b"x" * 1_000_000)
    kept.append(os.open("/dev/null", os.O_RDONLY))
    thread = threading.Thread(target=time.sleep, args=(60,), daemon=True)
    thread.start()
    descriptor = create_shared_memory(4096)
    kept.append((descriptor, mmap.mmap(descriptor, 4096)))
    time.sleep(0.05)
"""
"""A process that leaks everything that is watched."""

TIMES = [float(second) for second in range(100)]


def test_steady_growth_is_noticed() -> None:
    rng = random.Random(1)
    trend = trend_of(TIMES, [50 + 0.2 * second + rng.gauss(0, 2) for second in TIMES], bound=8)
    assert trend.grows
    assert trend.growth == pytest.approx(19.8, abs=2)


@pytest.mark.parametrize("values", [
    [50.0] * 100,
    [50 + 5 * math.sin(second) for second in TIMES],
    [50 + 0.05 * second for second in TIMES],  # less than is allowed
    [80 - 0.5 * second for second in TIMES],
    [50 + 60 * (second % 10 == 0) for second in TIMES],
])  # fmt: skip
def test_fluctuation_and_slow_growth_are_not(values: list[float]) -> None:
    assert not trend_of(TIMES, values, bound=8).grows


def test_growth_that_chance_may_explain_is_not_reported() -> None:
    rng = random.Random(4)
    few = trend_of(TIMES[:6], [rng.uniform(0, 100) for _ in range(6)], bound=0)
    assert few.growth != 0
    assert not few.grows


def test_a_process_that_leaks_is_noticed_in_every_quantity(tmp_path: Path) -> None:
    process = start_python("-c", LEAKY, coverage=False)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    record, began = Record(), time.monotonic()
    for _ in range(12):
        values = holdings_of(psutil.Process(process.pid), tmp_path)
        assert values is not None
        record.samples.append(Sample(time.monotonic() - began, {"leaky": values}))
        time.sleep(0.15)
    process.kill()
    process.wait()
    trends = trends_of(record, warm_up=0)
    assert {quantity for (_, quantity), trend in trends.items() if trend.grows} == set(QUANTITIES)
    assert len([fault for fault in faults(record, trends) if " grew by " in fault]) == len(QUANTITIES)
    assert table(trends).count("GROWS") == len(QUANTITIES)


def test_a_process_that_has_exited_holds_nothing(tmp_path: Path) -> None:
    process = start_python("-c", "pass", coverage=False)
    watched = psutil.Process(process.pid)
    process.communicate(timeout=30)
    assert holdings_of(watched, tmp_path) is None


def test_samples_of_the_warm_up_do_not_count() -> None:
    record = Record([Sample(second, {"server": {THREADS: min(second, 20.0)}}) for second in TIMES])
    assert trends_of(record, warm_up=0)["server", THREADS].grows
    assert not trends_of(record, warm_up=25)["server", THREADS].grows


def test_too_much_shared_memory_is_noticed_even_if_it_comes_and_goes() -> None:
    record = Record([Sample(second, {"trainer": {SEGMENTS: 2 + 10 * (second % 20) / 20}}) for second in TIMES])
    trends = trends_of(record, warm_up=0)
    assert not trends["trainer", SEGMENTS].grows
    assert faults(record, trends) == ["trainer: up to 11.5 of shared memory, 4 are allowed"]


def test_a_run_without_enough_samples_fails() -> None:
    assert faults(Record(), trends_of(Record(), 0)) == ["there are too few samples; run longer"]


def test_a_short_run_reports_and_draws_everything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether anything grows cannot be known after so short a time, so growth of any size is allowed here."""
    for quantity in BOUNDS:
        monkeypatch.setitem(BOUNDS, quantity, 1e6)
    chart = tmp_path / "soak.png"
    status = main(["--minutes", "0.12", "--every", "0.5", "--chart", str(chart)])
    printed = capsys.readouterr().out
    assert status == 0, printed
    for part in ("server", r"worker \d+", "clients", "steady trainer", "restarting trainer", "steady loader"):
        for quantity in (MEMORY, DESCRIPTORS, THREADS, SEGMENTS):
            assert re.search(rf"^{part} +{re.escape(quantity)} +[-\d.]+ ", printed, re.MULTILINE), (part, quantity)
    assert re.search(rf"^folders +{FILES} ", printed, re.MULTILINE)
    for activity in ("stream", "disconnect", "pause", "pictures", "errors", "batches", "steps"):
        assert re.search(rf"[1-9]\d* {activity}\b", printed), activity
    assert chart.read_bytes().startswith(b"\x89PNG")
