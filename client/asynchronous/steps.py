"""The steps of a stream from several servers, for asyncio: see `client.fleet.steps`."""

import asyncio
from collections import deque
from dataclasses import replace

from client.asynchronous.operations import fetch_batch
from client.asynchronous.runner import AsyncRunner, Outcome, cancel
from client.batches import PackedBatch
from client.contact import AsyncContact
from client.fleet.contacts import Contacts
from client.fleet.operations import key_of, kind_of, step_of
from client.fleet.steps import steps_ahead
from client.process_owner import ProcessOwner
from client.protocol.requests import StreamRequest
from client.protocol.retries import RetrySettings
from sampler.wire.spec import ServiceSpec


class AsyncSteps:
    """An iterator over the steps of a request: in order, several requested ahead, each by a task."""

    def __init__(
        self,
        runner: AsyncRunner,
        contacts: Contacts[AsyncContact],
        retries: RetrySettings,
        request: StreamRequest,
        spec: ServiceSpec,
        owner: ProcessOwner,
    ) -> None:
        """Call `close` when done."""
        self._runner = runner
        self._contacts = contacts
        self._retries = retries
        self._spec = spec
        self._owner = owner
        self._due: StreamRequest | None = None if request.empty else request
        self._begun: deque[asyncio.Task[Outcome[PackedBatch]]] = deque()
        self._largest = 0

    async def next(self) -> PackedBatch | None:
        """Wait for the next step; None after the last one. After a `ClientError`, there are no more steps."""
        self._runner.require_open()
        self._begin()
        if not self._begun:
            return None
        packed = with_damage(await self._begun[0])
        self._begun.popleft()
        self._largest = max(self._largest, packed.wire_bytes)
        self._begin()
        return packed

    async def close(self) -> None:
        """Cancel all requests."""
        begun, self._begun, self._due = set(self._begun), deque(), None
        await cancel(begun)

    def _begin(self) -> None:
        """Request as many steps as there is room for."""
        limit = steps_ahead(len(self._contacts.fleet.accepted), self._largest)
        while self._due is not None and len(self._begun) < limit:
            request = step_of(self._due)
            operation = fetch_batch(request, self._spec, self._contacts, self._owner)
            work = self._runner.run(operation, key_of(request, self._spec), kind_of(request), self._retries)
            self._begun.append(asyncio.get_running_loop().create_task(work))
            self._due = self._due.after_next()


def with_damage(outcome: Outcome[PackedBatch]) -> PackedBatch:
    """Return a batch with the number of damaged responses before it."""
    return replace(outcome.result, damaged=outcome.damaged) if outcome.damaged else outcome.result
