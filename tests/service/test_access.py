"""Requests that a server without a token refuses: foreign names and origins, other bodies than JSON."""

import json
from pathlib import Path

import httpx
import pytest

from sampler.wire.problem_types import TYPE_PREFIX
from service.app import create_app
from tests.support.live_server import LiveServer
from tests.support.processes import run_python
from tests.support.routes import routes

BATCH = "/v1/batches?indices=1&seed=7"
PROBES = ("/healthz", "/readyz")


def kind_of(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["type"]).removeprefix(TYPE_PREFIX)


@pytest.mark.parametrize(
    "host", ["evil.example", "cpu-host:8000", "10.0.0.5", "localhost.evil.example", "127.0.0.1@evil"]
)
def test_a_request_for_a_foreign_host_name_is_refused(server: LiveServer, host: str) -> None:
    response = httpx.get(f"{server.url}{BATCH}", headers={"host": host})
    assert (response.status_code, kind_of(response)) == (421, "foreign-host")
    assert "SAMPLER_ALLOWED_HOSTS" in response.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2:9", "[::1]:8000", "LOCALHOST:80"])
def test_local_names_are_those_of_the_server(server: LiveServer, host: str) -> None:
    assert httpx.get(f"{server.url}/v1/spec", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", PROBES)
def test_probes_may_use_any_name(server: LiveServer, path: str) -> None:
    assert httpx.get(server.url + path, headers={"host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
    ids=str,
)
def test_a_request_from_a_page_of_another_site_is_refused(server: LiveServer, headers: dict[str, str]) -> None:
    response = httpx.get(f"{server.url}{BATCH}", headers=headers)
    assert (response.status_code, kind_of(response)) == (403, "foreign-origin")
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_pages_of_the_server_itself_and_links_from_other_sites_work(server: LiveServer) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    for headers in ({"origin": server.url}, {"sec-fetch-site": "same-origin"}, link):
        assert httpx.get(f"{server.url}/explore/1", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "given", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
)
def test_a_body_that_is_not_declared_as_json_is_refused(server: LiveServer, given: str | None) -> None:
    headers = {} if given is None else {"content-type": given}
    response = httpx.post(f"{server.url}/v1/batches", content=json.dumps({"indices": [1]}), headers=headers)
    assert (response.status_code, kind_of(response)) == (415, "media-type")


def test_every_route_for_posts_refuses_other_bodies(server: LiveServer) -> None:
    paths = {route.path for route in routes(create_app()) if "POST" in (route.methods or ())}
    assert paths == {"/v1/batches", "/login", "/logout"}, "a new route for POSTs needs require_json"
    for path in paths - {"/logout"}:  # has no body
        headers = {"content-type": "text/plain"}
        response = httpx.post(server.url + path, content='{"indices": [1]}', headers=headers)
        assert (response.status_code, kind_of(response)) == (415, "media-type")


@pytest.mark.parametrize("given", ["application/json", "Application/JSON; charset=utf-8"])
def test_a_body_that_is_declared_as_json_is_read(server: LiveServer, given: str) -> None:
    body = json.dumps({"indices": [1]})
    response = httpx.post(f"{server.url}/v1/batches", content=body, headers={"content-type": given}, timeout=60)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "path", ["/healthz", BATCH, "/explore/1", "/debug/samples/1.png", "/nowhere", "/metrics", "/docs"]
)
def test_every_response_forbids_guessing_its_type_and_use_by_other_sites(server: LiveServer, path: str) -> None:
    headers = httpx.get(server.url + path, timeout=60).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/explore/1", "/docs"])
def test_pages_allow_only_their_own_scripts_and_cannot_be_framed(server: LiveServer, path: str) -> None:
    response = httpx.get(server.url + path)
    assert response.status_code == 200
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)
    assert response.headers["referrer-policy"] == "same-origin"
    assert "https://" not in response.text


# --- plain uvicorn ---

NOWHERE = "192.0.2.1"
"""An address for documentation, which no host has: uvicorn starts the app and then cannot listen."""


def test_plain_uvicorn_warns_once_if_other_hosts_could_use_a_server_without_a_token(
    scenes: tuple[Path, Path], cache_dir: Path
) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1}
    options = ("service.main:app", "--host", NOWHERE, "--port", "8000")
    for access, warnings in (({}, 1), ({"token": "correct-horse-battery"}, 0)):
        done = run_python("-m", "uvicorn", *options, settings=settings | access, check=False)
        assert f"bind on address ('{NOWHERE}', 8000)" in done.stderr
        assert done.stderr.count(f"has no token and can be reached at {NOWHERE}") == warnings
