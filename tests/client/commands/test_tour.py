"""The tour, as `make demo` runs it: its output, its files and its server."""

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from client.commands.tour import program_to_type
from client.commands.tour_server import last_line
from tests.support.coco_files import write_dataset
from tests.support.live_server import LiveServer, live_server
from tests.support.processes import run_python, start_python

TIMEOUT = 60.0


def tour(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the tour to its end."""
    return run_python("-m", "client", "tour", *arguments, check=False, **options)


def server_process(log_file: Path) -> int:
    """The process id of a server, as it writes it at start-up; waits for it."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        text = log_file.read_text() if log_file.exists() else ""
        if found := re.search(r"Started server process \[(\d+)\]", text):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError("no server was started")


@pytest.fixture
def dataset(scenes: tuple[Path, Path], cache_dir: Path) -> dict[str, object]:
    """Settings of a server of the small dataset."""
    return {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1}


def test_the_tour_of_a_running_server_shows_arrays_throughput_and_equal_bytes(
    server: LiveServer, tmp_path: Path
) -> None:
    token = tmp_path / "the token"
    token.write_text("correct-horse-battery")
    done = tour(server.url, "--out", str(tmp_path), "--token-file", str(token))
    assert done.returncode == 0, done.stderr
    assert re.search(rf"saccade.sampler bench {server.url} --token-file '{token}'\n", done.stdout)
    assert f'loader("{server.url}", seed=' in done.stdout
    for words in ("tl_heats", "attentions_2", "samples/s", "MB/s on the wire", "20/20", "bench"):
        assert words in done.stdout
    assert done.stdout.count("✓") == 3
    assert (tmp_path / "sample.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "batch.npz", allow_pickle=False) as batch:
        assert batch["images"].shape == (3, 3, 255, 255)
    assert server.process.poll() is None


def test_the_tour_of_servers_in_the_environment_compares_two_of_them(server: LiveServer, tmp_path: Path) -> None:
    localhost = server.url.replace("127.0.0.1", "localhost")
    done = tour("--out", str(tmp_path), settings={"url": f"{server.url} {localhost}"})
    assert done.returncode == 0, done.stderr
    assert f"and of the same at {localhost}" in done.stdout
    assert re.search(rf"saccade.sampler bench {server.url} {localhost}\n", done.stdout)
    assert done.stdout.count("✓") == 3


def test_the_tour_shows_the_dataset_that_is_named(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> None:
    lines = []
    for name, (annotations, images) in (("train", scenes), ("val", write_dataset(tmp_path / "val"))):
        lines += [f"[datasets.{name}]", f"annotations = '{annotations}'", f"images = '{images}'"]
    settings = tmp_path / "settings.toml"
    settings.write_text("\n".join(lines))
    with live_server(tmp_path, settings=settings, cache_dir=cache_dir, workers=1) as several:
        done = tour(several.url, "--dataset", "val", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert "3 images, 4 categories" in done.stdout
    assert "dataset=val" in done.stdout
    assert done.stdout.count("✓") == 3


def test_the_tour_without_a_server_starts_one_and_stops_it(dataset: dict[str, object], tmp_path: Path) -> None:
    done = tour("--out", str(tmp_path / "new" / "folder"), settings=dataset)
    assert done.returncode == 0, done.stderr
    assert "the server has been stopped" in done.stdout
    log_file = tmp_path / "new" / "folder" / "server.log"
    assert "Finished server process" in log_file.read_text()
    assert not psutil.pid_exists(server_process(log_file))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_tour_and_its_server(
    dataset: dict[str, object], tmp_path: Path, number: signal.Signals
) -> None:
    process = start_python("-m", "client", "tour", "--out", tmp_path, settings=dataset)
    started = server_process(tmp_path / "server.log")
    process.send_signal(number)
    _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode != 0
    assert "Traceback" not in said
    assert not psutil.pid_exists(started)


def test_a_server_that_does_not_start_is_one_line_with_the_cause(tmp_path: Path) -> None:
    done = tour("--out", str(tmp_path), settings={"annotations": tmp_path / "absent.json", "images": tmp_path})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "absent.json" in done.stderr
    assert "server.log" in done.stderr


def test_without_the_server_extra_the_error_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None; "
        "from sampler.cli.start import start; from client.commands.table import PROGRAM; "
        "start(PROGRAM, ['tour', '--out', sys.argv[1]])"
    )
    done = run_python("-c", program, tmp_path / "out", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "out").exists()
    assert "uvicorn not installed: pip install 'saccade-sampler[server]'" in done.stderr


def test_an_invalid_url_is_one_line(tmp_path: Path) -> None:
    done = tour("no-url", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "url = 'no-url'" in done.stderr


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("", ""),
        ("INFO:     Started server process [7]\n", "Started server process [7]"),
        ("2026-01-01 12:00:00,000 INFO    [-] saccade_sampler.demo: drawing it: now\n\n", "drawing it: now"),
        ("words\n", "words"),
    ],
)
def test_the_last_log_line_is_shown_without_time_and_logger(tmp_path: Path, log: str, message: str) -> None:
    (tmp_path / "log").write_text(log)
    assert last_line(tmp_path / "log") == message


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        ((), "", "venv/bin/python -m saccade_sampler"),
        (("saccade-sampler",), "", "venv/bin/saccade-sampler"),
        (("saccade-sampler",), "venv/bin", "saccade-sampler"),
    ],
)
def test_commands_to_go_on_with_can_be_typed_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], path: str, expected: str
) -> None:
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    for name in files:
        (programs / name).touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(programs / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / path))
    assert program_to_type() == expected
