"""JSON bodies are parsed in bounded time, and refused with a short document."""

import json
import time

import pytest
from fastapi.exceptions import RequestValidationError

from sampler.errors import InvalidRequestError
from service.batches.body import parse_body
from service.error_responses import problem_response
from service.errors.problems import problem_of

MAX_BATCH = 1024

HOSTILE = {
    "95,000 unknown names": json.dumps({f"{number:x}": 0 for number in range(95_000)}),
    "deeply nested lists": '{"indices":' + "[" * 500_000 + "]" * 500_000 + "}",
    "deeply nested objects": '{"a":' * 150_000 + "1" + "}" * 150_000,
    "200,000 indices": json.dumps({"indices": [1] * 200_000}),
    "150,000 fractions": json.dumps({"indices": [0.5] * 150_000}),
    "a number of 400,000 digits": '{"seed":' + "9" * 400_000 + "}",
    "numbers of 4,300 digits": '{"indices":[' + ",".join(["9" * 4300] * 240) + "]}",
    "a name twice": '{"indices":[1],"seed":1,"seed":2}',
    "a name 80,000 times": "{" + ",".join(['"seed":1'] * 80_000) + "}",
    "a long name": '{"' + "a" * 1_000_000 + '":1}',
    "a long value": '{"seed":"' + "a" * 1_000_000 + '"}',
    "quotes": '"' * 1_000_000,
    "half of a surrogate pair": '{"indices":[1],"digest":"\\ud800"}',
    "half of a surrogate pair as a name": '{"\\ud800":1}',
    "no JSON": '{"indices":[1,',
    "NaN": '{"seed":NaN}',
    "another type": "[1]",
    "1,000 invalid indices": '{"indices":[' + ",".join(['"x"'] * 1000) + "]}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_is_refused_at_once_in_a_few_words(body: str) -> None:
    encoded = body.encode()
    began = time.thread_time()
    with pytest.raises((InvalidRequestError, RequestValidationError)) as caught:
        parse_body(encoded, MAX_BATCH)
    assert time.thread_time() - began < 0.05
    if isinstance(caught.value, InvalidRequestError):
        assert problem_of(caught.value)["status"] == 422
        assert len(problem_response(caught.value).body) < 1500


def test_other_encodings_than_utf_8_are_refused() -> None:
    for body in ('{"indices":[1]}'.encode("utf-16"), b'{"digest":"\xff"}'):
        with pytest.raises(InvalidRequestError, match="JSON"):
            parse_body(body, MAX_BATCH)


def test_a_valid_body_gives_its_parameters() -> None:
    parameters = parse_body(b' {"indices": [3, 1], "seed": 18446744073709551615, "layout": "dense"} ', MAX_BATCH)
    assert (parameters.indices, parameters.seed, parameters.layout) == ([3, 1], (1 << 64) - 1, "dense")
    assert parse_body(json.dumps({"indices": list(range(MAX_BATCH))}).encode(), MAX_BATCH).indices is not None
