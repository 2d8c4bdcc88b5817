"""A client of one of several datasets, and the digests that it pins."""

import json
from collections.abc import Iterator
from dataclasses import replace
from traceback import format_exception
from typing import Any

import pytest

from client import DigestMismatchError, RequestRefusedError
from client.protocol.session import Session
from tests.support.client_twins import Make
from tests.support.loading import load, steps
from tests.support.scripted_server import Answer, Asked, ScriptedServer, scripted


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def named(server: ScriptedServer, **fields: Any) -> ScriptedServer:
    """Return the server with other fields in its spec."""
    server.spec = replace(server.spec, **fields)
    return server


def parameters(server: ScriptedServer, name: str) -> set[Any]:
    """The values that requests other than for readiness gave a parameter; None where it is absent."""
    return {asked.params.get(name) for asked in server.asked if asked.path != "/readyz"}


# --- the name ---


def test_every_request_names_the_dataset(server: ScriptedServer, make: Make) -> None:
    client = make(named(server, dataset_name="val").url, dataset="val")
    client.batch([3])
    client.batch([3] * 2100)
    client.batch(seed=1, step=2, batch_size=3)
    list(client.stream(seed=1, stop=2, batch_size=3))
    client.images([1, 2])
    assert {asked.method for asked in server.asked} == {"GET", "POST"}
    assert parameters(server, "dataset") == {"val"}


def test_a_loader_receives_the_dataset_it_names(server: ScriptedServer) -> None:
    with load(named(server, dataset_name="val").url, dataset="val", stop=2) as loaded:
        assert steps(loaded) == [0, 1]
    assert parameters(server, "dataset") == {"val"}


def test_without_a_name_and_hashes_no_request_has_a_parameter_that_older_servers_refuse(
    server: ScriptedServer, make: Make
) -> None:
    client = make(server.url)
    client.batch([3])
    list(client.stream(seed=1, stop=2, batch_size=3))
    assert {name for asked in server.asked for name in asked.params}.isdisjoint({"dataset", "pixels"})


def test_a_name_that_the_server_does_not_have_is_refused(server: ScriptedServer, make: Make) -> None:
    with pytest.raises(RequestRefusedError, match="no such dataset"):
        make(server.url, dataset="val").spec()


def test_a_server_that_ignores_names_is_not_taken_for_one_that_has_the_dataset(
    server: ScriptedServer, make: Make
) -> None:
    def older(asked: Asked) -> Answer:
        return server.answer(replace(asked, params={}))

    server.script("/v1/spec", older)
    with pytest.raises(RequestRefusedError, match="server's only dataset has none; leave dataset out") as caught:
        make(server.url, dataset="val").batch([3])
    assert caught.value.errors[0]["field"] == "dataset"


@pytest.mark.parametrize("name", ["", 3, b"val"])
def test_a_name_that_is_no_text_is_refused_at_once(make: Make, name: Any) -> None:
    for refused in (lambda: make("http://host:1", dataset=name), lambda: load("http://host:1", dataset=name)):
        with pytest.raises(RequestRefusedError, match="dataset = ") as caught:
            refused()
        assert "".join(format_exception(caught.value)).count("Traceback") == 1  # the message says all


# --- the pixels ---


def test_requests_name_the_pixels_of_the_first_contact(server: ScriptedServer, make: Make) -> None:
    client = make(named(server, pixels="p1").url)
    client.batch([3])
    list(client.stream(seed=1, stop=2, batch_size=3))
    assert {asked.params.get("pixels") for asked in server.asked if asked.path != "/v1/spec"} == {"p1"}


def test_a_server_whose_pixels_change_is_refused(server: ScriptedServer, make: Make) -> None:
    client = make(named(server, pixels="p1").url)
    client.batch([3])
    named(server, pixels="p2")
    with pytest.raises(DigestMismatchError, match="the pixels are others") as caught:
        client.batch([3])
    assert (caught.value.field, caught.value.expected, caught.value.actual) == ("pixels", "p1", "p2")


@pytest.mark.parametrize(("before", "after"), [(None, "p1"), ("p1", None)])
def test_pixels_are_compared_only_if_both_sides_have_them(
    server: ScriptedServer, make: Make, before: str | None, after: str | None
) -> None:
    client = make(named(server, pixels=before).url)
    first = client.batch([3])
    named(server, pixels=after)
    assert client.batch([3]).keys == first.keys


def test_a_restart_with_other_pixels_ends_a_stream(make: Make) -> None:
    first = named(ScriptedServer(), pixels="p1")
    batches = make(first.url, attempts=100, max_wait=0.05).stream(seed=3, batch_size=3)
    assert next(batches).step == 0
    first.close()
    with scripted(port=first.port) as second:
        named(second, pixels="p2")
        with pytest.raises(DigestMismatchError) as caught:
            steps(batches)
    assert caught.value.field == "pixels"


def test_the_process_of_a_loader_refuses_pixels_other_than_the_trainers(server: ScriptedServer) -> None:
    loaded = load(named(server, pixels="p1").url, stop=3)
    loaded.spec()
    named(server, pixels="p2")
    with pytest.raises(DigestMismatchError, match="pixels p2: expected p1, as at first contact"), loaded:
        next(loaded)


def test_two_first_contacts_at_once_must_agree_on_the_pixels(server: ScriptedServer) -> None:
    session = Session(server.url, "compact")
    exchange = session.spec_exchange()
    session.pin(json.dumps(named(server, pixels="p1").spec.as_dict()).encode(), exchange)
    with pytest.raises(DigestMismatchError, match="pixels p2: expected p1, as at first contact"):
        session.pin(json.dumps(named(server, pixels="p2").spec.as_dict()).encode(), exchange)
