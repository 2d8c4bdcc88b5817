"""Child processes that run a module of ours and exchange frames with their parent.

Parent: `ChildProcess("package.module").start()`. Child: the module calls `run_child(serve)` as its main program. The
child exits when its parent does, even if the parent was killed.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sampler.ipc.frames import CHECK_SECONDS, FrameSocket
from sampler.memory.freed_memory import release_freed_memory

KILL_SECONDS = 10.0
"""Time for a killed process to disappear."""


class ChildProcess:
    """A child process and the socket to it.

    Constructing and starting are separate steps, so that a caller interrupted during `start` can still call `end`.
    """

    def __init__(self, module: str, descriptors: Sequence[int] = (), stderr: int | None = None) -> None:
        """Create the socket pair. Raises OSError.

        Args:
            module: the module that the child runs (`python -m MODULE`).
            descriptors: file descriptors that the child inherits under the same numbers. Every other descriptor is
                closed in the child, so it cannot keep a socket of the parent open.
            stderr: descriptor that the child writes errors to (default: that of this process).
        """
        self._module = module
        self._descriptors = descriptors
        self._stderr = stderr
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._cancelled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._channel: socket.socket | None
        self._channel, self._child_channel = socket.socketpair()

    @property
    def pid(self) -> int:
        """The process id, once started."""
        assert self._process is not None, "call start() first"
        return self._process.pid

    def start(self) -> None:
        """Start the process. Raises OSError if there is no descriptor, memory, thread or process for it."""
        # Signal handlers run in the main thread only. Starting the process in another thread means that no handler
        # can raise between the creation of the process and the assignment that records it.
        thread = threading.Thread(target=self._spawn, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(str(error)) from error
        thread.join()
        self._child_channel.close()
        if self._process is None:
            raise self._error or OSError("the process was not started")

    def frames(self, child_alive: Callable[[], bool] | None = None, send_seconds: float | None = None) -> FrameSocket:
        """Return a blocking connection to the child; see `FrameSocket`. `end` closes its socket."""
        assert self._channel is not None, "the socket was detached"
        return FrameSocket(self._channel, child_alive, send_seconds=send_seconds)

    def detach_socket(self) -> socket.socket:
        """Return the socket to the child; the caller closes it from now on, before it calls `end`."""
        channel, self._channel = self._channel, None
        assert channel is not None, "the socket was detached before"
        return channel

    def kill(self) -> None:
        """Kill the process, without waiting for it. Call `end` afterwards."""
        if self._process is not None:
            self._process.kill()

    def has_exited(self) -> bool:
        """Return whether the process, once started, has exited."""
        return self._process is not None and self._process.poll() is not None

    def end(self, seconds: float) -> int | None:
        """Close the socket, wait up to `seconds` for the process to exit, then kill it.

        Returns:
            The exit status (−signal if killed). None if the process was never started, is still there
            `KILL_SECONDS` after it was killed, or is not a child of this process: a fork closes its copy of the
            socket and does nothing else.
        """
        if os.getpid() != self._owner:
            self._close_sockets()
            return None
        with self._lock:
            self._cancelled = True
        if self._channel is not None:
            with suppress(OSError):  # a broken socket: the child is gone
                self._channel.shutdown(socket.SHUT_RDWR)  # close() alone has no effect while a fork holds a copy
        self._close_sockets()
        if self._process is None:
            return None
        try:
            status = self._wait(seconds)
        except BaseException:
            self._process.kill()  # nobody may call again, and a stopped process would stay
            raise
        if status is None:
            self._process.kill()
            status = self._wait(KILL_SECONDS)
        return status

    def _close_sockets(self) -> None:
        self._child_channel.close()
        if self._channel is not None:
            self._channel.close()

    def _wait(self, seconds: float) -> int | None:
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _spawn(self) -> None:
        # The child gets this process's module search path, so it runs the same code wherever the parent was started.
        # -P keeps the current folder, which may contain modules of the same names, from being searched first.
        # NumPy's linear algebra and the client of object storage would start a thread for each CPU in each of them.
        single = {"OPENBLAS_NUM_THREADS": "1", "TOKIO_WORKER_THREADS": "2"}
        environment = single | os.environ | {"PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)}
        with self._lock:
            if self._cancelled:
                return
            inherited = self._child_channel.fileno()
            command = [sys.executable, "-P", "-m", self._module, str(inherited), str(self._owner)]
            try:
                self._process = subprocess.Popen(
                    command, pass_fds=[inherited, *self._descriptors], stdin=subprocess.DEVNULL, stderr=self._stderr,
                    env=environment,
                )  # fmt: skip
            except OSError as error:
                self._error = error


def run_child(serve: Callable[[FrameSocket], None]) -> None:
    """Run `serve` as the main program of a child process, with the connection to the parent.

    The command-line arguments are the number of the inherited socket and the parent's process id. SIGINT and SIGTERM
    are ignored: Ctrl-C and a service manager signal the whole process group, but the parent decides when its children
    exit. A ConnectionError raised by `serve` means that the parent is gone and ends the program. While the child waits
    for the parent, it returns freed memory to the system.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel, suppress(ConnectionError):
        serve(FrameSocket(channel, _has_parent, release_freed_memory))


@contextmanager
def exit_with_parent() -> Iterator[None]:
    """End this process if its parent exits during the block, which may take long and does not read from the parent."""
    done = threading.Event()
    threading.Thread(target=_exit_with_parent, args=(done,), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _exit_with_parent(done: threading.Event) -> None:
    while _has_parent():
        if done.wait(CHECK_SECONDS):
            return
    os._exit(0)


def _has_parent() -> bool:
    """Return whether the parent runs. It may have exited before this process got as far as here."""
    return os.getppid() == int(sys.argv[2])
