"""Snapshots as server-sent events."""

from pydantic import TypeAdapter

from service.activity.snapshot import Snapshot
from service.explorer.status.display import Display, display
from service.monitoring.monitor import encode

DISPLAYS = TypeAdapter(Display)


def encode_events(snapshot: Snapshot) -> bytes:
    """Return a snapshot as two events: one for programs, and one for the page, which has the same in words."""
    return b"data: %b\n\nevent: page\ndata: %b\n\n" % (encode(snapshot), DISPLAYS.dump_json(display(snapshot)))
