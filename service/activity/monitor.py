"""The monitor: takes a reading once a second, logs streams, and sends a snapshot to everyone who watches."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from pydantic import TypeAdapter

from service.activity.observe import observe
from service.activity.snapshot import Snapshot
from service.activity.stream_log import StreamLog
from service.explorer.status.display import Display, display
from service.lifespan.state import Serving

log = logging.getLogger("saccade_sampler")

INTERVAL = 1.0

SNAPSHOTS = TypeAdapter(Snapshot)
DISPLAYS = TypeAdapter(Display)


def encode(snapshot: Snapshot) -> bytes:
    """Return a snapshot as JSON."""
    return SNAPSHOTS.dump_json(snapshot)


def encode_events(snapshot: Snapshot) -> bytes:
    """Return a snapshot as server-sent events: one for programs, and one for the page, which has the same in words."""
    return b"data: %b\n\nevent: page\ndata: %b\n\n" % (encode(snapshot), DISPLAYS.dump_json(display(snapshot)))


@asynccontextmanager
async def monitored(serving: Serving) -> AsyncIterator[None]:
    """Monitor a server for the length of the block."""
    task = asyncio.create_task(_monitor(serving))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        serving.activity.watchers.close()


async def _monitor(serving: Serving) -> None:
    stream_log = StreamLog()
    while True:
        try:
            tick(serving, stream_log)
        except Exception:
            log.exception("the status of the server cannot be read")  # serving goes on
        await asyncio.sleep(INTERVAL)


def tick(serving: Serving, stream_log: StreamLog) -> None:
    """Do what is done once a second."""
    activity = serving.activity
    activity.read(serving.pool)
    stream_log.update(activity.streams)
    if activity.watchers:
        activity.watchers.send(encode_events(observe(serving)))
    if serving.shutdown.begun:
        activity.watchers.close()
