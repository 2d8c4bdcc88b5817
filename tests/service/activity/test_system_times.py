"""What the system knows of processes and connections."""

import os
import socket
import sys
from contextlib import closing

import pytest

from service.activity.sending_times import sending_times
from service.activity.worker_times import CpuTimes, WorkerTimes, cpu_times

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts these times")


@on_linux
def test_the_times_of_a_connection_tell_a_receiver_that_does_not_read() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as sender,
        closing(listener.accept()[0]),
    ):
        sender.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sender.sendall(bytes(64 << 20))
        times = sending_times(sender)
        assert times is not None
        assert times.busy > 0
        assert times.unread > 0.5 * times.busy


def test_other_sockets_have_no_times() -> None:
    first, second = socket.socketpair()
    with first, second:
        assert sending_times(first) is None
    assert sending_times(first) is None  # it is closed
    assert sending_times(None) is None


@on_linux
def test_the_times_of_a_process_are_known_while_it_runs() -> None:
    if not os.path.exists("/proc/self/schedstat"):  # noqa: PTH110 - a file of the kernel
        pytest.skip("this kernel has no statistics of its scheduler")
    before = cpu_times(os.getpid())
    sum(range(2_000_000))
    after = cpu_times(os.getpid())
    assert before is not None
    assert after is not None
    assert after.computing > before.computing
    assert cpu_times(-1) is None


def test_the_sum_of_all_workers_never_decreases() -> None:
    known = {1: CpuTimes(10.0, 1.0), 2: CpuTimes(5.0, 0.0)}
    times = WorkerTimes(known.get)
    times.update([1, 2])
    assert (times.computing, times.delayed) == (0.0, 0.0)  # what they did before they were ready
    known |= {1: CpuTimes(12.0, 1.5), 2: CpuTimes(6.0, 0.0)}
    times.update([1, 2])
    assert (times.computing, times.delayed) == (3.0, 0.5)
    del known[1]
    known[3] = CpuTimes(100.0, 0.0)  # replaces it
    times.update([1, 2, 3])
    known[3] = CpuTimes(101.0, 0.0)
    times.update([2, 3])
    assert (times.computing, times.delayed) == (4.0, 0.5)
