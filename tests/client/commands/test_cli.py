"""The commands of `python -m client`."""

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client import SamplerClient, ServerUnavailableError, TransferError
from client.commands.bench import Bench, Reading, summarise
from tests.support.docs import names_in_json
from tests.support.live_server import until
from tests.support.processes import start_python
from tests.support.scripted_server import Answer, ScriptedServer, problem, scripted


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


@pytest.fixture
def silent(server: ScriptedServer) -> Iterator[ScriptedServer]:
    """A server whose stream brings no batch."""
    ended = threading.Event()

    def nothing() -> Iterator[bytes]:
        ended.wait(60)
        yield b""

    server.script("/v1/stream", lambda _: Answer(nothing()))
    yield server
    ended.set()


def start(*arguments: object) -> "subprocess.Popen[str]":
    return start_python("-m", "client", *arguments)


def run(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def assert_one_line(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1, err
    for word in words:
        assert word in err


def test_fetch_by_index_writes_the_batch_and_shows_its_arrays(server: ScriptedServer, tmp_path: Path) -> None:
    out = tmp_path / "batch.npz"
    status, shown, err = run("fetch", server.url, "--indices", "3, 1,5", "--seed", 7, "--epoch", 2, "--out", out)
    assert (status, err) == (0, "")
    with SamplerClient(server.url) as client, np.load(out) as saved:
        batch = client.batch([3, 1, 5], seed=7, epoch=2)
        for name, array in batch.arrays.items():
            assert saved[name].tobytes() == array.tobytes()
            row = next(line for line in shown.splitlines() if f" {name} " in line)
            assert str(array.dtype) in row
            assert str(array.shape) in row
            assert f"{array.max():g}" in row


def test_fetch_without_a_file_shows_the_arrays_only(server: ScriptedServer, tmp_path: Path) -> None:
    process = start_python("-m", "client", "fetch", server.url, "--indices", "3", variables={"COLUMNS": "40"})
    shown, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    with SamplerClient(server.url) as client:
        batch = client.batch([3])
    for name, array in batch.arrays.items():
        (row,) = [line for line in shown.splitlines() if f" {name} " in line]
        assert str(array.shape) in row, "no cell is cut or folded in a narrow terminal"
        assert f"{array.max():g}" in row
    assert "written" not in shown


def test_fetch_prints_json(server: ScriptedServer, tmp_path: Path) -> None:
    status, shown, err = run("fetch", server.url, "--indices", "3,1", "--json", "--out", tmp_path / "batch.npz")
    document = json.loads(shown)
    assert (status, err) == (0, "")
    assert set(document) == names_in_json("fetch")
    with SamplerClient(server.url) as client:
        batch = client.batch([3, 1])
    assert (document["samples"], document["digest"]) == (2, batch.digest)
    assert [key["index"] for key in document["keys"]] == [3, 1]
    assert {array["name"]: array["shape"] for array in document["arrays"]} == {
        name: list(array.shape) for name, array in batch.arrays.items()
    }
    assert document["file"] == str(tmp_path / "batch.npz")


def test_quiet_commands_print_nothing(server: ScriptedServer) -> None:
    assert run("fetch", server.url, "--indices", "3", "--quiet") == (0, "", "")
    assert run("bench", server.url, "--seconds", 0.1, "--batch-size", 2, "--no-render", "-q") == (0, "", "")


def test_bench_prints_json(server: ScriptedServer) -> None:
    options = ("--seconds", 0.3, "--batch-size", 2, "--no-render", "--json")
    status, shown, _ = run("bench", server.url, *options)
    document = json.loads(shown)
    assert status == 0
    assert set(document) == names_in_json("bench")
    assert set(document["wait_seconds"]) == {"p50", "p90", "p99", "max"}
    assert document["samples"] == 2 * document["batches"] > 0


def test_fetch_by_seed_takes_the_ranks_part(server: ScriptedServer, tmp_path: Path) -> None:
    out = tmp_path / "batch.npz"
    by_seed = ("--step", 12, "--batch-size", 9, "--rank", 1, "--world-size", 2, "--layout", "sparse", "--no-augment")
    assert run("fetch", server.url, *by_seed, "--out", out)[0] == 0
    with SamplerClient(server.url) as client, np.load(out) as saved:
        batch = client.batch(step=12, batch_size=9, rank=1, world_size=2, augment=False)
        assert saved["images"].tobytes() == batch.images.tobytes()
        assert saved["step"] == 12


def test_every_command_requests_the_dataset_it_is_given(server: ScriptedServer, tmp_path: Path) -> None:
    server.spec = replace(server.spec, dataset_name="val")
    named = server.url, "--dataset", "val"
    assert run("fetch", *named, "--indices", 3, "--out", tmp_path / "batch.npz")[0] == 0
    assert run("bench", *named, "--seconds", 0.1, "--batch-size", 2, "--no-render")[0] == 0
    assert {asked.params.get("dataset") for asked in server.asked} == {"val"}
    assert_one_line(
        run("fetch", server.url, "--dataset", "test", "--indices", 3, "--out", tmp_path / "other"), "no such dataset"
    )


def test_every_command_takes_several_servers_or_those_of_the_environment(
    server: ScriptedServer, tmp_path: Path
) -> None:
    bench = "bench", "--seconds", 0.1, "--batch-size", 2, "--no-render"
    with scripted() as other:
        urls = server.url, other.url
        fetched = run("fetch", *urls, "--indices", 3, "--out", tmp_path / "batch.npz")
        assert fetched[0] == 0, fetched[2]
        assert run(*bench, *urls)[0] == 0
        assert len(server.asked_at("/v1/batches") + other.asked_at("/v1/batches")) >= 2
        assert not server.asked_at("/v1/stream")
        given = start_python("-m", "client", *bench, settings={"url": ", ".join(urls)})
        out, err = given.communicate(timeout=60)
        assert "samples/s" in out, err
    assert_one_line(run(*bench), "SAMPLER_URL")
    assert_one_line(run(*bench, server.url, server.url), "URL[1]", "each server once; URL[0] is the same")


def test_fetch_overwrites_only_with_force(server: ScriptedServer, tmp_path: Path) -> None:
    out = tmp_path / "batch.npz"
    out.write_text("precious")
    assert_one_line(run("fetch", server.url, "--indices", 3, "--out", out), "batch.npz", "--force")
    assert out.read_text() == "precious"
    assert server.asked == []
    assert run("fetch", server.url, "--indices", 3, "--out", out, "--force")[0] == 0
    assert out.read_bytes()[:2] == b"PK"


def test_fetch_never_writes_to_a_folder(server: ScriptedServer, tmp_path: Path) -> None:
    refused = run("fetch", server.url, "--indices", 3, "--out", tmp_path, "--force")
    assert_one_line(refused, "a file; this is a folder")
    assert server.asked == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--indices", "3,x"), ("--indices = '3,x'", "whole numbers")),
        (("--indices", "3,-1"), ("indices",)),
        ((), ("--indices, or --step and --batch-size",)),
        (("--step", 3), ("--indices, or --step and --batch-size",)),
        (("--step", 3, "--batch-size", 0), ("--batch-size = 0",)),
        (("--indices", 3, "--layout", "tight"), ("layout", "compact, sparse, dense")),
        (("--indices", 3, "--attempts", 0), ("--attempts = 0",)),
    ],
)
def test_wrong_values_are_one_line(
    server: ScriptedServer, tmp_path: Path, arguments: tuple[object, ...], words: tuple[str, ...]
) -> None:
    assert_one_line(run("fetch", server.url, *arguments, "--out", tmp_path / "b.npz"), *words)


def test_errors_of_the_server_are_one_line(server: ScriptedServer, tmp_path: Path) -> None:
    out = tmp_path / "batch.npz"
    server.script("/v1/spec", problem(503, "starting\nup"), Answer([b"{}"]))
    assert_one_line(run("fetch", server.url, "--indices", 3, "--out", out), "content type", "request-2")
    assert_one_line(run("fetch", "http://127.0.0.1:1", "--indices", 3, "--out", out, "--attempts", 1), "refused")
    assert_one_line(run("fetch", "nowhere", "--indices", 3, "--out", out), "URL = 'nowhere'")
    assert_one_line(run("fetch", server.url, "--indices", 3, "--out", tmp_path / "no" / "b.npz"), "No such file")
    assert not out.exists()


def test_bench_prints_speed_and_latencies(server: ScriptedServer) -> None:
    status, shown, _ = run("bench", server.url, "--seconds", 0.8, "--batch-size", 3, "--concurrency", 2)
    assert status == 0
    for row in ("samples/s", "MB/s on the wire", "p50", "p90", "p99", "max", "first batch", "starved"):
        assert row in shown
    samples = re.search(r"│ samples +│ +([\d,]+)", shown)
    assert samples
    assert int(samples[1].replace(",", "")) > 0
    asked = server.asked_at("/v1/stream")
    assert sorted((one.integer("batch_size"), one.integer("rank"), one.integer("world_size")) for one in asked) == [
        (6, 0, 2), (6, 1, 2)
    ]  # fmt: skip


def test_ctrl_c_prints_what_was_measured_so_far(server: ScriptedServer) -> None:
    process = start("bench", server.url, "--seconds", 60, "--batch-size", 2, "--no-render")
    deadline = time.monotonic() + 30
    while not server.asked_at("/v1/stream") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "samples/s" in out
    assert "100.0 %" in out
    assert "Traceback" not in err


def test_bench_without_a_server_is_one_line() -> None:
    assert_one_line(run("bench", "http://127.0.0.1:1", "--seconds", 5, "--attempts", 1), "refused")


@pytest.mark.parametrize(("options", "words"), [
    (("--seed", -1), "--seed = -1"),
    (("--batch-size", 2**62, "--concurrency", 2), f"--batch-size = {2**62}: expected an integer from 1 to {2**61}"),
])  # fmt: skip
def test_bench_refuses_values_before_a_reader_starts(options: tuple[object, ...], words: str) -> None:
    assert_one_line(run("bench", "http://127.0.0.1:1", *options), words)


def test_bench_without_a_batch_is_one_line(silent: ScriptedServer) -> None:
    options = ("--seconds", 0.1, "--batch-size", 2, "--no-render")
    assert_one_line(run("bench", silent.url, *options), "no batch arrived within", "--seconds", "doctor URL")


def test_ctrl_c_before_the_first_batch_is_no_measurement(silent: ScriptedServer) -> None:
    process = start("bench", silent.url, "--seconds", 60, "--batch-size", 2, "--no-render")
    until(lambda: bool(silent.asked_at("/v1/stream")), 30)
    process.send_signal(signal.SIGINT)
    assert (*process.communicate(timeout=30), process.returncode) == ("", "", 130)


def test_bench_shows_what_it_read_before_an_error(server: ScriptedServer) -> None:
    server.script("/v1/stream", lambda asked: Answer([*server.messages(asked, 0), b"\xc1"]))
    status, out, err = run("bench", server.url, "--seconds", 20, "--batch-size", 2, "--attempts", 1)
    assert status == 2
    assert "samples/s" in out
    assert "error: " in err
    assert "Traceback" not in err


def test_help_lists_the_commands() -> None:
    status, shown, _ = run("--help")
    assert status == 0
    assert "python -m client" in shown
    assert "--install-completion" in shown
    assert "fetch" in shown
    assert "bench" in shown


# --- measuring, apart from printing ---


def test_a_summary_covers_all_readings() -> None:
    readings = [Reading(4, 1000, wait / 1000, 0.001) for wait in range(1, 101)]
    summary = summarise(readings, 2.0)
    assert (summary.batches, summary.samples, summary.wire_bytes) == (100, 400, 100_000)
    assert (summary.samples_per_second, summary.megabytes_per_second) == (200.0, 0.05)
    assert summary.latency == pytest.approx({50: 0.051, 90: 0.091, 99: 0.1, 100: 0.1})
    assert summary.first == 0.001
    assert summary.starved == pytest.approx(5.05 / 5.15)


def test_readers_are_ranks_of_one_stream(server: ScriptedServer) -> None:
    ticks: list[float] = []
    bench = Bench(lambda: SamplerClient(server.url), batch_size=2, layout="dense", seed=5, concurrency=3)
    summary = bench.run(0.6, lambda gone, _: ticks.append(gone))
    assert summary.samples == 2 * summary.batches > 0
    assert summary.wire_bytes > summary.samples * 3 * 63 * 63 * 4
    assert 0 < summary.starved < 1
    assert ticks == sorted(ticks)
    assert bench.errors == []


def test_a_bench_that_reads_nothing_raises_why() -> None:
    def away() -> SamplerClient:
        return SamplerClient("http://127.0.0.1:1", attempts=1)

    with pytest.raises(ServerUnavailableError):
        Bench(away, batch_size=2, layout="compact").run(5.0, lambda *_: None)


def test_any_error_of_a_reader_is_raised(server: ScriptedServer) -> None:
    class Faulty(SamplerClient):
        def packed_stream(self, *_: object, **__: object) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Bench(lambda: Faulty(server.url), batch_size=2, layout="dense").run(20.0, lambda *_: None)


def test_a_reader_that_fails_ends_the_measurement(server: ScriptedServer) -> None:
    server.script("/v1/stream", lambda asked: Answer([*server.messages(asked, 0), b"\xc1"]))
    bench = Bench(lambda: SamplerClient(server.url, attempts=1), batch_size=2, layout="compact")
    summary = bench.run(20.0, lambda *_: None)
    assert summary.batches == 1
    assert summary.seconds < 10
    assert isinstance(bench.errors[0], TransferError)
