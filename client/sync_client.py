"""The client for training loops."""

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from itertools import chain
from types import TracebackType
from typing import Any, Self, Unpack, cast, overload

import httpx

from client.access import access_to
from client.batches import Batch, PackedBatch
from client.contact import ContactSettings
from client.credentials import Token, as_token
from client.errors import checked_arguments
from client.fleet.addresses import ServerAddresses
from client.fleet.several_servers import SeveralServers
from client.fleet.statistics import FleetStatistics
from client.images import ImageInfo
from client.one_server import OneServer
from client.pickling import PickledAsArguments
from client.protocol.images import images_requests
from client.protocol.requests import (
    BatchRequest,
    IndexOptions,
    StepOptions,
    StepRequest,
    StreamRequest,
    batch_request,
    packed_request,
    require_layout,
    stream_request,
)
from client.protocol.retries import ATTEMPTS, BATCH_SECONDS, MAX_WAIT, RetrySettings
from client.protocol.target import NO_REMEDIES, Expectation, Pins
from client.transport.timeouts import TIMEOUT, timeouts
from client.transport.tls import ClientTls
from sampler.arrays import Layout
from sampler.wire.spec import ServiceSpec


class SamplerClient(PickledAsArguments):
    """Fetches batches from a sampling server, or from several that are used as one.

        with SamplerClient("http://cpu-host:8000") as client:
            batch = client.batch(indices=[3, 17, 5], seed=7)
            batch = client.batch(seed=7, step=12, batch_size=48)
            for batch in client.stream(seed=7, start=0, batch_size=48, rank=0, world_size=4): ...

    The first contact pins the digests of the dataset. Everything that comes later has the same annotations, config and
    sampler version and, if the server has hashes of the image files, the same images, or `DigestMismatchError` is
    raised. Every error is a `ClientError`.

    Several threads may share a client; a stream belongs to one thread at a time. A client and its streams belong to
    the process that used the client first: in a fork, they raise `ClientError`.

    A client pickles and copies as its settings: the copy opens its own connections and pins the digests at its own
    first contact. A stream cannot be pickled.
    """

    def __init__(
        self,
        base_url: str | Iterable[str] | None = None,
        *,
        dataset: str | None = None,
        digest: str | None = None,
        layout: Layout = "compact",
        timeout: float | httpx.Timeout = TIMEOUT,
        attempts: int = ATTEMPTS,
        max_wait: float = MAX_WAIT,
        batch_seconds: float | None = BATCH_SECONDS,
        token: str | Token | None = None,
        ca: str | os.PathLike[str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Make a client. It connects when it is first used.

        Args:
            base_url: of the server, with a path if a proxy serves it under one; or several, which are used as one
                server. A URL that begins with dns+http:// or dns+https:// stands for every address of its name. None
                for the environment variable SAMPLER_URL, which has URLs separated by blanks or commas.
            dataset: name of one of the server's datasets, such as "val"; None for the first.
            digest: that the dataset must have, as `spec().digest` has it; None for that of the first contact.
            layout: how batches travel: "compact", "sparse" or "dense". The arrays are the same to the last bit.
            timeout: seconds to connect, between two pieces of a response, and to send; or `httpx.Timeout`.
            attempts: how often an operation is tried in all.
            max_wait: the longest wait between two attempts, in seconds.
            batch_seconds: for one batch, or another operation, over all attempts; None for no limit. The time between
                two batches of a stream does not count.
            token: of the server; None for that of the environment variable SAMPLER_TOKEN or of the file that
                SAMPLER_TOKEN_FILE names, if one is set.
            ca: PEM file of the CA that signed the server's certificate, for a private CA; None for the system's CAs.
            transport: replaces the default transport, which receives arrays directly into the memory of the batch
                (or httpx's transport, if a proxy applies to the URL).

        Raises:
            RequestRefusedError: a value is out of range.
        """
        with checked_arguments():
            given = as_token(token)
            addresses = ServerAddresses.parse(base_url, use_proxies=transport is None)
            access = access_to(((base.url, base.proxy) for base in addresses.bases), given, ca)
            settings = ContactSettings(
                layout=require_layout(layout), dataset=dataset, digest=digest, timeout=timeouts(timeout),
                access=access, tls=ClientTls(access.ca), transport=transport,
            )  # fmt: skip
            retries = RetrySettings(attempts, max_wait, batch_seconds)
            self._servers: OneServer | SeveralServers
            if addresses.single is not None:
                self._servers = OneServer(addresses.single.url, settings, retries)
            else:
                self._servers = SeveralServers(addresses, settings, retries)
        self._layout = settings.layout
        self._arguments = {
            "base_url": addresses.argument, "dataset": dataset, "digest": digest, "layout": layout, "timeout": timeout,
            "attempts": attempts, "max_wait": max_wait, "batch_seconds": batch_seconds, "token": given, "ca": ca,
            "transport": transport,
        }  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. An open stream raises an error at its next batch. Does nothing in a fork."""
        self._servers.close()

    def spec(self) -> ServiceSpec:
        """Return dataset, config, digest and limits of the server as of the first contact."""
        return self._servers.spec()

    def pinned_spec(self, pins: Pins, origin: str, remedies: Mapping[str, str] = NO_REMEDIES) -> ServiceSpec:
        """Return the spec of a dataset with given digests. Of several servers, those with others are left out.

        Args:
            pins: the digests.
            origin: where they come from, for messages.
            remedies: what to do, by field, for messages.

        Raises:
            DigestMismatchError: no server has them.
        """
        return self._servers.pinned_spec(Expectation(pins, origin, remedies))

    def ready(self) -> bool:
        """Return whether the server accepts requests now. Makes one attempt.

        False stands for what can pass with time, such as a server that cannot be reached. Other errors are raised.
        """
        return self._servers.ready()

    @property
    def statistics(self) -> FleetStatistics | None:
        """What was counted about several servers; None for one."""
        return self._servers.statistics() if isinstance(self._servers, SeveralServers) else None

    @overload
    def batch(
        self, indices: Iterable[int], *, layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> Batch: ...

    @overload
    def batch(self, *, layout: Layout | None = None, **options: Unpack[StepOptions]) -> Batch[int]: ...

    def batch(
        self,
        indices: Iterable[int] | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        step: int | None = None,
        batch_size: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> Batch:
        """Return one batch: by index (`indices`), or by seed (`step` and `batch_size`).

        Args:
            indices: 1 or more dataset indices, 0 … N−1.
            seed: 0 … 2⁶⁴−1.
            epoch: 0 … 2⁶³−1, of a batch by index.
            step: 0 … 2⁶².
            batch_size: B, of all ranks together.
            rank: 0 … world_size−1. A rank takes the places ⌊rank·B/world_size⌋ … ⌊(rank+1)·B/world_size⌋−1 of a step.
            world_size: 1 … B.
            augment: False for the fixed recipe, without random decisions.
            layout: replaces the client's layout.

        Raises:
            ClientError: see `client.errors`.
        """
        with checked_arguments():
            request = batch_request(
                indices, seed=seed, epoch=epoch, step=step, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._layout,
            )  # fmt: skip
        return self._servers.packed_batch(request).render()

    def stream(
        self,
        *,
        seed: int,
        start: int = 0,
        stop: int | None = None,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        augment: bool = True,
        layout: Layout | None = None,
    ) -> Generator[Batch[int]]:
        """Return an iterator over a rank's batches of the steps start … stop−1.

        If the connection breaks, the iterator resumes at the next step. Leaving the loop or closing the iterator
        releases the connection.

        Args:
            seed: 0 … 2⁶⁴−1.
            start: the first step, 0 … 2⁶².
            stop: the step to stop before; None for an endless stream.
            batch_size: B, of all ranks together.
            rank: see `batch`.
            world_size: 1 … B.
            augment: False for the fixed recipe, without random decisions.
            layout: replaces the client's layout.

        Raises:
            ClientError: see `client.errors`. After an error, the iterator has ended.
        """
        with checked_arguments():
            request = stream_request(
                seed=seed, start=start, stop=stop, batch_size=batch_size, rank=rank, world_size=world_size,
                augment=augment, layout=layout or self._layout,
            )  # fmt: skip
        return self._rendered(request)

    def images(self, indices: Iterable[int]) -> tuple[ImageInfo, ...]:
        """Return images with their annotations, as the annotation file has them, in the order of `indices`.

        Args:
            indices: dataset indices, 0 … N−1, any number of them. The indices of a batch are those of its keys.

        Raises:
            ClientError: see `client.errors`.
        """
        with checked_arguments():
            requests = images_requests(indices, self.spec())
        return tuple(chain.from_iterable(self._servers.images(requests)))

    @overload
    def packed_batch(self, request: StepRequest) -> PackedBatch[int]: ...

    @overload
    def packed_batch(self, request: BatchRequest) -> PackedBatch: ...

    @overload
    def packed_batch(
        self, *, indices: Iterable[int], layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> PackedBatch: ...

    @overload
    def packed_batch(
        self, indices: Iterable[int], /, *, layout: Layout | None = None, **options: Unpack[IndexOptions]
    ) -> PackedBatch: ...

    @overload
    def packed_batch(self, *, layout: Layout | None = None, **options: Unpack[StepOptions]) -> PackedBatch[int]: ...

    def packed_batch(
        self, request: BatchRequest | Iterable[int] | None = None, *, layout: Layout | None = None, **options: Any
    ) -> PackedBatch:
        """Return one batch, received and checked but not rendered.

        Args:
            request: the batch as a value; or none, and the arguments of `batch` instead.
            layout: see `batch`.
            options: see `batch`.
        """
        with checked_arguments():
            made = packed_request(request, layout, self._layout, **options)
        return self._servers.packed_batch(made)

    def packed_stream(self, request: StreamRequest) -> Generator[PackedBatch[int]]:
        """Return an iterator over batches that are received and checked but not rendered."""
        return cast("Generator[PackedBatch[int]]", self._servers.packed_stream(request))

    def _rendered(self, request: StreamRequest) -> Generator[Batch[int]]:
        with closing(self.packed_stream(request)) as batches:
            for packed in batches:
                yield packed.render()
