"""The nginx example: it caches immutable batches, and checks the token before it sends a cached one."""

import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from sampler.wire.spec import ServiceSpec
from tests.support.coco_files import write_dataset
from tests.support.live_server import LiveServer, live_server, until
from tests.support.paths import ROOT
from tests.support.processes import kill_at_end, run_python, start

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/nginx/sbin")
TOKEN = "correct-horse-battery"
BEARER = {"authorization": f"Bearer {TOKEN}"}

MAIN = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {example}
}}
"""


@dataclass(frozen=True)
class Setup:
    """A server and nginx in front of it."""

    server: LiveServer
    url: str
    batch: str  # an immutable URL
    images: Path

    def requests_at_server(self) -> int:
        """How many batches the server itself was asked for, by its log."""
        return self.server.log.count("GET /v1/batches")


def nginx_configuration(folder: Path, server: str, port: int) -> Path:
    """Write the example for these addresses, within the rest of a configuration."""
    example = (ROOT / "docker" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    for old, new in {
        "server 127.0.0.1:8000": f"server {urlsplit(server).netloc}",
        "listen 8080": f"listen 127.0.0.1:{port}",
        "/var/cache/nginx/sampler": f"{folder}/cache",
    }.items():
        assert old in example
        example = example.replace(old, new)
    file = folder / "nginx.conf"
    file.write_text(MAIN.format(folder=folder, example=example))
    return file


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    if NGINX is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    annotations, images = write_dataset(folder)
    settings = {"annotations": annotations, "images": images, "cache_dir": folder / "sampler", "workers": 1}
    run_python("-m", "sampler", "index", "--hash-images", settings=settings)
    with kill_at_end(), live_server(folder, **settings, token=TOKEN) as server:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        start(NGINX, "-p", folder, "-c", nginx_configuration(folder, server.url, port), stdout=None, stderr=None)
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url))
        spec = ServiceSpec.parse(httpx.get(f"{url}/v1/spec", headers=BEARER).json())
        query = f"indices=0&seed=7&digest={spec.digest}&pixels={spec.pixels}"
        yield Setup(server, url, f"{url}/v1/batches?{query}", images)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_an_immutable_batch_is_made_once_and_sent_to_those_with_the_token(setup: Setup) -> None:
    before = setup.requests_at_server()
    first = httpx.get(setup.batch, headers=BEARER)
    again = httpx.get(setup.batch, headers=BEARER)
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, max-age=31536000, immutable")
    assert [response.headers["x-cache"] for response in (first, again)] == ["MISS", "HIT"]
    assert first.content == again.content
    assert setup.requests_at_server() == before + 1


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer another-token-that-is-wrong"}, {"cookie": "a=b"}], ids=str
)
def test_a_cached_batch_is_not_sent_without_the_token(setup: Setup, headers: dict[str, str]) -> None:
    assert httpx.get(setup.batch, headers=BEARER).status_code == 200
    response = httpx.get(setup.batch, headers=headers)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.json()["type"].endswith(":unauthorized")
    assert "x-cache" not in response.headers


def test_a_cached_batch_is_not_sent_to_a_page_of_another_site(setup: Setup) -> None:
    response = httpx.get(setup.batch, headers=BEARER | {"origin": "http://evil.example"})
    assert (response.status_code, response.json()["type"].endswith(":foreign-origin")) == (403, True)


def test_other_batches_are_asked_for_each_time(setup: Setup) -> None:
    url = re.sub("&pixels=[0-9a-f]+", "", setup.batch)
    seen = [httpx.get(url, headers=BEARER).headers["x-cache"] for _ in range(2)]
    assert seen == ["MISS", "MISS"]


def test_posts_streams_and_the_login_of_browsers_pass_through(setup: Setup) -> None:
    posted = httpx.post(f"{setup.url}/v1/batches", json={"indices": [0], "seed": 7}, headers=BEARER)
    assert posted.status_code == 200
    assert httpx.get(f"{setup.url}/v1/stream?batch_size=1&stop=2", headers=BEARER).status_code == 200
    form = {"token": TOKEN, "next": "/explore/0"}
    with httpx.Client() as browser:
        entered = browser.post(f"{setup.url}/login", data=form, headers={"origin": setup.url})
        assert (entered.status_code, entered.headers["location"]) == (303, "/explore/0")
        assert browser.get(setup.batch).headers["x-cache"] == "HIT"


def test_a_batch_that_fails_on_its_way_is_not_cached(setup: Setup) -> None:
    url = setup.batch.replace("indices=0", "indices=1")
    file = sorted(setup.images.iterdir())[1]
    intact = file.read_bytes()
    file.write_bytes(intact[: len(intact) // 2])
    before = setup.requests_at_server()
    for _ in range(2):
        with httpx.stream("GET", url, headers=BEARER) as response, pytest.raises(httpx.RemoteProtocolError):
            response.read()
    file.write_bytes(intact)
    assert httpx.get(url, headers=BEARER).headers["x-cache"] == "MISS"
    assert setup.requests_at_server() == before + 3
