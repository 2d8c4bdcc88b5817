"""Requests: their checks and their URLs."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.protocol.requests import MAX_URL_LENGTH, IndexRequest, StepRequest, StreamRequest, batch_request
from client.protocol.session import Session
from client.protocol.target import Target
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys

BASE = "http://host:8000"
TARGET = Target(BASE, "D")
BY_SEED: dict[str, Any] = {
    "indices": None,
    "seed": 7,
    "epoch": 0,
    "step": 12,
    "batch_size": 48,
    "rank": 0,
    "world_size": 4,
    "augment": True,
    "layout": "compact",
}
BY_INDEX = BY_SEED | {"indices": [3, 17, 5], "step": None, "batch_size": None, "world_size": 1}
STREAM: dict[str, Any] = {"seed": 7, "start": 12, "stop": 20, "shard": Shard(48, 0, 4)}


def ask(fields: dict[str, Any]) -> IndexRequest | StepRequest:
    return batch_request(fields["indices"], **{name: value for name, value in fields.items() if name != "indices"})


def test_a_batch_by_index_has_one_canonical_url() -> None:
    asked = ask(BY_INDEX).exchange(TARGET)
    wanted = "/v1/batches?indices=3,17,5&seed=7&epoch=0&augment=true&layout=compact&digest=D"
    assert (asked.method, asked.url, asked.body) == ("GET", BASE + wanted, None)


def test_a_batch_by_seed_has_one_canonical_url() -> None:
    asked = ask(BY_SEED).exchange(TARGET)
    wanted = "/v1/batches?seed=7&step=12&batch_size=48&rank=0&world_size=4&augment=true&layout=compact&digest=D"
    assert (asked.method, asked.url) == ("GET", BASE + wanted)


def test_an_endless_stream_sends_no_stop() -> None:
    endless = dict(parse_qsl(urlsplit(StreamRequest(**STREAM | {"stop": None}).exchange(TARGET).url).query))
    assert "stop" not in endless
    assert endless["start"] == "12"
    assert "stop=20" in StreamRequest(**STREAM).exchange(TARGET).url


def test_numpy_integers_are_integers() -> None:
    assert ask(BY_INDEX | {"indices": np.array([3, 17, 5])}) == ask(BY_INDEX)


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=1200))
def test_long_lists_are_sent_by_post_and_short_ones_by_get(indices: list[int]) -> None:
    asked = IndexRequest.of(indices, seed=7).exchange(TARGET)
    assert len(asked.url) <= MAX_URL_LENGTH
    if asked.method == "GET":
        assert f"indices={','.join(map(str, indices))}&" in asked.url
    else:
        assert asked.body == {
            "indices": indices, "seed": 7, "epoch": 0, "augment": True, "layout": "compact", "digest": "D"
        }  # fmt: skip
        assert len(indices) > 200


def test_requests_know_the_keys_of_their_batches() -> None:
    by_index, by_seed = ask(BY_INDEX | {"epoch": 2}), ask(BY_SEED | {"rank": 1})
    assert list(by_index.batch_keys(10)) == [[SampleKey(7, 2, index) for index in (3, 17, 5)]]
    assert list(by_seed.batch_keys(10)) == [step_keys(10, 7, 12, Shard(48, 1, 4))]


def test_the_rest_of_a_stream_starts_at_the_next_step() -> None:
    rest = StreamRequest(**STREAM).after_next()
    assert isinstance(rest, StreamRequest)
    assert (rest.start, rest.stop) == (13, 20)
    assert StreamRequest(**STREAM | {"start": 19}).after_next() is None
    assert ask(BY_SEED).after_next() is None
    assert ask(BY_INDEX).after_next() is None


WRONG_BATCHES: list[tuple[dict[str, Any], str]] = [
    (BY_INDEX | {"indices": []}, "indices"),
    (BY_INDEX | {"indices": [3, -1]}, "indices[1]"),
    (BY_INDEX | {"indices": [3.0]}, "indices[0]"),
    (BY_INDEX | {"indices": [True]}, "indices[0]"),
    (BY_INDEX | {"indices": "3,17"}, "indices[0]"),
    (BY_INDEX | {"indices": 3}, "indices"),
    (BY_INDEX | {"seed": -1}, "seed"),
    (BY_INDEX | {"seed": 1 << 64}, "seed"),
    (BY_INDEX | {"epoch": -1}, "epoch"),
    (BY_INDEX | {"augment": "yes"}, "augment"),
    (BY_INDEX | {"layout": "tight"}, "layout"),
    (BY_INDEX | {"step": 3}, "step"),
    (BY_INDEX | {"batch_size": 3}, "batch_size"),
    (BY_INDEX | {"rank": 1}, "rank"),
    (BY_INDEX | {"world_size": 2}, "world_size"),
    (BY_SEED | {"step": None}, "indices"),
    (BY_SEED | {"step": -1}, "step"),
    (BY_SEED | {"batch_size": None}, "batch_size"),
    (BY_SEED | {"batch_size": 0}, "batch_size"),
    (BY_SEED | {"rank": 4}, "rank"),
    (BY_SEED | {"world_size": 49}, "world_size"),
    (BY_SEED | {"epoch": 1}, "epoch"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG_BATCHES)
def test_a_wrong_value_of_a_batch_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ask(fields)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field} = ")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"start": -1}, "start"), ({"stop": 11}, "stop"), ({"layout": ""}, "layout")],
)
def test_a_wrong_value_of_a_stream_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        StreamRequest(**STREAM | change)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "url", ["host:8000", "ftp://host", "http://", "http://h:99999", "http://h?x=1", "", None, "http://a b"]
)
def test_only_an_http_url_is_a_base_url(url: Any) -> None:
    with pytest.raises(InvalidRequestError, match="such as http://cpu-host:8000"):
        Session(url, "compact")


def test_a_base_url_may_have_a_path() -> None:
    assert Session("https://host/sampler/", "compact").base_url == "https://host/sampler"
