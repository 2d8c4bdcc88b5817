"""HEAD, OPTIONS, `Allow`, and paths that do not exist."""

import httpx
import pytest

from tests.support.live_server import LiveServer

HEAD_PATHS = ("/healthz", "/readyz", "/metrics", "/v1/spec", "/v1/access", "/docs", "/")
LONG = ("/v1/batches?indices=1,2", "/v1/stream?batch_size=4", "/v1/images?indices=1")
VIEWS = ("/debug/samples/3.png", "/debug/samples/3", "/explore/3", "/compare?index=3", "/what-if?index=3",
         "/explore/3/thumbnail", "/explore/3/layers/crop", "/explore/3/arrays.npz",
         "/steps/3?batch_size=4", "/images", "/stats?samples=9")  # fmt: skip
MADE = ("sampler_samples_total", "sampler_view_lookups_total")
CHANGING = {"date", "x-request-id", "content-length"}
"""Headers that differ between two responses; /metrics has another length each time."""


def headers_of(response: httpx.Response, *left_out: str) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in (*CHANGING, *left_out)}


@pytest.mark.parametrize("path", [*HEAD_PATHS, *VIEWS])
def test_head_has_status_and_headers_of_get_without_a_body(server: LiveServer, path: str) -> None:
    get, head = httpx.get(server.url + path), httpx.head(server.url + path)
    assert head.status_code == get.status_code
    assert headers_of(head, "content-security-policy") == headers_of(get, "content-security-policy")
    assert head.content == b""
    assert ("content-length" in head.headers) == ("content-length" in get.headers)


@pytest.mark.parametrize("path", LONG)
def test_head_makes_no_sample_and_gives_the_headers_at_once(server: LiveServer, path: str) -> None:
    httpx.get(f"{server.url}/v1/batches?indices=0")  # from now on, there is such a metric
    before = [server.metric(name) for name in MADE]
    head = httpx.head(server.url + path)
    assert (head.status_code, head.content) == (200, b"")
    assert "content-length" not in head.headers
    assert [server.metric(name) for name in MADE] == before
    with httpx.stream("GET", server.url + path, timeout=60) as get:
        assert headers_of(get, "transfer-encoding", "content-digest") == headers_of(head)


def test_head_is_checked_and_revalidated_like_get(server: LiveServer) -> None:
    assert httpx.head(f"{server.url}/v1/batches?indices=999").status_code == 422
    assert httpx.head(f"{server.url}/v1/batches?indices=1&digest=0").status_code == 412
    tag = httpx.head(f"{server.url}/v1/batches?indices=1").headers["etag"]
    assert httpx.head(f"{server.url}/v1/batches?indices=1", headers={"if-none-match": tag}).status_code == 304
    with httpx.Client() as client:  # nothing of a body that was left out disturbs the next response
        for _ in range(3):
            assert client.head(f"{server.url}/v1/batches?indices=1,2").status_code == 200
            assert client.get(f"{server.url}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/batches", "GET, HEAD, OPTIONS, POST"),
        ("/v1/spec", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/debug/samples/3.png", "GET, HEAD, OPTIONS"),
        ("/login", "GET, HEAD, OPTIONS, POST"),
        ("/logout", "OPTIONS, POST"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_allow_has_all_methods_of_a_path(server: LiveServer, path: str, methods: str) -> None:
    options = httpx.options(server.url + path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, methods, b"")
    with httpx.Client(base_url=server.url, headers={"content-type": "application/json"}) as client:
        for method in {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"} - set(methods.split(", ")):
            response = client.request(method, path)
            assert (response.status_code, response.headers["allow"]) == (405, methods)
            if method != "HEAD":
                assert response.headers["content-type"] == "application/problem+json"
                assert response.json()["type"] == "urn:saccade-sampler:problem:method"


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/spec/", "//v1/spec", "/v1//spec", "/V1/spec", "/explore/", "/%2e%2e/v1/spec", "/nothing%00"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "TRACE"])
def test_an_unknown_path_is_a_problem_document(server: LiveServer, method: str, path: str) -> None:
    # httpx would normalise the path.
    url = httpx.URL(server.url).copy_with(raw_path=path.encode())
    response = httpx.request(method, url, headers={"content-type": "application/json"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        assert response.json()["type"] == "urn:saccade-sampler:problem:not-found"
