"""Failures of a running loader: its worker dies or meets an error."""

from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from client import (
    Batch,
    ClientError,
    DigestMismatchError,
    Loader,
    RequestRefusedError,
    SampleError,
    SamplerClient,
    ServerUnavailableError,
)
from client import errors as client_errors
from client.loading.messages import decode_result, encode
from sampler.wire.messages import encode_error as encode_wire_error
from tests.support.loading import STREAM, TRAINER, load, process_of, steps
from tests.support.paths import ROOT
from tests.support.processes import run_python
from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem, scripted

# --- the loader's process dies ---


def test_a_killed_worker_is_replaced_and_no_batch_is_lost_repeated_or_overwritten(small: ScriptedServer) -> None:
    with SamplerClient(small.url) as plain, load(small.url, ahead=1, stop=9, layout="compact") as loaded:
        expected = plain.stream(**STREAM, stop=9)
        held, before = None, b""
        for place, batch in enumerate(loaded):
            assert batch.images.tobytes() == next(expected).images.tobytes()
            assert batch.step == place
            if place == 1:
                held, before = batch, batch.tl_heats.tobytes()
            if place in (1, 4):
                process_of(loaded).kill()
        assert loaded.statistics.restarts == 2
        assert held is not None
        assert held.tl_heats.tobytes() == before
    assert place == 8


def test_a_worker_that_dies_each_time_is_an_error(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with load(small.url) as loaded:
        assert next(loaded).step == 0
        for _ in range(2):  # what was received before may still be handed out
            next(loaded)
        monkeypatch.setattr("sampler.ipc.child_process.sys.executable", "/bin/false")
        process_of(loaded).kill()
        with pytest.raises(ClientError, match=r"process exited with status 1 before step \d, 3 times in a row"):
            list(islice(loaded, 4))
        monkeypatch.undo()
        begun = loaded.state_dict()["step"]
        assert next(loaded).step == begun


def test_another_client_module_in_the_current_folder_is_not_used(small: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text("raise SystemExit(9)")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "train.py"
    script.write_text(TRAINER.format(then="print(batch.step, loaded.statistics.restarts)"))
    done = run_python(script, small.url, cwd=tmp_path, variables={"PYTHONPATH": ROOT}, coverage=False, check=False)
    assert (done.stdout.splitlines()[1:], done.stderr) == (["0 0"], "")


def test_a_worker_that_cannot_be_started_is_an_error(small: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sampler.ipc.child_process.sys.executable", "/nowhere/python")
    with load_open(small.url) as loaded, pytest.raises(ClientError, match="did not start: No such file"):
        next(loaded)


def load_open(url: str, **named: Any) -> "closing[Loader[Batch]]":
    """A loader that is closed at the end of the block, and not started at its beginning."""
    return closing(load(url, **named))


# --- errors of the process ---


def test_a_sample_error_has_index_and_file(small: ScriptedServer) -> None:
    def fail(asked: Asked) -> Answer:
        what = {"type": "urn:image", "title": "image", "status": 500, "detail": "image 3 (a.jpg): missing",
                "index": 3, "file": "a.jpg"}  # fmt: skip
        return Answer([*small.messages(asked, 0), encode_wire_error(what)])

    small.script("/v1/stream", fail)
    with load_open(small.url, stop=4) as loaded:
        assert next(loaded).step == 0
        with pytest.raises(SampleError, match=r"image 3 \(a.jpg\): missing") as caught:
            next(loaded)
        assert (caught.value.index, caught.value.file, caught.value.step) == (3, "a.jpg", 1)
        assert caught.value.request_id
        assert steps(loaded) == [1, 2, 3]  # asked for again, it could be made


def test_a_digest_mismatch_has_both_digests(small: ScriptedServer) -> None:
    with load_open(small.url) as loaded:
        next(loaded)
        process_of(loaded).kill()
        small.spec = replace(small.spec, digest="d2")
        with pytest.raises(DigestMismatchError, match="as at first contact") as caught:
            list(islice(loaded, 8))
        assert (caught.value.expected, caught.value.actual) == ("d1", "d2")


def test_an_unreachable_server_is_an_error(small: ScriptedServer) -> None:
    with load_open(small.url) as loaded:
        loaded.spec()
        small.close()
        with pytest.raises(ServerUnavailableError, match="3 attempts") as caught:
            next(loaded)
        assert caught.value.attempts == 3


def test_a_refused_request_names_the_field(small: ScriptedServer) -> None:
    rows = [{"field": "batch_size", "value": 1 << 70, "expected": "at most 5"}]
    small.script("/v1/stream", problem(422, "batch_size = 6: expected at most 5", errors=rows))
    with load_open(small.url) as loaded, pytest.raises(RequestRefusedError, match="status 422") as caught:
        next(loaded)
    assert caught.value.errors == rows


def test_a_stream_survives_a_restart_of_the_server() -> None:
    first = ScriptedServer()
    with load_open(first.url, attempts=100, ahead=1) as loaded:
        assert steps(islice(loaded, 3)) == [0, 1, 2]
        first.close()
        with scripted(port=first.port):
            assert steps(islice(loaded, 10)) == list(range(3, 13))
            assert loaded.statistics.restarts == 0


def test_every_client_error_survives_the_message() -> None:
    kinds = [kind for kind in vars(client_errors).values() if isinstance(kind, type) and issubclass(kind, ClientError)]
    for kind in kinds:
        error = kind("what is wrong")
        error.request_id, error.attempts = "r1", 3
        vars(error).update(dict.fromkeys(set(vars(error)) - {"request_id", "attempts", "problem"}, "an attribute"))
        with pytest.raises(kind) as caught:
            decode_result(encode(error))
        assert type(caught.value) is kind
        assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))
