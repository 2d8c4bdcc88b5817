"""The requests of a client of several servers: each goes to one, and to another if it fails or is late."""

import threading
from collections.abc import Generator, Iterable
from weakref import WeakSet

import httpx
import stamina

from client.batches import PackedBatch
from client.contact import Contact, ContactSettings
from client.errors import ClientError
from client.fleet.addresses import ServerAddresses
from client.fleet.contacts import Contacts
from client.fleet.operations import (
    IMAGES,
    READY,
    SPEC,
    SPEC_KEY,
    ask_whether_ready,
    batch_of,
    fetch_batch,
    fetch_images,
    fetch_spec,
    key_of,
    kind_of,
)
from client.fleet.placement import placement_key
from client.fleet.probes import Probes
from client.fleet.runner import Operation, Runner, Task
from client.fleet.statistics import FleetStatistics
from client.fleet.steps import Steps
from client.fleet.threads import Threads
from client.images import ImageInfo
from client.process_owner import ProcessOwner
from client.protocol.images import ImagesRequest
from client.protocol.requests import BatchRequest, StreamRequest
from client.protocol.retries import RETRIED, RetrySettings
from client.protocol.target import Expectation
from client.transport.pace import Pace
from sampler.wire.spec import ServiceSpec

JOIN_SECONDS = 5.0
"""Time for the threads to end when a client is closed. Only the resolution of a name, or a proxy, may take longer."""


class SeveralServers:
    """Fetches batches and documents from several servers. Several threads may share it."""

    def __init__(
        self, addresses: ServerAddresses, settings: ContactSettings[httpx.BaseTransport], retries: RetrySettings
    ) -> None:
        """Raises `InvalidRequestError`: a value is out of range."""
        self._contacts = Contacts(addresses, lambda url, host: Contact(url, settings, host))
        self._retries = retries
        self._owner = ProcessOwner("client")
        self._lock = threading.RLock()  # reentrant, for a signal handler that calls `close`
        self._runners: WeakSet[Runner] = WeakSet()
        self._threads = Threads()
        self._probes = Probes(self._contacts, self._threads)
        self._closed = False

    def close(self) -> None:
        """End all requests and close all connections. Does nothing in a fork."""
        if not self._owner.here:
            return
        with self._lock:
            self._closed = True
            runners = tuple(self._runners)
        for runner in runners:
            runner.stop()
        contacts = self._contacts.end()
        self._probes.cancel()  # no probe begins after the end of the contacts
        for contact in contacts:
            contact.http.close()
        self._threads.join(JOIN_SECONDS)

    def spec(self) -> ServiceSpec:
        """Return the spec of the first contact, with whichever server that was."""
        if self._contacts.spec is not None:
            return self._contacts.spec
        spec: ServiceSpec = self._run(fetch_spec(self._contacts), SPEC_KEY, SPEC, self._retries).take()
        return spec

    def pinned_spec(self, expected: Expectation) -> ServiceSpec:
        """Return the spec of a server with the expected digests. Others are left out from now on."""
        self._contacts.expected = expected
        spec = self.spec()
        expected.require(spec, self._contacts.shown)
        return spec

    def ready(self) -> bool:
        """Return whether any server accepts requests now. Makes one attempt at each."""
        try:
            self._run(ask_whether_ready, SPEC_KEY, READY, self._retries.once()).take()
        except RETRIED:
            return False
        return True

    def packed_batch(self, request: BatchRequest) -> PackedBatch:
        """Return one batch."""
        spec = self.spec()
        operation = fetch_batch(request, spec, self._contacts, self._owner)
        return batch_of(self._run(operation, key_of(request, spec), kind_of(request), self._retries))

    def packed_stream(self, request: StreamRequest) -> Generator[PackedBatch]:
        """Yield the batches of a stream, each requested on its own, several ahead."""
        spec = self.spec()
        steps = Steps(self._runner(self._retries), self._contacts, request, spec, self._owner)
        try:
            steps.start(self._threads)
            while (packed := steps.next()) is not None:
                yield packed
                self._owner.require()
        finally:
            steps.close()

    def images(self, requests: Iterable[ImagesRequest]) -> list[tuple[ImageInfo, ...]]:
        """Return the images of each request."""
        spec = self.spec()
        return [
            self._run(
                fetch_images(request, spec), placement_key(spec.digest, *request.indices), IMAGES, self._retries
            ).take()
            for request in requests
        ]

    def statistics(self) -> FleetStatistics:
        """Return what was counted about the servers so far. Raises `ClientError` in a fork."""
        self._owner.require()
        return self._contacts.statistics()

    def _run(self, operation: Operation, key: bytes, kind: str, retries: RetrySettings) -> Task:
        runner = self._runner(retries)
        self._resolve(retries)
        return runner.run(operation, key, kind)

    def _resolve(self, retries: RetrySettings) -> None:
        """Resolve names, if that was not done. Raises `ServerUnavailableError`."""
        if not self._contacts.resolved:
            caller, pace = retries.caller(stamina.RetryingCaller), Pace(retries.batch_seconds)
            caller(retries.hook(lambda: pace.left), lambda: self._contacts.fleet)

    def _runner(self, retries: RetrySettings) -> Runner:
        """Return a runner that `close` stops. Raises `ClientError` in a fork, and once closed."""
        self._owner.require()
        runner = Runner(self._contacts, retries, self._probes, self._threads)
        with self._lock:
            if self._closed:
                raise ClientError("the client is closed: make a new one")
            self._runners.add(runner)
        return runner
