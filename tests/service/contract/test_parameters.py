"""A value is accepted or refused in the same way in a URL and in a JSON body."""

import json
from collections.abc import Iterator

import httpx
import pytest

from service.batches.body import parse_body
from tests.support.live_server import LiveServer


@pytest.fixture(scope="module")
def http(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client


# As a URL has it, and as JSON has it.
ACCEPTED = [("0", 0), ("7", 7), ("23", 23)]
REFUSED = ["0.0", "1.0", "+1", " 1", "1 ", "1e3", "1_0", "01", "00", "0x1", "0b1", "\u0661", "\uff11", "", "-", "-0",
           "null", "true", "1.", "\u00bd", "9" * 41, "9" * 5000, "\t1", "1\n", "NaN", "Infinity"]  # fmt: skip
NAMES = ["indices", "seed", "step", "batch_size", "rank", "world_size", "epoch", "substitutes"]


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("name", NAMES)
def test_an_integer_is_decimal_digits_and_nothing_else(http: httpx.Client, name: str, text: str) -> None:
    others = {"indices": "1"} if name in ("seed", "epoch", "substitutes") else {"step": "1", "batch_size": "4"}
    others = {} if name == "indices" else others
    response = http.get("/v1/batches", params=others | {name: text})
    assert response.status_code == 422, response.text[:200]
    (error,) = response.json()["errors"]
    assert error["field"] in (name, f"{name}.0")


@pytest.mark.parametrize(("text", "value"), ACCEPTED)
def test_a_url_and_a_body_with_the_same_number_give_the_same_batch(http: httpx.Client, text: str, value: int) -> None:
    got = http.get(f"/v1/batches?indices={text}&seed={text}")
    posted = http.post("/v1/batches", json={"indices": [value], "seed": value})
    assert got.status_code == posted.status_code == 200
    assert got.content == posted.content


@pytest.mark.parametrize(
    "body",
    [
        {"indices": ["1"]}, {"indices": "1"}, {"indices": ["1,2"]}, {"indices": [1.0]}, {"indices": [True]},
        {"indices": [1], "seed": "7"}, {"indices": [1], "augment": "true"}, {"indices": [1], "augment": 1},
        {"indices": [1], "layout": ["compact"]}, {"step": 1.0, "batch_size": 4}, {"indices": {"0": 1}}, [], 1, None,
    ],
    ids=json.dumps,
)  # fmt: skip
def test_a_body_has_values_of_the_declared_types(http: httpx.Client, body: object) -> None:
    response = http.post("/v1/batches", content=json.dumps(body), headers={"content-type": "application/json"})
    assert response.status_code == 422


@pytest.mark.parametrize("text", ["1", "0", "yes", "on", "True", "FALSE", "t", ""])
def test_a_truth_value_is_true_or_false(http: httpx.Client, text: str) -> None:
    response = http.get("/v1/batches", params={"indices": "1", "augment": text})
    assert response.json()["errors"][0]["field"] == "augment"


@pytest.mark.parametrize("text", ["0.0", "+1", " 1", "01", "1_0", "\u0661"])
def test_the_index_in_a_path_is_decimal_digits(http: httpx.Client, text: str) -> None:
    response = http.get(f"/debug/samples/{text}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "index"


def test_absent_and_null_are_the_same_in_a_body() -> None:
    absent = parse_body(b'{"indices": [1]}', 4)
    null = parse_body(b'{"indices": [1], "step": null, "dataset": null}', 4)
    assert absent == null
