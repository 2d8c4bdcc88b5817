"""What the loader's process logs reaches the logging of the trainer."""

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from client.loading.messages import LogLine, decode_result
from client.loading.worker.log_forwarding import MOST_BYTES, MOST_LINES, LogForwarding
from sampler.ipc.frames import FrameSocket
from tests.support.loading import load, steps
from tests.support.scripted_server import ScriptedServer, problem


def test_retries_of_the_loaders_process_are_logged_by_the_trainer_and_nowhere_else(
    small: ScriptedServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    small.script("/v1/stream", problem(503, "come back later"), problem(503, "still busy"))
    with load(small.url, stop=2) as batches:
        assert steps(batches) == [0, 1]
    lines = [record for record in caplog.records if "busy" in record.message or "later" in record.message]
    assert [(line.name, line.levelname) for line in lines] == [("saccade_client", "WARNING")] * 2
    assert "come back later" in lines[0].message
    assert "still busy" in lines[1].message
    assert capfd.readouterr().err == ""


def test_levels_are_those_of_the_trainer(small: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "saccade_client")
    small.script("/v1/stream", problem(503, "come back later"))
    with load(small.url, stop=1) as batches:
        assert steps(batches) == [0]
    assert not caplog.records


class Secret:
    """Something that can neither be sent nor be shown."""

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> str:
        raise AssertionError("sent to the trainer")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    mine, other = socket.socketpair()
    with closing(mine), closing(other):
        yield mine, other


def test_a_chatty_log_does_not_block_the_loaders_process(ends: tuple[socket.socket, socket.socket]) -> None:
    trainer, worker = map(FrameSocket, ends)
    forwarding, logger = LogForwarding(worker), logging.Logger("saccade_client.fleet")
    logger.addHandler(forwarding)

    def write() -> None:
        for number in range(10_000):
            logger.warning("line %d of %r %s", number, Secret(), "漢" * MOST_BYTES)

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(60)
    assert not writing.is_alive(), "waits for a trainer that computes"
    forwarding.allow_more()
    logger.error("the last line")
    lines = [decode_result(trainer.read() or b"") for _ in range(MOST_LINES + 2)]
    whole = [f"line {number} of <hidden> {'漢' * MOST_BYTES}".encode() for number in range(MOST_LINES)]
    expected = [line[:MOST_BYTES].decode(errors="ignore") for line in whole]
    left_out = "lines left out of the log of the loader's process, because there were too many: "
    left_out += str(10_000 - MOST_LINES)
    assert lines == [
        *(LogLine("saccade_client.fleet", logging.WARNING, text) for text in expected),
        LogLine("saccade_client.fleet", logging.WARNING, left_out),
        LogLine("saccade_client.fleet", logging.ERROR, "the last line"),
    ]


def test_a_line_that_cannot_be_formatted_does_not_end_the_loaders_process(
    ends: tuple[socket.socket, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer, worker = map(FrameSocket, ends)
    logger = logging.Logger("saccade_client")
    logger.addHandler(LogForwarding(worker))
    logger.warning("%d servers", "two")
    logger.warning("the next \udc80 line")
    assert decode_result(trainer.read() or b"") == LogLine("saccade_client", logging.WARNING, "the next \\udc80 line")
    assert "Logging error" in capsys.readouterr().err


def test_a_line_for_a_trainer_that_is_gone_is_dropped(ends: tuple[socket.socket, socket.socket]) -> None:
    trainer, worker = ends
    logger = logging.Logger("saccade_client")
    logger.addHandler(LogForwarding(FrameSocket(worker)))
    trainer.close()
    logger.warning("nobody reads this")
