"""A response that is paused in the middle of a batch goes on with the same bytes, made again if need be."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import msgpack
import numpy as np
import pytest
from starlette.types import Message

from sampler.config.presets import preset
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header, PayloadDigest, encode_header, encode_trailer
from sampler.wire.spec import ServiceSpec
from service.activity.streams import StreamFacts
from service.arena import Arena
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.batches.plan import Planner
from service.batches.selection import Batch
from service.bodies import Bodies, BodyLimits
from service.lifespan.state import ServedDataset, Serving
from service.metrics import Metrics
from service.reading import NOTHING, ReadLimits
from service.routes import batch_sender
from service.routes.batch_response import BatchResponse
from service.shutdown import Shutdown
from service.views.views import Views
from service.workers.pool import WorkerPool
from tests.support.manual_pool import ManualPool

PAUSE = 0.05
LONG_PAUSE = 5 * PAUSE
MESSAGE_BYTES = 1000
PIECE_BYTES = 300
SAMPLES = 8
STEPS = 3
PROBLEM = {"type": "image", "status": 500, "detail": "the file has disappeared"}


def batch(step: int) -> Batch:
    keys = tuple(SampleKey(1, 0, step * SAMPLES + place) for place in range(SAMPLES))
    return Batch(Header("d", "compact", True, SAMPLES, step), keys)


class Response:
    """A response and its client, which reads as many pieces as the test allows."""

    def __init__(self, serving: Serving, *, stream: bool) -> None:
        self.received: list[bytes | memoryview] = []
        self.names: list[str] = []
        self.waits: list[Message] = []  # messages that waited until the client had read
        self._may_read = asyncio.Semaphore(0)
        self._unread = 0
        self.scope: dict[str, dict[str, str]] = {}
        steps = range(STEPS if stream else 1)
        facts = StreamFacts("demo", "compact", 1, is_stream=stream)
        response = BatchResponse(serving, [batch(step) for step in steps], {}, facts)
        self.task = asyncio.create_task(response(self.scope, self._receive, self._send))

    @property
    def body(self) -> bytes:
        return b"".join(bytes(piece) for piece in self.received)

    def read(self, pieces: int) -> None:
        for _ in range(pieces):
            self._may_read.release()

    async def _send(self, message: Message) -> None:
        if self._unread:
            self.waits.append(message)
            await self._may_read.acquire()
            self._unread = 0
        self.names += [name.decode() for name, _ in message.get("headers", ())]
        if message.get("body"):
            self.received.append(message["body"])
            self._unread = len(message["body"])

    async def _receive(self) -> Message:
        await asyncio.Event().wait()
        return {}


class Scene:
    """Responses with one pool and one arena."""

    def __init__(self, memory: int = 1 << 26) -> None:
        self.pool = ManualPool(MESSAGE_BYTES)
        planner = Planner(preset("cornernet"), 80, np.arange(STEPS * SAMPLES + 1), self.pool.size)
        pool, shutdown = cast(WorkerPool, self.pool), Shutdown(1.0)
        self.cache = BatchCache(pool, Arena(memory, 8, planner.largest_run), [planner], 0)
        self.admission = Admission(8, 1, shutdown)
        served = ServedDataset(0, "", cast(ServiceSpec, None))
        bodies = Bodies(BodyLimits(1024, 1.0, 1e6, 1.0, 1), self.admission)
        reading = ReadLimits(PAUSE, 1e6)
        self._serving = Serving(
            (served,), pool, self.cache, self.admission, shutdown, Metrics(), 1, reading, bodies, Views(pool, shutdown)
        )

    def respond(self, *, stream: bool = True) -> Response:
        return Response(self._serving, stream=stream)

    def expected(self, steps: int = STEPS) -> bytes:
        """The bytes of the first steps."""
        whole = b""
        for step in range(steps):
            one = batch(step)
            payload = encode_header(one.header) + b"".join(self.pool.message(key.index) for key in one.keys)
            whole += payload + encode_trailer(SAMPLES, PayloadDigest(payload).hexdigest())
        return whole

    async def finish(self, response: Response) -> None:
        """Let a client read the rest."""
        response.read(10_000)
        for _ in range(1000):
            await self.pool.make_all()
            await asyncio.sleep(0)
            if response.task.done():
                return
        pytest.fail("the response does not end")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_sender, "PIECE_BYTES", PIECE_BYTES)
    monkeypatch.setattr(batch_sender, "COPY_BYTES", PIECE_BYTES)


@contextmanager
def checked(scene: Scene) -> Iterator[None]:
    """Check that nothing is left of the responses."""
    yield
    assert scene.admission.in_flight == scene.admission.paused == 0
    assert scene.cache.responses == scene.cache.pinned_bytes == 0
    assert not scene.cache.paused


@pytest.mark.parametrize("pieces", [0, 1, 2, 5, 14, 15, 29, 30, 31, 45])
@pytest.mark.parametrize("pause", [1.5 * PAUSE, 1.2 * LONG_PAUSE], ids=["short", "long"])
def test_a_stream_that_is_paused_anywhere_has_the_same_bytes(pieces: int, pause: float) -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            response = scene.respond()
            response.read(pieces)
            for _ in range(20):
                await scene.pool.make_all()
            made = len(scene.pool.replies)
            await asyncio.sleep(pause)
            assert (scene.admission.in_flight, scene.admission.paused) == (0, 1)
            assert (scene.cache.prefetched_bytes == 0) == (pause > LONG_PAUSE)
            await scene.finish(response)
            assert response.body == scene.expected()
            if pause < LONG_PAUSE:
                assert len(scene.pool.replies) < made + 2 * STEPS * SAMPLES  # what others do not need is not made again
            assert response.scope["state"]["outcome"] == "complete"

    asyncio.run(play())


@pytest.mark.parametrize("stream", [True, False])
def test_every_wait_for_the_client_is_counted_as_one(*, stream: bool) -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            response = scene.respond(stream=stream)
            await scene.finish(response)
            assert len(response.waits) > SAMPLES
            assert all(message is NOTHING for message in response.waits)  # the one whose waits are counted

    asyncio.run(play())


def test_a_batch_that_two_responses_send_is_right_in_both_if_one_is_paused_and_left_behind() -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            slow, fast = scene.respond(), scene.respond()
            slow.read(3)
            fast.read(9)
            for _ in range(10):
                await scene.pool.make_all()
            await asyncio.sleep(1.2 * LONG_PAUSE)
            await scene.finish(fast)
            await scene.finish(slow)
            assert slow.body == fast.body == scene.expected()

    asyncio.run(play())


def test_a_single_batch_of_known_length_has_it_after_a_pause_too() -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            first, late = scene.respond(stream=False), scene.respond(stream=False)
            first.read(10_000)
            late.read(2)
            for _ in range(30):
                await scene.pool.make_all()
            await asyncio.sleep(2 * PAUSE)
            await scene.finish(late)
            await scene.finish(first)
            assert first.body == late.body == scene.expected(1)

    asyncio.run(play())


async def fail_when_made_again(scene: Scene, response: Response) -> None:
    """Pause a response for long, then fail to make its current run again."""
    for _ in range(10):
        await scene.pool.make_all()
    made = len(scene.pool.replies)
    await asyncio.sleep(1.2 * LONG_PAUSE)
    response.read(10_000)
    while len(scene.pool.replies) == made:
        await asyncio.sleep(0.01)
    await scene.pool.make(made, PROBLEM)
    await asyncio.wait([response.task], timeout=5)


def test_a_sample_that_fails_when_it_is_made_again_ends_the_response_with_the_error() -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            response = scene.respond()
            response.read(0)
            await fail_when_made_again(scene, response)  # only the header was sent
            assert response.scope["state"]["outcome"] == "failed"
            unpacker = msgpack.Unpacker()
            unpacker.feed(response.body)
            assert [message["type"] for message in unpacker] == ["header", "error"]

    asyncio.run(play())


def test_a_sample_that_fails_in_the_middle_of_its_message_cuts_the_response() -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            response = scene.respond()
            response.read(2)
            await fail_when_made_again(scene, response)
            assert response.scope["state"]["outcome"] == "failed"
            sent = len(encode_header(batch(0).header)) + 2 * PIECE_BYTES
            assert response.body == scene.expected()[:sent]

    asyncio.run(play())


def test_pieces_for_clients_that_do_not_read_are_copied_once_they_hold_enough_of_the_arena() -> None:
    async def play() -> None:
        scene = Scene()
        with checked(scene):
            response = scene.respond()
            response.read(2)
            for _ in range(10):
                await scene.pool.make_all()
            assert isinstance(response.received[-1], memoryview)
            await asyncio.sleep(2 * PAUSE)
            assert scene.cache.pinned_bytes > 0
            scene.cache.pinned_bytes += scene.cache.arena.shared // 4
            other = scene.respond()
            other.read(2)
            for _ in range(10):
                await scene.pool.make_all()
            assert isinstance(other.received[-1], bytes)
            scene.cache.pinned_bytes -= scene.cache.arena.shared // 4
            await scene.finish(response)
            await scene.finish(other)
            assert response.body == other.body == scene.expected()

    asyncio.run(play())


def test_a_response_that_finds_no_memory_for_its_next_run_is_counted() -> None:
    async def play() -> None:
        scene = Scene()
        scene.cache.arena.shared = 0  # a share of nothing: one run at a time
        with checked(scene):
            response = scene.respond(stream=False)
            await scene.finish(response)
            assert scene.cache.shortages > 0
            assert response.body == scene.expected(1)

    asyncio.run(play())
