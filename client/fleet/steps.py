"""The steps of a stream from several servers: in order, several requested ahead.

Each step is requested separately: any server can answer the request, and any cache can keep the response. A thread
looks after the requests, so that they go on while the trainer computes. Received steps wait in memory; their number is
limited by their size.
"""

import queue

from client.batches import PackedBatch
from client.contact import Contact
from client.fleet.contacts import Contacts
from client.fleet.operations import batch_of, fetch_batch, key_of, kind_of, step_of
from client.fleet.runner import Runner, Task
from client.fleet.threads import Threads
from client.process_owner import ProcessOwner
from client.protocol.requests import StreamRequest
from sampler.wire.spec import ServiceSpec

STEPS_PER_SERVER = 3
"""One that is sent, one that is made meanwhile, and one because placement by key is uneven: with two, a server of three
has nothing to do for a tenth of the time."""

MOST_STEPS = 24
LEAST_STEPS = 2
"""Also the number until the size of a step is known."""

MEMORY_BYTES = 256 << 20
"""For all steps requested ahead. A step of 48 samples has about 10 MB in the compact layout."""


def steps_ahead(servers: int, largest: int) -> int:
    """Return how many steps are requested ahead.

    Args:
        servers: that may be asked.
        largest: bytes of the largest step so far; 0 if none has arrived.
    """
    if not largest:
        return LEAST_STEPS
    return max(LEAST_STEPS, min(STEPS_PER_SERVER * servers, MOST_STEPS, MEMORY_BYTES // largest))


class Steps:
    """An iterator over the steps of a request. One thread at a time may use it."""

    def __init__(
        self,
        runner: Runner,
        contacts: Contacts[Contact],
        request: StreamRequest,
        spec: ServiceSpec,
        owner: ProcessOwner,
    ) -> None:
        """Call `start` to begin, and `close` when done. runner: only for these steps."""
        self._runner = runner
        self._contacts = contacts
        self._spec = spec
        self._owner = owner
        self._due: StreamRequest | None = None if request.empty else request
        self._ready: queue.SimpleQueue[PackedBatch | None] = queue.SimpleQueue()
        self._arrived: dict[int, Task] = {}  # those that an earlier step is missing before
        self._error: Exception | None = None
        self._next = request.start
        self._begun = self._taken = 0
        self._largest = 0

    def start(self, threads: Threads) -> None:
        """Start to request steps. Raises `ClientError` if no thread can be started."""
        threads.start("run a stream", self._run)

    def next(self) -> PackedBatch | None:
        """Wait for the next step; None after the last one. After that or a `ClientError`, do not call it again."""
        packed = self._ready.get()
        self._runner.require_open()
        if packed is None:
            self._raise_error()
            return None
        self._taken += 1
        self._runner.wake()
        return packed

    def close(self) -> None:
        """Let the requests be cancelled and the threads end; `next` then raises an error.

        Does not wait for them and takes no lock: the garbage collector closes a stream that was dropped, in any thread
        and at any time, even while that thread has a lock that the others need to end.
        """
        self._runner.stop()
        self._error = None

    def _raise_error(self) -> None:
        try:
            if self._error is not None:
                raise self._error
        finally:
            self._error = None  # it refers to this frame: a cycle

    def _run(self) -> None:
        try:
            while self._due is not None or self._runner.busy:
                self._begin()
                for task in self._runner.advance():
                    self._arrived[task.name] = task
                self._deliver()
        except Exception as error:  # noqa: BLE001 - raised where the step is waited for
            if not self._runner.stopped:
                self._error = error
        finally:
            self._ready.put(None)
            self._arrived.clear()
            self._runner.close()

    def _begin(self) -> None:
        """Request as many steps as there is room for."""
        limit = steps_ahead(len(self._contacts.fleet.accepted), self._largest)
        while self._due is not None and self._begun - self._taken < limit:
            request = step_of(self._due)
            operation = fetch_batch(request, self._spec, self._contacts, self._owner)
            self._runner.begin(operation, key_of(request, self._spec), kind_of(request), request.step)
            self._begun += 1
            self._due = self._due.after_next()

    def _deliver(self) -> None:
        """Hand over the steps whose turn it is. Raises the error of a step that failed."""
        while (task := self._arrived.pop(self._next, None)) is not None:
            packed = batch_of(task)
            self._largest = max(self._largest, packed.wire_bytes)
            self._ready.put(packed)
            self._next += 1
