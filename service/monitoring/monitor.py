"""The monitor: takes a reading once a second, logs streams, and sends a snapshot to everyone who watches."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from pydantic import TypeAdapter

from service.activity.snapshot import Snapshot
from service.activity.stream_log import StreamLog
from service.lifespan.state import Serving
from service.monitoring.observe import observe

log = logging.getLogger("saccade_sampler")

INTERVAL = 1.0

SNAPSHOTS = TypeAdapter(Snapshot)

Encode = Callable[[Snapshot], bytes]
"""Returns a snapshot as those who watch receive it."""


def encode(snapshot: Snapshot) -> bytes:
    """Return a snapshot as JSON."""
    return SNAPSHOTS.dump_json(snapshot)


@asynccontextmanager
async def monitored(serving: Serving, encode_events: Encode) -> AsyncIterator[None]:
    """Monitor a server for the length of the block, and send everyone who watches what `encode_events` returns."""
    task = asyncio.create_task(_monitor(serving, encode_events))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        serving.activity.watchers.close()


async def _monitor(serving: Serving, encode_events: Encode) -> None:
    stream_log = StreamLog()
    while True:
        try:
            tick(serving, stream_log, encode_events)
        except Exception:
            log.exception("the status of the server cannot be read")  # serving goes on
        await asyncio.sleep(INTERVAL)


def tick(serving: Serving, stream_log: StreamLog, encode_events: Encode) -> None:
    """Do what is done once a second."""
    activity = serving.activity
    activity.read(serving.pool, serving.admission, serving.cache, serving.rendering)
    stream_log.update(activity.streams)
    if activity.watchers:
        activity.watchers.send(encode_events(observe(serving)))
    if serving.shutdown.begun:
        activity.watchers.close()
