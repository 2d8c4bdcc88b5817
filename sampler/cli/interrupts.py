"""Ctrl-C before a program has installed its own handler for it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process in the block, without a traceback, wherever it is: in the middle of an import, say.

    A process that ignores Ctrl-C, such as a background job of a shell, still does.
    """
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
