"""Responses that break the protocol raise `ProtocolError`."""

import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import ClientError, DigestMismatchError, ProtocolError, RequestRefusedError, SamplerClient, TransferError
from client.protocol.exchange import Exchange
from client.protocol.requests import IndexRequest, StreamRequest
from client.protocol.session import Delivery, Session
from client.protocol.target import Target
from client.transport.failures import client_errors
from sampler.errors import ProtocolError as WireProtocolError
from sampler.errors import SamplerError
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard
from sampler.wire.messages import Header, encode_header, encode_sample, encode_trailer
from tests.support.client_twins import Make
from tests.support.scripted_server import Answer, Asked, Script, ScriptedServer, scripted, sealed

Message = dict[str, Any]
Change = Callable[[list[Message]], None]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def tampered(server: ScriptedServer, change: Change, seal: bool = True) -> Script:
    """The honest answer, changed; with a trailer that fits unless the change is to be found out by it."""

    def script(asked: Asked) -> Answer:
        [messages] = server.batches(asked)
        unpacked = [msgpack.unpackb(message, strict_map_key=False) for message in messages]
        change(unpacked)
        packed = [msgpack.packb(message) for message in unpacked]
        return Answer(sealed(packed[:-1]) if seal else packed)

    return script


def array(messages: list[Message], name: str, sample: int = 1) -> dict[bytes, Any]:
    found: dict[bytes, Any] = messages[sample]["arrays"][name]
    return found


def reorder(messages: list[Message]) -> None:
    messages[1], messages[2] = messages[2], messages[1]


def reorder_quietly(messages: list[Message]) -> None:
    reorder(messages)
    messages[1]["position"], messages[2]["position"] = 0, 1


def shorten(messages: list[Message]) -> None:
    array(messages, "crop")[b"data"] = array(messages, "crop")[b"data"][:-1]


def lengthen(messages: list[Message]) -> None:
    array(messages, "crop")[b"data"] += b"\0"


def other_dtype(messages: list[Message]) -> None:
    array(messages, "colour")[b"type"] = "<f8"


def byte_order(messages: list[Message]) -> None:
    array(messages, "colour")[b"type"] = ">f4"


def other_shape(messages: list[Message]) -> None:
    array(messages, "colour")[b"shape"] = [4, 3]


def negative_shape(messages: list[Message]) -> None:
    array(messages, "boxes")[b"shape"] = [-1, 5]


def pickled(messages: list[Message]) -> None:
    found = array(messages, "colour")
    found[b"kind"], found[b"type"] = b"O", "|O"
    found[b"data"] = pickle.dumps(np.array([object()]))


def pickled_whole(messages: list[Message]) -> None:
    messages[1]["arrays"]["colour"] = pickle.dumps(object())


def nan_box(messages: list[Message]) -> None:
    shape = array(messages, "boxes")[b"shape"]
    array(messages, "boxes")[b"data"] = np.full(shape, np.nan, np.float32).tobytes()


def missing_array(messages: list[Message]) -> None:
    del messages[1]["arrays"]["boxes"]


def missing_sample(messages: list[Message]) -> None:
    del messages[2]


def more_samples(messages: list[Message]) -> None:
    messages.insert(3, messages[2] | {"position": 2})


def other_key(messages: list[Message]) -> None:
    messages[1]["key"]["index"] = 4


def other_seed(messages: list[Message]) -> None:
    messages[2]["key"]["seed"] = 8


def wrong_recipe(messages: list[Message]) -> None:
    messages[1]["recipe"]["scale"] = -1.0


def other_step(messages: list[Message]) -> None:
    messages[0]["step"] = 3


def other_augment(messages: list[Message]) -> None:
    messages[0]["augment"] = False


def other_layout(messages: list[Message]) -> None:
    messages[0]["layout"] = "dense"


def other_protocol(messages: list[Message]) -> None:
    messages[0]["protocol"] = 2


def other_type(messages: list[Message]) -> None:
    messages[1]["type"] = "surprise"


VIOLATIONS = [
    reorder, reorder_quietly, shorten, lengthen, other_dtype, byte_order, other_shape, negative_shape, pickled,
    pickled_whole, nan_box, missing_array, missing_sample, more_samples, other_key, other_seed, wrong_recipe,
    other_step, other_augment, other_layout, other_protocol, other_type,
]  # fmt: skip


@pytest.mark.parametrize("change", VIOLATIONS, ids=lambda change: change.__name__)
def test_a_violation_is_a_protocol_error_at_once(server: ScriptedServer, make: Make, change: Change) -> None:
    client = make(server.url)
    client.spec()
    before = len(server.asked)
    server.script("/v1/batches", tampered(server, change))
    with pytest.raises(ProtocolError, match=r"GET http://.*/v1/batches: .*request id request-") as caught:
        client.batch([3, 5], seed=7)
    assert isinstance(caught.value, WireProtocolError)
    assert len(server.asked) == before + 1


def test_a_wrong_payload_digest_each_time_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    def flip(messages: list[Message]) -> None:
        data = bytearray(array(messages, "crop")[b"data"])
        data[100] ^= 1
        array(messages, "crop")[b"data"] = bytes(data)

    server.script("/v1/batches", *[tampered(server, flip, seal=False)] * 3)
    with pytest.raises(ProtocolError, match=r"payload digest .* 3 attempts\): bytes were damaged 3 times; look"):
        make(server.url).batch([3, 5])


def test_a_batch_of_another_digest_is_a_mismatch(server: ScriptedServer, make: Make) -> None:
    def other_digest(messages: list[Message]) -> None:
        messages[0]["digest"] = "d2"

    server.script("/v1/batches", tampered(server, other_digest))
    with pytest.raises(DigestMismatchError) as caught:
        make(server.url).batch([3, 5])
    assert (caught.value.expected, caught.value.actual) == ("d1", "d2")


@pytest.mark.parametrize(
    "body", [b"\xc1", b"<html>", b"\x93\x01\x02\x03", b"\x80", b"\xdd\xff\xff\xff\xff", b"\x91" * 5000]
)
def test_a_body_that_is_no_response_is_a_protocol_error(server: ScriptedServer, make: Make, body: bytes) -> None:
    server.script("/v1/batches", Answer([body]))
    with pytest.raises(ProtocolError):
        make(server.url, attempts=1).batch([3])


def test_a_body_of_another_type_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/batches", Answer([b"<html>"], headers={"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(ProtocolError, match="content type text/html: expected application/x-msgpack"):
        make(server.url).batch([3])


def test_a_batch_too_many_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/batches", lambda asked: Answer([*next(server.batches(asked))] * 2))
    with pytest.raises(ProtocolError, match="after the last one requested"):
        make(server.url).batch([3])


def test_a_missing_step_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    def leap(asked: Asked) -> Answer:
        return Answer([*server.messages(asked, 0), *server.messages(asked, 2)])

    server.script("/v1/stream", leap)
    batches = make(server.url).stream(seed=1, stop=3, batch_size=2)
    assert next(batches).step == 0
    with pytest.raises(ProtocolError, match="step 2: expected step 1"):
        next(batches)


SPECS: list[Callable[[dict[str, Any]], Any]] = [
    lambda _: [],
    lambda _: "spec",
    lambda spec: spec | {"protocol": 2},
    lambda spec: spec | {"config": []},
    lambda spec: spec | {"config": {}},
    lambda spec: spec | {"config": spec["config"] | {"input_size": [63, 64]}},
    lambda spec: spec | {"dataset": spec["dataset"] | {"size": 0}},
    lambda spec: spec | {"dataset": spec["dataset"] | {"size": float("inf")}},
    lambda spec: spec | {"dataset": spec["dataset"] | {"categories": []}},
    lambda spec: spec | {"limits": None},
    lambda spec: {name: value for name, value in spec.items() if name != "digest"},
]


@pytest.mark.parametrize("change", SPECS)
def test_an_invalid_spec_is_a_protocol_error(
    server: ScriptedServer, make: Make, change: Callable[[dict[str, Any]], Any]
) -> None:
    body = json.dumps(change(json.loads(json.dumps(server.spec.as_dict())))).encode()
    server.script("/v1/spec", Answer([body], headers={"Content-Type": "application/json"}))
    with pytest.raises(ProtocolError, match="/v1/spec"):
        make(server.url).spec()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_spec_that_is_no_json_is_a_protocol_error(server: ScriptedServer, make: Make, body: bytes) -> None:
    server.script("/v1/spec", Answer([body], headers={"Content-Type": "application/json"}))
    with pytest.raises(ProtocolError, match="/v1/spec"):
        make(server.url).spec()


def test_an_endless_spec_is_a_protocol_error(server: ScriptedServer, make: Make) -> None:
    endless = Answer((b" " * (1 << 20) for _ in range(64)), headers={"Content-Type": "application/json"})
    server.script("/v1/spec", endless)
    with pytest.raises(ProtocolError, match="more than 16777216 bytes"):
        make(server.url).spec()


# --- without sockets: every way to cut the same bytes ---


def honest_bytes(server: ScriptedServer) -> bytes:
    params = {"seed": "3", "start": "1", "stop": "4", "batch_size": "3", "layout": "compact", "augment": "true"}
    asked = Asked("GET", "/v1/stream", params, {})
    return b"".join(message for batch in server.batches(asked) for message in batch)


def received(delivery: Delivery, chunks: list[bytes]) -> list[tuple[int | None, tuple[SampleKey, ...]]]:
    got = []
    delivery.start()
    with client_errors(delivery.exchange):
        for chunk in chunks:
            delivery.feed(chunk)
            while (packed := delivery.take()) is not None:
                got.append((packed.step, packed.keys))
        delivery.end()
    return got


def stream_delivery(server: ScriptedServer) -> Delivery:
    return Delivery(
        StreamRequest(seed=3, start=1, stop=4, shard=Shard(3)), server.spec, Target(server.url, server.spec.digest)
    )


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.floats(0, 1), max_size=40))
def test_chunk_boundaries_anywhere_give_the_same_batches(server: ScriptedServer, cuts: list[float]) -> None:
    whole = honest_bytes(server)
    places = sorted({0, len(whole), *(int(cut * len(whole)) for cut in cuts)})
    chunks = [whole[start:end] for start, end in pairwise(places)]
    assert received(stream_delivery(server), chunks) == received(stream_delivery(server), [whole])


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_truncated_response_is_a_transfer_error(server: ScriptedServer, cut: float) -> None:
    whole = honest_bytes(server)
    with pytest.raises(TransferError, match=r"the response ended (before|inside) the batch of step"):
        received(stream_delivery(server), [whole[: int(cut * len(whole))]])


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(server: ScriptedServer, place: float, bit: int) -> None:
    damaged = bytearray(honest_bytes(server))
    damaged[int(place * len(damaged))] ^= 1 << bit
    with pytest.raises((ProtocolError, DigestMismatchError)):
        received(stream_delivery(server), [bytes(damaged)])


TEXTS = st.text(max_size=5) | st.binary(max_size=5)
NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), value=VALUES)
def test_any_value_in_any_field_is_an_error_of_the_client_or_harmless(
    server: ScriptedServer, data: st.DataObject, value: Any
) -> None:
    sample = server.sample(0, SampleKey(7, 0, 3), "compact")
    messages = [encode_header(Header("d1", "compact", True, 1, None)), encode_sample(sample)]
    unpacked = [msgpack.unpackb(message) for message in messages]
    chosen: Any = data.draw(st.sampled_from(unpacked))
    while True:
        field = data.draw(st.sampled_from(list(chosen)))
        if not isinstance(chosen[field], dict) or data.draw(st.booleans()):
            break
        chosen = chosen[field]
    chosen[field] = value
    delivery = Delivery(IndexRequest(indices=(3,), seed=7), server.spec, Target(server.url, server.spec.digest))
    try:
        received(delivery, sealed([msgpack.packb(message) for message in unpacked]))
    except ClientError:
        return
    assert delivery.done


def test_every_sampler_error_becomes_a_client_error(server: ScriptedServer) -> None:
    def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
        for below in kind.__subclasses__():
            yield below
            yield from subclasses(below)

    for kind in subclasses(SamplerError):
        error = kind.__new__(kind)
        error.args = ("a reason",)
        error.__dict__.update(field="f", value=1, expected="e", problem={}, attempts=1, request_id=None)
        with pytest.raises(ClientError), client_errors(Exchange("GET", "x")):
            raise error


def test_errors_survive_pickling() -> None:
    errors: list[ClientError] = [
        DigestMismatchError("other", expected="a", actual="b", request_id="r"),
        RequestRefusedError("refused", problem={"errors": [{"field": "f"}]}),
        TransferError("cut"),
    ]
    for error in errors:
        error.attempts = 3
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_the_spec_of_the_first_contact_is_pinned(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as client:
        first = client.spec()
        server.script("/v1/spec", Answer([], headers={}))
        assert client.spec() is first
    server.forget()
    session = Session(server.url, "compact")
    document = json.dumps(server.spec.as_dict()).encode()
    assert session.pin(document, session.spec_exchange()) == session.pin(document, session.spec_exchange())
    other = json.dumps(replace(server.spec, digest="d2").as_dict()).encode()
    with pytest.raises(DigestMismatchError, match="digest d2: expected d1, as at first contact"):
        session.pin(other, session.spec_exchange())


def test_a_trailer_alone_is_a_protocol_error(server: ScriptedServer) -> None:
    delivery = stream_delivery(server)
    with pytest.raises(ProtocolError, match="a trailer outside a batch"):
        received(delivery, [encode_trailer(0, "0")])
