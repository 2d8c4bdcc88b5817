"""A worker looks at the jobs that have arrived, so that images of later ones are fetched during earlier ones."""

import socket
from collections.abc import Iterator

import pytest

from sampler.errors import InvalidRequestError
from sampler.ipc.frames import FrameSocket, encode_frame
from sampler.stream.keys import SampleKey
from service.workers.protocol import Job, RunJob, encode_job
from service.workers.upcoming import UpcomingJobs

Channel = tuple[socket.socket, FrameSocket]


@pytest.fixture
def channel() -> Iterator[Channel]:
    one, other = socket.socketpair()
    with one, other:
        yield one, FrameSocket(other)


def job(index: int) -> RunJob:
    return RunJob((SampleKey(0, 0, index),), True, "compact", 0, 0, 100)


def send(server: socket.socket, *numbers: int) -> None:
    server.sendall(b"".join(encode_frame(encode_job(number, job(number))) for number in numbers))


def test_jobs_that_have_arrived_are_announced_before_the_first_is_done(channel: Channel) -> None:
    announced: list[Job] = []
    upcoming = UpcomingJobs(channel[1], announced.append)
    send(channel[0], 1, 2)
    assert upcoming.next() == (1, job(1))
    assert announced == [job(1), job(2)]
    send(channel[0], 3)
    upcoming.look()
    upcoming.look()
    assert announced == [job(1), job(2), job(3)]
    assert [upcoming.next(), upcoming.next()] == [(2, job(2)), (3, job(3))]
    assert len(announced) == 3


def test_looking_does_not_wait_for_the_rest_of_a_message(channel: Channel) -> None:
    announced: list[Job] = []
    upcoming = UpcomingJobs(channel[1], announced.append)
    message = encode_frame(encode_job(1, job(1)))
    channel[0].sendall(message[:-1])
    upcoming.look()
    assert announced == []
    channel[0].sendall(message[-1:])
    upcoming.look()
    assert announced == [job(1)]


def test_jobs_that_have_arrived_are_done_after_the_server_is_gone(channel: Channel) -> None:
    upcoming = UpcomingJobs(channel[1], lambda _: None)
    send(channel[0], 1, 2)
    channel[0].close()
    assert [upcoming.next(), upcoming.next(), upcoming.next()] == [(1, job(1)), (2, job(2)), None]


def test_a_job_whose_images_cannot_be_announced_is_done_all_the_same(channel: Channel) -> None:
    def refuse(_: Job) -> None:
        raise InvalidRequestError("index", 9, "0 … 3")

    send(channel[0], 1)
    assert UpcomingJobs(channel[1], refuse).next() == (1, job(1))
