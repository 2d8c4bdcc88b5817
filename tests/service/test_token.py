"""A server with a token: programs send it, browsers log in, and nothing shows it."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import numpy as np
import pytest
from fastapi import Request
from psutil import Process
from starlette.types import Message

from saccade_sampler import RequestRefusedError, SamplerClient, loader
from sampler.errors import InvalidRequestError
from sampler.wire.problem_types import TYPE_PREFIX
from service.app import create_app
from service.routes import access
from tests.support.live_server import SERVE, LiveServer, live_server, running
from tests.support.pages import Elements
from tests.support.routes import routes

TOKEN = "correct-horse~battery+staple/42=="
BEARER = {"authorization": f"Bearer {TOKEN}"}
BATCH = "/v1/batches?indices=1&seed=7"
PROBES = ("/healthz", "/readyz")
FOR_ANYONE = {*PROBES, "/login", "/logout", "/assets/{version}/{name:path}", "/favicon.ico"}
"""Paths that need no token."""


@pytest.fixture(scope="module")
def protected(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server with a token."""
    annotations, images = scenes
    folder = tmp_path_factory.mktemp("protected")
    with live_server(
        folder, annotations=annotations, images=images, cache_dir=cache_dir, workers=1, token=TOKEN
    ) as running:
        yield running


ROUTES = sorted(
    (method, route.path)
    for route in routes(create_app())
    for method in route.methods or ()
    if route.path not in FOR_ANYONE
)
"""Method and path of all routes that need the token, also of routes that are added later."""

EXAMPLES = {
    "/v1/batches": BATCH,
    "/v1/stream": "/v1/stream?batch_size=2&stop=1",
    "/v1/images": "/v1/images?indices=1",
    "/steps/{step}": "/steps/1",
    "/stats": "/stats?samples=2",
    "/explore/{index}": "/explore/1",
    "/explore/{index}/layers/{name}": "/explore/1/layers/crop",
    "/explore/{index}/arrays.npz": "/explore/1/arrays.npz",
    "/explore/{index}/recipe.json": "/explore/1/recipe.json",
    "/explore/{index}/next-match": f"/explore/1/next-match?search={quote('empty=true')}",
    "/explore/{index}/previous-match": f"/explore/1/previous-match?search={quote('empty=true')}",
    "/explore/{index}/thumbnail": "/explore/1/thumbnail",
    "/images/{index}/thumbnail": "/images/1/thumbnail",
    "/compare/{index}/thumbnail": "/compare/1/thumbnail",
    "/compare/{index}/layers/{name}": "/compare/1/layers/crop",
    "/debug/samples/{index}.png": "/debug/samples/1.png",
    "/debug/samples/{index}": "/debug/samples/1",
}
"""A request to each route that needs values."""


def request(server: LiveServer, method: str, path: str, **headers: str) -> httpx.Response:
    """Return the response, with its body unless that is an endless one of events."""
    body = json.dumps({"indices": [1]}) if method == "POST" else None
    target = "/v1/batches" if method == "POST" else EXAMPLES.get(path, path)
    headers = {"content-type": "application/json"} | headers
    with httpx.stream(method, server.url + target, headers=headers, content=body, timeout=60) as response:
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.read()
        return response


def test_the_routes_that_need_the_token_are_all_but_four() -> None:
    assert {path for _, path in ROUTES} >= {"/", "/docs", "/metrics", "/openapi.json", "/v1/spec", "/v1/access"}
    assert ("POST", "/v1/batches") in ROUTES


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=str)
def test_no_route_is_served_without_the_token(protected: LiveServer, method: str, path: str) -> None:
    cut, longer, wrong = TOKEN[:-1], f"{TOKEN}x", "another-token-of-some-length"
    for value in (None, "", "Bearer", f"Bearer {cut}", f"Bearer {longer}", f"Bearer {wrong}", f"Basic {TOKEN}", TOKEN):
        response = request(protected, method, path, **({} if value is None else {"authorization": value}))
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.headers["cache-control"] == "no-store"
        if method != "HEAD":
            assert response.json()["type"] == f"{TYPE_PREFIX}unauthorized"
            assert TOKEN not in response.text


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=str)
def test_every_route_is_served_with_the_token(protected: LiveServer, method: str, path: str) -> None:
    assert request(protected, method, path, **BEARER).status_code in (200, 204, 307)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1/batches/", "//healthz", "/healthz/", "/healthz/../v1/spec", "/%2e/metrics"]
)
def test_no_other_spelling_of_a_path_needs_no_token(protected: LiveServer, path: str) -> None:
    place = urlsplit(protected.url)
    connection = HTTPConnection(place.hostname or "", place.port)
    with closing(connection):
        connection.request("GET", path)
        assert connection.getresponse().status == 401


@pytest.mark.parametrize("path", PROBES)
def test_probes_need_no_token(protected: LiveServer, path: str) -> None:
    assert httpx.get(protected.url + path, headers={"host": "10.1.2.3"}).status_code == 200


def test_any_host_name_is_served_with_the_token(protected: LiveServer) -> None:
    headers = BEARER | {"host": "cpu-host.example.org:8000"}
    assert httpx.get(f"{protected.url}/v1/spec", headers=headers).status_code == 200


def test_the_scheme_may_have_any_case_and_bytes_of_no_character_set_are_refused(protected: LiveServer) -> None:
    assert httpx.get(f"{protected.url}/v1/access", headers={"authorization": f"bEaReR  {TOKEN}"}).status_code == 204
    for value in (b"Bearer \xff\xfe\xe9", b"Bearer " + TOKEN.encode() + b"\xe9"):
        headers = [(b"authorization", value), (b"cookie", b"\xff=\xfe"), (b"accept", b"\xff")]
        assert httpx.get(f"{protected.url}/v1/access", headers=headers).status_code == 401


def test_two_tokens_in_one_request_are_refused(protected: LiveServer) -> None:
    headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer wrong")]
    assert httpx.get(f"{protected.url}/v1/access", headers=headers).status_code == 422


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "x"])
def test_a_token_in_the_url_is_refused_and_not_logged(protected: LiveServer, name: str) -> None:
    value = "%2d".join(quote(TOKEN, safe="").split("-"))
    for headers in ({}, BEARER):
        response = httpx.get(f"{protected.url}/v1/spec?{name}={value}", headers=headers)
        assert response.status_code == 401
        named = name != "x" or headers
        assert ("send it in the header Authorization" in response.json()["detail"]) == bool(named)
    assert value not in protected.log
    assert f"/v1/spec?{name}=[hidden] 401" in protected.log


def test_neither_log_nor_metrics_nor_command_line_show_the_token(protected: LiveServer) -> None:
    for headers in (BEARER, BEARER | {"x-request-id": "correct-horse"}, {"authorization": "Bearer not-this-one-but"}):
        httpx.get(f"{protected.url}/v1/spec", headers=headers)
    for headers in (BEARER, {}):
        for path in (
            f"/{TOKEN}",
            f"/v1/spec?digest={TOKEN}",
            f"/{'x' * 390}{TOKEN}",
            f"/healthz?{TOKEN}",
            f"/login?{TOKEN}",
        ):
            httpx.get(protected.url + path, headers=headers)
    metrics = httpx.get(f"{protected.url}/metrics", headers=BEARER).text
    processes = [Process(protected.process.pid), *protected.workers()]
    for text in (protected.log, metrics, *(" ".join(process.cmdline()) for process in processes)):
        assert TOKEN not in text
        assert "correct-horse~" not in text
        assert "not-this-one-but" not in text
    assert re.search(r'sampler_refused_requests_total\{reason="token"\} [1-9]', metrics)
    assert "GET /v1/spec 401" in protected.log
    assert "refused-token" in protected.log


def test_batches_of_a_server_with_a_token_are_for_private_caches(protected: LiveServer, server: LiveServer) -> None:
    for one, headers, expected in ((server, {}, "no-cache"), (protected, BEARER, "private, no-cache")):
        response = httpx.get(one.url + BATCH, headers=headers, timeout=60)
        assert response.headers["cache-control"] == expected


def test_clients_and_loaders_with_the_token_get_the_batches_of_any_server(
    protected: LiveServer, server: LiveServer
) -> None:
    def steps(url: str, token: str | None) -> list[np.ndarray]:
        with loader(url, seed=7, batch_size=4, stop=2, token=token) as batches:
            return [np.array(batch.xs[0]) for batch in batches]

    received = steps(protected.url, TOKEN)
    assert len(received) == 2
    assert all((one == other).all() for one, other in zip(received, steps(server.url, None), strict=True))
    with SamplerClient(protected.url) as client, pytest.raises(RequestRefusedError, match="SAMPLER_TOKEN") as raised:
        client.spec()
    assert raised.value.problem["status"] == 401


# --- browsers ---

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def log_in(server: LiveServer, browser: httpx.Client, token: str = TOKEN, **fields: str) -> httpx.Response:
    headers = BROWSER | {"origin": server.url}
    return browser.post(f"{server.url}/login", data={"token": token} | fields, headers=headers)


def test_a_browser_gets_a_form_logs_in_and_sees_the_page_that_it_asked_for(protected: LiveServer) -> None:
    with httpx.Client(timeout=60) as browser:
        asked = browser.get(f"{protected.url}/explore/3?seed=7", headers=BROWSER)
        assert asked.status_code == 401
        fields = Elements(asked.text).all("input")
        destination = next(str(field["value"]) for field in fields if field.get("name") == "next")
        response = log_in(protected, browser, next=destination)
        assert (response.status_code, response.headers["location"]) == (303, "/explore/3?seed=7")
        cookie = response.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "Secure" not in cookie
        assert TOKEN not in cookie
        page = browser.get(protected.url + destination, headers=BROWSER)
        assert page.status_code == 200
        shown = Elements(page.text)
        links = [str(link["href"]) for link in shown.all("a")] + [str(image["src"]) for image in shown.all("img")]
        assert {browser.get(protected.url + link, follow_redirects=True).status_code for link in links} == {200}
        assert [form["action"] for form in shown.all("form") if form["method"] == "post"] == ["/logout"]
        assert browser.post(f"{protected.url}/logout", headers={"origin": protected.url}).status_code == 303
        assert browser.get(f"{protected.url}/explore/3", headers=BROWSER).status_code == 401


def test_a_wrong_token_shows_the_form_again_and_sets_no_cookie(protected: LiveServer) -> None:
    with httpx.Client() as browser:
        response = log_in(protected, browser, "wrong" * 5, next="/explore/2")
        assert response.status_code == 401
        assert "This is not the token of this server." in response.text
        assert "set-cookie" not in response.headers
        assert 'value="/explore/2"' in response.text
        assert "wrong" not in response.text


@pytest.mark.parametrize(
    "destination", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "evil", "", "/é"]
)
def test_the_form_leads_to_no_other_site(protected: LiveServer, destination: str) -> None:
    with httpx.Client() as browser:
        assert log_in(protected, browser, next=destination).headers["location"] == "/"


def test_the_cookie_only_reads_and_is_void_for_other_sites(protected: LiveServer) -> None:
    with httpx.Client(timeout=60) as browser:
        log_in(protected, browser)
        assert browser.get(f"{protected.url}/v1/access").status_code == 204
        assert browser.post(f"{protected.url}/v1/batches", json={"indices": [1]}).status_code == 401
        for foreign in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert browser.get(f"{protected.url}/v1/access", headers=foreign).status_code == 403
            assert browser.post(f"{protected.url}/logout", headers=foreign).status_code == 403
            assert browser.post(f"{protected.url}/login", data={"token": TOKEN}, headers=foreign).status_code == 403


def test_forms_of_another_type_or_size_are_refused(protected: LiveServer) -> None:
    login = f"{protected.url}/login"
    assert httpx.post(login, json={"token": TOKEN}).status_code == 415
    assert httpx.post(login, data={"token": "x" * 100_000}).status_code == 413
    assert httpx.post(login, data={f"field{number}": "x" for number in range(100)}).status_code == 422


async def silent() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_form_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "FORM_SECONDS", 0.05)
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    slow = Request(
        {"type": "http", "method": "POST", "path": "/login", "headers": headers, "app": create_app()}, silent
    )
    with pytest.raises(InvalidRequestError, match="form"):
        asyncio.run(access.login(slow))


def test_behind_a_proxy_with_tls_and_a_path_the_cookie_is_for_that_path_and_secure(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1, "token": TOKEN}
    forwarded = {"x-forwarded-proto": "https"}
    with running(tmp_path, settings, [*SERVE, "--root-path", "/sampler"]) as server, httpx.Client() as browser:
        form = browser.get(f"{server.url}/explore/1", headers=BROWSER)
        assert 'action="/sampler/login"' in form.text
        assert 'value="/explore/1"' in form.text
        response = browser.post(
            f"{server.url}/login",
            data={"token": TOKEN, "next": "/explore/1"},
            headers=forwarded | {"origin": server.url},
        )
        assert response.headers["location"] == "/sampler/explore/1"
        assert {"Secure", "Path=/sampler"} <= {part.strip() for part in response.headers["set-cookie"].split(";")}
        another = browser.get(f"{server.url}/explore/1", headers=BROWSER | {"x-forwarded-prefix": "/other"})
        assert 'action="/sampler/login"' in another.text, "--root-path wins"
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        assert httpx.get(f"{server.url}/v1/spec").status_code == 401


def test_a_server_without_a_token_has_no_form(server: LiveServer) -> None:
    assert httpx.get(f"{server.url}/login").headers["location"] == "/"
    assert "Log out" not in httpx.get(f"{server.url}/explore/1").text
