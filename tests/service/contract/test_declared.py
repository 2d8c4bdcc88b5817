"""Every endpoint declares what it does. `tests.support.live_server` compares the responses of all tests, too."""

from typing import Any

import pytest

from sampler.wire.problem_types import PROBLEM_TYPES
from service.app import create_app
from service.contract.responses import ANYWHERE, GUARDED, KINDS, PROBLEM_MEDIA_TYPE
from tests.support.contract import undeclared

PATHS: dict[str, dict[str, Any]] = create_app().openapi()["paths"]
OPERATIONS = [(path, method) for path, operations in PATHS.items() for method in operations]
FOUND_BY_ROUTING = {"not-found", "method", "http"}
"""Problems of requests that reach no endpoint."""


def kinds(path: str, method: str) -> set[str]:
    return {kind for response in PATHS[path][method]["responses"].values() for kind in response.get(KINDS, ())}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_error_is_declared_as_a_problem_document(path: str, method: str) -> None:
    for status, response in PATHS[path][method]["responses"].items():
        if int(status) >= 400:
            assert {PROBLEM_TYPES[kind].status for kind in response[KINDS]} == {int(status)}
            assert list(response.get("content", {})) == ([] if method == "head" else [PROBLEM_MEDIA_TYPE])


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_endpoint_declares_what_any_request_can_meet(path: str, method: str) -> None:
    guarded = () if path in ("/healthz", "/readyz") else GUARDED
    assert {*ANYWHERE, *guarded} <= kinds(path, method)


def test_every_problem_type_belongs_to_an_endpoint() -> None:
    assert {kind for operation in OPERATIONS for kind in kinds(*operation)} == PROBLEM_TYPES.keys() - FOUND_BY_ROUTING


def test_every_success_declares_its_media_type() -> None:
    types = {
        (path, method): list(PATHS[path][method]["responses"].get("200", {}).get("content", {}))
        for path, method in OPERATIONS
    }
    assert types["/v1/batches", "get"] == types["/v1/stream", "get"] == types["/v1/batches", "post"]
    assert types["/v1/batches", "get"] != []
    assert types["/debug/samples/{index}.png", "get"] == ["image/png"]
    assert types["/metrics", "get"] == ["text/plain", "application/openmetrics-text"]
    assert not [one for one, found in types.items() if one[1] != "head" and one[0] != "/v1/access" and not found]


def test_every_summary_stands_alone() -> None:
    summaries = [PATHS[path][method]["summary"] for path, method in OPERATIONS]
    assert len(set(summaries)) == len(summaries)
    assert not [summary for summary in summaries if "same" in summary.split()]


def test_every_parameter_says_what_it_means() -> None:
    body = PATHS["/v1/batches"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    parameters = [
        parameter["schema"] | parameter for path, method in OPERATIONS
        for parameter in PATHS[path][method].get("parameters", ())
    ]  # fmt: skip
    described = [(one["title"], one.get("description")) for one in (*body.values(), *parameters)]
    assert not [title for title, description in described if not description]


def test_every_get_has_a_head_with_the_same_statuses() -> None:
    for path, operations in PATHS.items():
        if "get" in operations:
            assert operations["head"]["responses"].keys() == operations["get"]["responses"].keys(), path


def test_no_parameter_of_a_url_may_be_null() -> None:
    for path, method in OPERATIONS:
        for parameter in PATHS[path][method].get("parameters", ()):
            assert parameter["schema"]["type"] != "null"
            assert "anyOf" not in parameter["schema"]


def test_a_server_with_a_token_declares_it() -> None:
    app = create_app()
    app.state.access = type("Protected", (), {"credentials": object()})
    document = app.openapi()
    assert document["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert document["paths"]["/v1/spec"]["get"]["security"] == [{"token": []}]
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_an_undeclared_response_is_noticed() -> None:
    line = "2026-01-01 00:00:00,000 INFO    [1] saccade_sampler.requests: 127.0.0.1 {} {} 5 bytes 1.0 ms complete"
    assert undeclared(line.format("GET /v1/spec?a=b", 200)) == []
    assert undeclared(line.format("GET /v1/spec?a=b", 413)) == ["GET /v1/spec: 413"]
    assert undeclared(line.format("GET /debug/samples/7.png", 404)) == ["GET /debug/samples/7.png: 404"]
    assert undeclared(line.format("GET /nothing", 404)) == []
