"""A person whose page cannot be shown reads why and what to do; a program gets a problem document."""

from collections.abc import Iterator

import httpx
import pytest

from sampler.errors import ImageError
from service.errors.problems import ServiceError, problem_of
from service.explorer.shell.errors import error_page
from tests.support.live_server import LiveServer
from tests.support.pages import Elements, page_request

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
IMAGE_ELEMENT = {"accept": "image/avif,image/webp,image/*,*/*;q=0.8"}


@pytest.fixture(scope="module")
def browser(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=BROWSER, timeout=60) as client:
        yield client


def targets(page: str) -> list[str]:
    return [str(link["href"]) for link in Elements(page).all("a")]


@pytest.mark.parametrize(
    ("path", "status", "parts"),
    [
        ("/nowhere", 404, ["Check the address"]),
        ("/explore/99999", 422, ["<code>index</code>", "99999", "expected"]),
        ("/explore/0?seed=abc&epoch=1", 422, ["<code>seed</code>", "<code>abc</code>", "an integer"]),
        ("/explore/0?augment=maybe", 422, ["<code>augment</code>", "<code>maybe</code>", "true or false"]),
        ("/explore/0?dataset=coco", 422, ["<code>dataset</code>", "no name"]),
        ("/explore/0?colour=1", 422, ["<code>colour</code>", "no such parameter"]),
        ("/explore/0?digest=00&seed=7", 412, ["digest"]),
        ("/logout", 405, ["for programs"]),
        ("/v1/batches?indices=", 422, ["<code>indices.0</code>"]),
    ],
)
def test_a_person_reads_what_is_wrong_and_what_to_do(
    browser: httpx.Client, path: str, status: int, parts: list[str]
) -> None:
    response = browser.get(path)
    assert (response.status_code, response.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert (response.headers["cache-control"], response.headers["vary"]) == ("no-store", "accept")
    for part in parts:
        assert part in response.text
    assert {browser.get(target, follow_redirects=True).status_code for target in targets(response.text)} == {200}


@pytest.mark.parametrize("headers", [{}, IMAGE_ELEMENT, {"accept": "application/json"}], ids=str)
@pytest.mark.parametrize("path", ["/nowhere", "/explore/99999", "/debug/samples/0.png?seed=x"])
def test_a_program_gets_a_problem_document(server: LiveServer, path: str, headers: dict[str, str]) -> None:
    response = httpx.get(server.url + path, headers=headers)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == response.status_code


def test_a_request_other_than_get_gets_a_problem_document_even_from_a_browser(browser: httpx.Client) -> None:
    assert browser.post("/explore/0").headers["content-type"] == "application/problem+json"


def test_the_page_offers_itself_without_the_parameters_that_are_wrong(browser: httpx.Client) -> None:
    assert "/explore/3?epoch=2" in targets(browser.get("/explore/3?seed=-1&epoch=2&colour=1").text)
    assert "/explore/3?seed=7" in targets(browser.get("/explore/3?digest=00&seed=7").text)
    assert "/explore/0" in targets(browser.get("/explore/99999?seed=7").text)


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (ServiceError("overloaded", "64 requests wait", retry_after=2), ["64 requests wait", "Reload the page"]),
        (ImageError("000001.jpg", "unreadable", "not a JPEG", 3), ["000001.jpg): not a JPEG", "verify"]),
        (KeyError("x"), ["KeyError", "log has the cause", "a1b2c3"]),
    ],
    ids=str,
)
def test_faults_of_the_server_are_explained(error: Exception, parts: list[str]) -> None:
    problem = problem_of(error)
    request = page_request("/explore/3", root="/sampler")
    request.state.request_id = "a1b2c3"
    response = error_page(request, problem, {"retry-after": "2"})
    text = bytes(response.body).decode()
    assert (response.status_code, response.headers["retry-after"]) == (problem["status"], "2")
    assert all(part in text for part in parts)
    assert all(target.startswith(("/sampler/", "#")) for target in targets(text))


def test_values_are_escaped(browser: httpx.Client) -> None:
    page = browser.get("/explore/0", params={"seed": "<script>alert(1)</script>"}).text
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
