"""Both clients behind one interface, so that each test runs with both."""

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from client import AsyncSamplerClient, Batch, ImageInfo, PackedBatch, SamplerClient
from client.fleet.statistics import FleetStatistics
from sampler.wire.spec import ServiceSpec


class AnyClient(Protocol):
    """The methods of a client that tests call."""

    @property
    def statistics(self) -> FleetStatistics | None: ...

    def spec(self) -> ServiceSpec: ...

    def ready(self) -> bool: ...

    def batch(self, *arguments: Any, **named: Any) -> Batch: ...

    def packed_batch(self, *arguments: Any, **named: Any) -> PackedBatch: ...

    def stream(self, **named: Any) -> Generator[Batch]: ...

    def images(self, indices: Iterable[int]) -> tuple[ImageInfo, ...]: ...

    def close(self) -> None: ...


class Blocking:
    """`AsyncSamplerClient` with blocking methods."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncSamplerClient(*arguments, **named)

    @property
    def statistics(self) -> FleetStatistics | None:
        return self._client.statistics

    def spec(self) -> ServiceSpec:
        return self._runner.run(self._client.spec())

    def ready(self) -> bool:
        return self._runner.run(self._client.ready())

    def batch(self, *arguments: Any, **named: Any) -> Batch:
        return self._runner.run(self._client.batch(*arguments, **named))

    def packed_batch(self, *arguments: Any, **named: Any) -> PackedBatch:
        return self._runner.run(self._client.packed_batch(*arguments, **named))

    def stream(self, **named: Any) -> Generator[Batch]:
        return self._pulled(self._client.stream(**named))

    def images(self, indices: Iterable[int]) -> tuple[ImageInfo, ...]:
        return self._runner.run(self._client.images(indices))

    def _pulled(self, batches: Any) -> Generator[Batch]:
        async def pull() -> Batch | None:
            got: Batch | None = await anext(batches, None)
            return got

        try:
            while (batch := self._runner.run(pull())) is not None:
                yield batch
        finally:
            self._runner.run(batches.aclose())

    def close(self) -> None:
        self._runner.run(self._client.close())

    def end(self) -> None:
        """Close the event loop too."""
        self._runner.close()


Make = Callable[..., AnyClient]


@contextmanager
def clients(kind: str) -> Iterator[Make]:
    """Yield a function that makes clients of a kind, "sync" or "async", with short waits; close them at the end."""
    made: list[Any] = []

    def make(url: str | Iterable[str] | None, **named: Any) -> Any:
        quick = {"attempts": 3, "max_wait": 0.02} | named
        made.append(SamplerClient(url, **quick) if kind == "sync" else Blocking(url, **quick))
        return made[-1]

    try:
        yield make
    finally:
        for client in made:
            client.close()
            if isinstance(client, Blocking):
                client.end()
