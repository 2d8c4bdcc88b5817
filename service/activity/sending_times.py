"""How long a connection was busy sending, and how much of this its receiver did not read, as Linux counts it.

A response waits for its client in the same way whether the client does not read or the network is slow. The system
knows the difference: only in the first case is the receiver's window full.
"""

import socket
import struct
import sys
from typing import Protocol

from service.activity.streams import SendingTimes

_LENGTH = 184
_TIMES = struct.Struct("=QQ")
_BUSY_TIME = 168
"""Offset of `tcpi_busy_time` and `tcpi_rwnd_limited` in `struct tcp_info`, in microseconds (Linux 4.10 and newer)."""


class Socket(Protocol):
    """A socket, or what uvloop gives for one."""

    def getsockopt(self, level: int, name: int, size: int, /) -> bytes: ...


def sending_times(connected: Socket | None) -> SendingTimes | None:
    """Return the times of a TCP socket; None if the system does not count them, or it is no TCP socket."""
    if connected is None or sys.platform != "linux":
        return None
    try:
        found = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
    except (OSError, ValueError):  # a Unix socket, or a closed one, which uvloop reports as ValueError
        return None
    if len(found) < _LENGTH:
        return None
    busy, unread = _TIMES.unpack_from(found, _BUSY_TIME)
    return SendingTimes(busy / 1e6, unread / 1e6)
