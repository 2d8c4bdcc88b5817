"""Both clients behind one face, so that every statement about the client is tested of both."""

import asyncio
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from client import AsyncSamplerClient, Batch, SamplerClient
from sampler.wire.spec import ServiceSpec


class AnyClient(Protocol):
    """What tests use of a client."""

    def spec(self) -> ServiceSpec: ...

    def ready(self) -> bool: ...

    def batch(self, *arguments: Any, **named: Any) -> Batch: ...

    def stream(self, **named: Any) -> Generator[Batch]: ...

    def close(self) -> None: ...


class Blocking:
    """`AsyncSamplerClient`, waited for."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncSamplerClient(*arguments, **named)

    def spec(self) -> ServiceSpec:
        return self._runner.run(self._client.spec())

    def ready(self) -> bool:
        return self._runner.run(self._client.ready())

    def batch(self, *arguments: Any, **named: Any) -> Batch:
        return self._runner.run(self._client.batch(*arguments, **named))

    def stream(self, **named: Any) -> Generator[Batch]:
        return self._pulled(self._client.stream(**named))

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
    """A function that makes quick clients of a kind, "sync" or "async"; they are closed at the end of the block."""
    made: list[Any] = []

    def make(url: str, **named: Any) -> Any:
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
