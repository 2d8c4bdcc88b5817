"""Answers of servers that hang, stop in the middle, or send damaged bytes; and a wait for what they cause."""

import threading
import time
from collections.abc import Callable, Iterator

from tests.support.scripted_server import Answer, Asked, ScriptedServer, problem


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait some seconds at most for a condition; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def hanging(released: threading.Event) -> Callable[[Asked], Answer]:
    """An answer that does not begin."""

    def script(_asked: Asked) -> Answer:
        released.wait(30)
        return problem(503, "too late")

    return script


def pausing(server: ScriptedServer, released: threading.Event) -> Callable[[Asked], Answer]:
    """An answer that stops after its first messages."""

    def script(asked: Asked) -> Answer:
        def pieces() -> Iterator[bytes]:
            for batch in server.batches(asked):
                yield from batch[:2]
                released.wait(30)

        return Answer(pieces())

    return script


def corrupt(server: ScriptedServer) -> Callable[[Asked], Answer]:
    """An answer in which one byte has changed."""

    def script(asked: Asked) -> Answer:
        body = bytearray(b"".join(message for batch in server.batches(asked) for message in batch))
        body[len(body) // 2] ^= 1
        return Answer([bytes(body)])

    return script
