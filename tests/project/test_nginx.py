"""The nginx example: it caches immutable batches, and checks the token before it sends a cached one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from client.protocol.retries import MAX_WAIT
from sampler.wire.spec import ServiceSpec
from service.settings.server import Settings
from service.workers.lateness import LEAST_SECONDS
from tests.support.coco_files import write_dataset
from tests.support.live_server import LiveServer, live_server
from tests.support.nginx import EXAMPLE, PROGRAM, Nginx, start_nginx
from tests.support.pages import Elements
from tests.support.processes import kill_at_end, run_python

TOKEN = "correct-horse-battery"
BEARER = {"authorization": f"Bearer {TOKEN}"}
BROWSER = {"accept": "text/html"}


@dataclass(frozen=True)
class Setup:
    """A server and nginx in front of it."""

    server: LiveServer
    nginx: Nginx
    batch: str  # an immutable URL
    images: Path

    @property
    def url(self) -> str:
        """Of nginx."""
        return self.nginx.url

    def requests_at_server(self) -> int:
        """How many batches the server itself was asked for, by its log."""
        return self.server.log.count("GET /v1/batches")


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    if PROGRAM is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("nginx")
    annotations, images = write_dataset(folder)
    settings = {"annotations": annotations, "images": images, "cache_dir": folder / "sampler", "workers": 1}
    run_python("-m", "sampler", "index", "--hash-images", settings=settings)
    with kill_at_end(), live_server(folder, **settings, token=TOKEN) as server:
        nginx = start_nginx(folder / "nginx", [server.url])
        spec = ServiceSpec.parse(httpx.get(f"{nginx.url}/v1/spec", headers=BEARER).json())
        query = f"indices=0&seed=7&digest={spec.digest}&pixels={spec.pixels}"
        yield Setup(server, nginx, f"{nginx.url}/v1/batches?{query}", images)


def test_an_immutable_batch_is_made_once_and_sent_to_those_with_the_token(setup: Setup) -> None:
    before = setup.requests_at_server()
    first = httpx.get(setup.batch, headers=BEARER)
    again = httpx.get(setup.batch, headers=BEARER)
    assert (first.status_code, first.headers["cache-control"]) == (200, "private, max-age=31536000, immutable")
    assert [response.headers["x-cache"] for response in (first, again)] == ["MISS", "HIT"]
    assert first.content == again.content
    assert setup.requests_at_server() == before + 1


def test_a_client_that_has_the_batch_gets_304_from_the_cache(setup: Setup) -> None:
    tag = httpx.get(setup.batch, headers=BEARER).headers["etag"]
    before = setup.requests_at_server()
    response = httpx.get(setup.batch, headers=BEARER | {"if-none-match": tag})
    assert (response.status_code, response.headers["x-cache"], response.content) == (304, "HIT", b"")
    assert setup.requests_at_server() == before


def test_head_and_get_share_the_cache(setup: Setup) -> None:
    tag = httpx.get(setup.batch, headers=BEARER).headers["etag"]
    response = httpx.head(setup.batch, headers=BEARER)
    assert (response.headers["x-cache"], response.headers["etag"], response.content) == ("HIT", tag, b"")


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer another-token-that-is-wrong"}, {"cookie": "a=b"}], ids=str
)
def test_a_cached_batch_is_not_sent_without_the_token(setup: Setup, headers: dict[str, str]) -> None:
    assert httpx.get(setup.batch, headers=BEARER).status_code == 200
    for url in (setup.batch, setup.batch.replace("/v1/", "/sampler/v1/")):
        response = httpx.get(url, headers=headers)
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


def test_a_stream_arrives_while_it_is_made(setup: Setup) -> None:
    with httpx.stream("GET", f"{setup.url}/v1/stream?batch_size=1", headers=BEARER) as endless:
        pieces = endless.iter_raw()
        assert sum(len(next(pieces)) for _ in range(3)) > 0


def test_urls_as_long_as_the_server_takes_reach_it(setup: Setup) -> None:
    url = setup.batch.replace("indices=0", "indices=0" + ",0" * 15_000)
    response = httpx.get(url, headers=BEARER)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")


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


def test_under_a_path_redirects_pages_and_the_cookie_begin_with_it(setup: Setup) -> None:
    with httpx.Client(headers=BROWSER) as browser:
        assert browser.get(f"{setup.url}/sampler").headers["location"] == "/sampler/"
        page = browser.get(f"{setup.url}/sampler/?seed=3")
        form = Elements(page.text)
        assert (page.status_code, form.all("form")[0]["action"]) == (401, "/sampler/login")
        entered = browser.post(
            f"{setup.url}/sampler/login", data={"token": TOKEN, "next": "/"}, headers={"origin": setup.url}
        )
        assert (entered.status_code, entered.headers["location"]) == (303, "/sampler/")
        assert "Path=/sampler;" in entered.headers["set-cookie"]
        home = browser.get(f"{setup.url}/sampler/?seed=3")
        assert home.headers["location"] == "/sampler/steps/0?seed=3"
        step = Elements(browser.get(setup.url + home.headers["location"]).text)
        links = [link["href"] or "" for link in step.all("a")]
        assert len(links) > 3
        assert all(link.startswith("/sampler/") for link in links if link.startswith("/"))
        picture = next(image["src"] for image in step.all("img") if image.get("loading") == "lazy")
        assert browser.get(f"{setup.url}{picture}").headers["content-type"] == "image/jpeg"
        assert browser.get(f"{setup.url}/v1/spec").status_code == 401, "the cookie is for the path"


def test_both_paths_share_the_cache(setup: Setup) -> None:
    assert httpx.get(setup.batch, headers=BEARER).status_code == 200
    below = setup.batch.replace("/v1/", "/sampler/v1/")
    assert httpx.get(below, headers=BEARER).headers["x-cache"] == "HIT"


def test_a_client_cannot_choose_the_prefix(setup: Setup) -> None:
    forged = BEARER | {"x-forwarded-prefix": "/evil"}
    assert httpx.get(f"{setup.url}/", headers=forged).headers["location"] == "/steps/0"
    assert httpx.get(f"{setup.url}/sampler/", headers=forged).headers["location"] == "/sampler/steps/0"


def test_the_check_of_the_token_cannot_be_asked_by_itself(setup: Setup) -> None:
    assert httpx.get(f"{setup.url}/sampler-access", headers=BEARER).status_code == 404


def test_the_limits_of_the_example_are_those_of_the_server() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    limits = dict(re.findall(r"^ +(\S+) (\d+)[sm];.* # .*\bSAMPLER_", text, re.MULTILINE))
    default = Settings.model_construct()
    assert int(limits["client_header_timeout"]) == default.header_seconds
    assert int(limits["client_max_body_size"]) * 1024 == default.max_body_kb
    assert int(limits["keepalive_timeout"]) < default.idle_seconds
    batches = text[text.index("location = /v1/batches {") : text.index("location = /sampler-access {")]
    [silence] = re.findall(r"proxy_read_timeout (\d+)s;", batches)
    assert 1.5 * LEAST_SECONDS < int(silence) < MAX_WAIT * 4, "clients repeat a request for about 45 seconds"


def test_nginx_warns_of_nothing(setup: Setup) -> None:
    assert "[warn]" not in setup.nginx.errors
    assert "[alert]" not in setup.nginx.errors
