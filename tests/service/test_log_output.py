"""The log of a server process has one form from its first line to its last."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.live_server import PLAIN, SERVE, running, until
from tests.support.processes import run_python

TOKEN = "the-secret-of-this-test"
TEXT = re.compile(r"[-\d]{10} [\d:,]{12} [A-Z]+ +\[[\w.:-]+\] [\w.]+: ")


def documents(log: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize("command", [SERVE, PLAIN], ids=["serve", "uvicorn"])
def test_every_line_of_a_server_is_json(
    command: tuple[str, ...], scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = {
        "annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1, "log_format": "json",
        "token": TOKEN,
    }  # fmt: skip
    with running(tmp_path, settings, command) as server:
        headers = {"authorization": f"Bearer {TOKEN}", "x-request-id": "mine"}
        body = httpx.get(f"{server.url}/v1/batches?seed=7&step=3&batch_size=4", headers=headers).content
        httpx.get(f"{server.url}/v1/spec?x={TOKEN}", headers=headers)
        server.workers()[0].send_signal(signal.SIGABRT)
        until(lambda: "and is replaced" in server.log)
    lines = documents(server.log)
    assert all({"time", "level", "logger", "request_id", "message"} <= line.keys() for line in lines)
    assert {"saccade_sampler", "uvicorn.error"} <= {line["logger"] for line in lines}
    assert any("Started server process" in line["message"] for line in lines)
    request = next(line for line in lines if line["request_id"] == "mine" and "target" in line)
    assert (request["method"], request["status"], request["bytes"]) == ("GET", 200, len(body))
    assert request["target"] == "/v1/batches?seed=7&step=3&batch_size=4"
    assert request["route"] == "/v1/batches"
    assert request["outcome"] == "complete"
    assert 0 < request["seconds"] < 60
    assert TOKEN not in server.log


def test_every_line_of_text_has_the_same_fields_also_with_plain_uvicorn(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1}
    with running(tmp_path, settings, PLAIN) as server:
        pass
    assert [line for line in server.log.splitlines() if not TEXT.match(line)] == []


@pytest.mark.parametrize(
    "settings",
    [{"workers": "many"}, {"annotations": "/nowhere/a.json", "images": "/nowhere"}],
    ids=["settings", "dataset"],
)
def test_a_failed_start_is_a_line_of_json(settings: dict[str, object], tmp_path: Path) -> None:
    given = {"cache_dir": tmp_path, "log_format": "json", **settings}
    done = run_python(*SERVE, "--port", "0", settings=given, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert any("cannot start: " in line["message"] for line in documents(done.stderr))
