"""No name or request can forge a line of a log or of a command's output. Real processes, with hostile names."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.coco_files import box_entry, category_entry, coco, image_entry, write_dataset
from tests.support.live_server import LiveServer, live_server, until
from tests.support.processes import run_python

FORGED = "2026-01-01 00:00:00,000 ERROR   [-] saccade_sampler: forged"
NAME = f"x\n{FORGED}\r\x1b[31m\x85{FORGED}\u2028{FORGED} \udcff"
"""As the file system gives it. Slashes are left out, so that it is one name."""

LINE = re.compile(r"[-\d]{10} [\d:,]{12} [A-Z]+ +\[[\w.:-]+\] (?:saccade_sampler|uvicorn)[.\w]*: ")
NOT_OF_THE_LOG = re.compile(r"Serving at .*|  .*")
"""What a server prints for its operator."""


def assert_none_forged(output: str) -> None:
    for line in re.split("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", output):
        assert not line.startswith(FORGED[:10]) or "forged" not in line.partition("saccade_sampler: ")[2][:6], line
    assert "\x1b" not in output


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A dataset whose folder, annotation file, images and categories have hostile names; one image is damaged."""
    folder = tmp_path_factory.mktemp("names") / NAME
    folder.mkdir()
    names = [f"{number}{NAME.encode(errors='ignore').decode()}.jpg" for number in range(3)]
    images = [image_entry(number, 96, 96, file_name=name) for number, name in enumerate(names)]
    boxes = [box_entry(number, number, 1, [20, 20, 50, 50]) for number in range(3)]
    annotations, images_dir = write_dataset(folder, coco(images, boxes, [category_entry(1, NAME[:-1])]))
    hostile = annotations.rename(annotations.with_name(f"{NAME}.json"))
    (images_dir / names[1]).write_bytes((images_dir / names[1]).read_bytes()[:500])
    (images_dir / names[2]).unlink()
    return {"annotations": hostile, "images": images_dir, "cache_dir": folder / "cache", "workers": 1}


@pytest.fixture(scope="module")
def server(settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


def send(server: LiveServer, request: bytes) -> bytes:
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), 10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_every_line_of_a_server_is_its_own(server: LiveServer) -> None:
    forged = FORGED.encode()
    for name, value in (
        (b"X-Forwarded-For", b"10.0.0.1 GET /forged 200 0 bytes 0.0 ms complete"),
        (b"X-Forwarded-For", b"\xff\xfe\x85" + forged),
        (b"X-Request-ID", b"a] saccade_sampler: " + forged),
        (b"Host", forged),
    ):
        send(server, b"GET /v1/none HTTP/1.1\r\nHost: localhost\r\n%s: %s\r\nConnection: close\r\n\r\n" % (name, value))
    send(server, b"GET /%0A" + forged.replace(b" ", b"%20") + b"%E2%80%A8%ff HTTP/1.0\r\n\r\n")
    send(server, b"GET /v1/spec?\xe2\x80\xa8\xff" + forged.replace(b" ", b"+") + b" HTTP/1.0\r\n\r\n")
    send(server, b"\x16\x03\x01 not HTTP\r\n" + forged + b"\r\n\r\n")
    with suppress(httpx.RemoteProtocolError):  # a damaged image ends the response
        httpx.get(f"{server.url}/v1/batches?indices=0,1,2", timeout=60)
    lines = [line for line in server.log.split("\n") if line and not NOT_OF_THE_LOG.fullmatch(line)]
    assert_none_forged(server.log)
    for line in lines:
        assert line.isprintable()
        assert LINE.match(line), line
    requests = [line for line in lines if "saccade_sampler.requests:" in line]
    assert len(requests) >= 6
    assert [line for line in requests if len(line.split()) != 14] == []
    assert any("Invalid HTTP request" in line for line in lines)


def test_the_status_names_the_files_of_recent_errors(server: LiveServer) -> None:
    for index in (1, 2):
        with suppress(httpx.RemoteProtocolError):  # a missing image ends the response
            httpx.get(f"{server.url}/v1/batches?indices={index}", timeout=60)
    found = httpx.get(f"{server.url}/status.json", timeout=60).json()
    assert {error["kind"] for error in found["errors"]} == {"image"}
    latest, before = (error["file"] for error in found["errors"][:2])
    assert "/2x" in latest
    assert "/1x" in before
    until(lambda: httpx.get(f"{server.url}/status.json").json()["verdict"]["kind"] == "failing", 60)


@pytest.mark.parametrize(
    "command",
    [("verify",), ("index",), ("index", "--hash-images"), ("decode",), ("decode", "--entry-points"), ("config",)],
    ids=" ".join,
)
def test_every_line_of_a_command_is_its_own(
    settings: dict[str, object], command: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / f"{NAME}.json"
    config.write_text('{"system": {"sampling_function": "cornernet_saccade"}, "db": {"\\nforged\\u001b": 1}}')
    arguments = [*command, config] if command == ("config",) else command
    given = {} if command == ("config",) else settings
    done = run_python("-m", "sampler", *arguments, settings=given, variables={"COLUMNS": "2000"}, check=False)
    assert done.stdout or done.stderr
    assert "Traceback" not in done.stderr
    assert_none_forged(done.stdout + done.stderr)
