"""The steps of a stream from several servers: in order, several requested ahead.

Each step is requested separately: any server can answer the request, and any cache can keep the response. A thread
looks after the requests, so that they go on while the trainer computes. Received steps wait in memory; their number is
limited by their size.
"""

import queue
import threading

from client.batches import PackedBatch
from client.contact import Contact
from client.errors import ClientError
from client.fleet.contacts import Contacts
from client.fleet.operations import batch_of, fetch_batch, key_of, kind_of, step_of
from client.fleet.runner import Runner, Task
from client.process_owner import ProcessOwner
from client.protocol.requests import StreamRequest
from client.protocol.retries import RetrySettings
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
        contacts: Contacts[Contact],
        retries: RetrySettings,
        request: StreamRequest,
        spec: ServiceSpec,
        owner: ProcessOwner,
    ) -> None:
        """Prepare the thread. Call `close` when done."""
        self._contacts = contacts
        self._spec = spec
        self._owner = owner
        self._runner = Runner(contacts, retries)
        self._due: StreamRequest | None = None if request.empty else request
        self._ready: queue.SimpleQueue[Task | Exception | None] = queue.SimpleQueue()
        self._arrived: dict[int, Task] = {}  # those that an earlier step is missing before
        self._next = request.start
        self._begun = self._taken = 0
        self._largest = 0
        self._thread = threading.Thread(target=self._run, daemon=True, name="steps")

    def start(self) -> None:
        """Start to request steps. Raises `ClientError` if no thread is to be had."""
        try:
            self._thread.start()
        except RuntimeError as error:
            raise ClientError(f"no thread for a stream: {error}: expected fewer threads in this container") from error

    def next(self) -> PackedBatch | None:
        """Wait for the next step; None after the last one. After a `ClientError`, there are no more steps."""
        ready = self._ready.get()
        if not isinstance(ready, Task):
            self._ready.put(ready)
            if ready is None:
                return None
            raise ready
        packed = batch_of(ready)
        self._taken += 1
        self._runner.wake()
        return packed

    def close(self) -> None:
        """Cancel all requests and end the threads; `next` then raises an error. May be called again, in any thread."""
        self._runner.stop()
        if self._thread.is_alive() and self._thread is not threading.current_thread():  # by the garbage collector
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._due is not None or self._runner.busy:
                self._begin()
                for task in self._runner.advance():
                    self._arrived[task.name] = task
                self._deliver()
            self._ready.put(None)
        except Exception as error:  # noqa: BLE001 - raised where the step is waited for
            self._ready.put(error)
        finally:
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
            self._largest = max(self._largest, batch_of(task).wire_bytes)
            self._ready.put(task)
            self._next += 1
