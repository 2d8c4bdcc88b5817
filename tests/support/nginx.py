"""nginx for tests: the example of `docker/nginx`, in front of servers on this host."""

import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.live_server import until
from tests.support.paths import ROOT
from tests.support.processes import start

EXAMPLE = ROOT / "docker" / "nginx" / "nginx.conf"
PROGRAM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/nginx/sbin")

MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
http {{
    log_format found "$request_uri $status $upstream_cache_status";
    access_log {folder}/access.log found;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {example}
}}
"""

SERVER = re.compile(r"^    server 127\.0\.0\.1:8000 (.+);\n    # server 10\.0\.0\.6:8000 .+;$", re.MULTILINE)
"""The servers of the example, of which the second is a comment."""


@dataclass(frozen=True)
class Nginx:
    """A running nginx."""

    url: str
    folder: Path
    process: "subprocess.Popen[str]"

    def found(self, part: str, count: int) -> list[str]:
        """Return status and cache status, such as "200 HIT", of all requests with a text in their URL.

        Waits until there are `count`: a line of the log is written after its response.
        """
        until(lambda: len(self._lines(part)) >= count)
        return [line.split(maxsplit=1)[1] for line in self._lines(part)]

    def _lines(self, part: str) -> list[str]:
        lines = (self.folder / "access.log").read_text().splitlines()
        return [line for line in lines if part in line.split()[0]]

    @property
    def errors(self) -> str:
        """Its error log."""
        return (self.folder / "error.log").read_text()


def start_nginx(folder: Path, servers: Sequence[str], silence: int | None = None) -> Nginx:
    """Start nginx in front of servers, given by their URLs; skip the test if it is not installed.

    silence: seconds after which nginx gives up on a server that sends nothing; by default as in the example.
    """
    if PROGRAM is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    file = folder / "nginx.conf"
    example = _example(folder, servers, port)
    if silence is not None:
        example = re.sub(r"(proxy_read_timeout) \w+;", rf"\1 {silence}s;", example)
    file.write_text(MAIN.format(folder=folder, example=example))
    process = start(PROGRAM, "-p", folder, "-c", file, stdout=None, stderr=None)
    nginx = Nginx(f"http://127.0.0.1:{port}", folder, process)
    until(lambda: _answers(nginx))
    return nginx


def _example(folder: Path, servers: Sequence[str], port: int) -> str:
    """Return the example for these addresses."""
    text, lists = SERVER.subn(
        lambda found: "\n".join(f"    server {urlsplit(server).netloc} {found[1]};" for server in servers),
        EXAMPLE.read_text(encoding="utf-8"),
    )
    assert lists == 2, "the same servers for batches and for everything else"
    for old, new in {"listen 8080": f"listen 127.0.0.1:{port}", "/var/cache/nginx/sampler": f"{folder}/cache"}.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


def _answers(nginx: Nginx) -> bool:
    assert nginx.process.poll() is None, f"nginx exited with status {nginx.process.returncode}"
    try:
        return httpx.get(f"{nginx.url}/readyz").status_code == 200
    except httpx.TransportError:
        return False
