"""Frames arrive in order and complete, however the socket cuts them."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sampler.ipc.async_frames import AsyncFrameSocket
from sampler.ipc.frames import FrameBuffer, FrameSocket, encode_frame

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_the_layout_of_a_frame() -> None:
    assert encode_frame(b"hello") == b"\x05\0\0\0hello"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_are_split_in_the_same_way_whatever_the_size_of_the_pieces(size: int) -> None:
    sent = b"".join(encode_frame(b"x" * number) for number in range(40))
    buffer, received = FrameBuffer(), []
    for start in range(0, len(sent), size):
        buffer.feed(sent[start : start + size])
        while (body := buffer.next()) is not None:
            received.append(body)
    assert received == [b"x" * number for number in range(40)]


def test_a_frame_is_returned_before_the_next_one_is_complete(pair: Pair) -> None:
    pair[0].sendall(encode_frame(b"first") + encode_frame(b"second")[:-1])
    frames = FrameSocket(pair[1])
    assert frames.read() == b"first"
    pair[0].sendall(b"d")
    assert frames.read() == b"second"


def test_complete_frames_before_the_end_are_returned_and_a_truncated_one_is_not(pair: Pair) -> None:
    pair[0].sendall(encode_frame(b"whole") + b"cut")
    pair[0].close()
    frames = FrameSocket(pair[1])
    assert frames.read() == b"whole"
    assert frames.read() is None
    with pytest.raises(ConnectionError):
        frames.send(b"too late")


def test_reading_ends_when_the_peer_is_gone_though_its_socket_is_open(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sampler.ipc.frames.CHECK_SECONDS", 0.01)
    alive = iter([True, True, False])
    assert FrameSocket(pair[1], peer_alive=lambda: next(alive)).read() is None


def test_reading_ends_when_the_channel_is_closed_by_another_thread(pair: Pair) -> None:
    """As when a loader worker ends because of an error while its listener waits for the trainer."""
    found: list[object] = []

    def read() -> None:
        try:
            found.append(FrameSocket(pair[1], peer_alive=lambda: True).read())
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.1)
    pair[1].close()
    pair[0].close()  # wakes the thread
    thread.join(10)
    assert found == [None]


def test_a_descriptor_above_those_that_select_takes_can_be_read(pair: Pair) -> None:
    fcntl = pytest.importorskip("fcntl")
    resource = pytest.importorskip("resource")
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 2000:
        pytest.skip("the limit of open files is too low")
    with socket.socket(fileno=fcntl.fcntl(pair[1], fcntl.F_DUPFD, 2000)) as high:
        pair[0].sendall(encode_frame(b"high"))
        assert FrameSocket(high, peer_alive=lambda: True).read() == b"high"


def test_an_event_loop_reads_and_sends_frames(pair: Pair) -> None:
    async def scene() -> list[bytes | None]:
        frames = await AsyncFrameSocket.connect(pair[0])
        first = asyncio.create_task(frames.read())
        await asyncio.sleep(0)
        pair[1].sendall(encode_frame(b"first") + encode_frame(b"second")[:-1])
        received = [await asyncio.wait_for(first, 10)]
        frames.send(b"reply")
        assert pair[1].recv(100) == encode_frame(b"reply")
        pair[1].sendall(b"d" + b"cut")
        pair[1].close()
        received += [await asyncio.wait_for(frames.read(), 10) for _ in range(2)]
        frames.send(b"to nobody")
        frames.close()
        return received

    assert asyncio.run(scene()) == [b"first", b"second", None]


def test_a_message_does_not_wait_longer_than_allowed_for_a_peer_that_does_not_read(pair: Pair) -> None:
    sender = FrameSocket(pair[0], send_seconds=0.1)
    with pytest.raises(TimeoutError, match="the peer does not read"):
        sender.send(bytes(8 << 20))
