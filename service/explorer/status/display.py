"""A snapshot in words: what the page shows, first in its HTML and then once a second by its script."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from service.activity.recent_errors import RecentError
from service.activity.snapshot import Level, Snapshot, StreamState
from service.words import percent, rate

CHART_WIDTH = 600
CHART_HEIGHT = 64
HISTORY = 60
"""Seconds that a chart shows."""

LEVELS: dict[Level, str] = {"good": "good", "notice": "warn", "problem": "bad"}
"""The style of a verdict, by its level."""

WAITS = {"workers": "workers", "client": "the client", "place": "a place", None: "–"}

KINDS = {
    "sample": "sample failed", "image": "image failed", "storage": "storage", "worker": "worker", "view": "page",
    "damaged": "damaged image", "store-damaged": "damaged store",
}  # fmt: skip
"""Kinds of errors in words."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a bar. Places and widths are percent."""

    name: str
    start: float
    width: float
    share: str


@dataclass(frozen=True, slots=True)
class Display:
    """What the page shows.

    Attributes:
        kind: Of the verdict; a change of it is read out.
        level: Style of the verdict.
        values: Texts by name.
        lines: Paths of the charts, in SVG's language, by name.
        bars: The parts of each bar.
        streams: Rows of the table of streams.
        errors: Rows of the table of errors, without their styles.
        taken: When the snapshot was taken, in seconds since the epoch.
    """

    kind: str
    level: str
    values: dict[str, str]
    lines: dict[str, str]
    bars: dict[str, list[Part]]
    streams: list[list[str]]
    errors: list[list[str]]
    taken: float


def display(now: Snapshot) -> Display:
    """Return what the page shows of a snapshot."""
    return Display(
        kind=now.verdict.kind,
        level=LEVELS[now.verdict.level],
        values=_texts(now),
        lines=_lines(now.history),
        bars=_bars(now),
        streams=[_stream(stream) for stream in now.streams],
        errors=[_error(error, now.time) for error in now.errors],
        taken=now.time,
    )


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(count: float) -> str:
    """Return a number of bytes in decimal units."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            number = count / factor
            return f"{number:.1f} {unit}" if number < 100 else f"{number:.0f} {unit}"
    return f"{count:.0f} B"


def _texts(now: Snapshot) -> dict[str, str]:
    shares, requests, workers, memory, views = now.rates, now.requests, now.workers, now.memory, now.views
    return {
        "verdict": now.verdict.text,
        "advice": _plain(now.verdict.advice),
        "uptime": duration(now.uptime),
        "samples": rate(shares.samples_per_second),
        "megabytes": rate(shares.bytes_per_second / 1e6),
        "requests": f"{requests.in_flight:,} of {requests.most:,}",
        "waiting": f"{requests.waiting:,}",
        "paused": f"{requests.paused:,} now, {requests.pauses:,} pauses in all",
        "workers": f"{workers.alive:,} of {workers.size:,} ready",
        "busy": percent(shares.workers_busy),
        "queued": f"{workers.queued:,} samples",
        "restarts": _restarts(workers.restarts),
        "sender": f"{percent(shares.sender_cpu)} of a CPU",
        "pages": f"{views.pages_waiting:,} waiting, {percent(shares.rendering)} of a CPU",
        "views": f"{views.waiting:,} waiting, workers {percent(shares.views)} of the time",
        "arena": f"{size(memory.in_use)} of {size(memory.capacity)}",
        "prefetched": size(memory.prefetched),
        "pinned": size(memory.pinned),
        **_cache_texts(now),
        "stream_count": _stream_count(now),
        "no_streams": "" if now.streams else "No client receives batches now.",
        "no_errors": "" if now.errors else "None since the server started.",
    }


def _cache_texts(now: Snapshot) -> dict[str, str]:
    caches, views = now.caches, now.views
    shared = caches.batches.get("hit", 0) + caches.batches.get("join", 0)
    batches = _hits(shared, caches.batches.get("miss", 0), "requested")
    images = _hits(caches.image_hits, caches.image_misses, "looked up")
    return {
        "batch_cache": f"{batches}, {size(caches.batch_bytes)}",
        "image_cache": f"{images}, {size(caches.image_bytes)}" if caches.image_bytes else "off",
        "view_cache": f"{_hits(views.hits, views.misses, 'requested')}, {size(views.cached_bytes)}",
        "decoded": f"{caches.decoded_whole:,} whole, {caches.decoded_parts:,} in part",
    }


def _hits(hits: int, misses: int, what: str) -> str:
    return f"{percent(hits / (hits + misses))} of {hits + misses:,} found" if hits + misses else f"none {what} yet"


def _restarts(causes: dict[str, int]) -> str:
    found = [f"{count:,} {cause}" for cause, count in causes.items() if count]
    return ", ".join(found) if found else "none"


def _stream_count(now: Snapshot) -> str:
    shown = len(now.streams)
    return f"the first {shown} of {now.stream_count:,}" if shown < now.stream_count else f"{now.stream_count:,}"


def _lines(history: Sequence[tuple[float, float]]) -> dict[str, str]:
    return {"samples": path([one[0] for one in history]), "megabytes": path([one[1] for one in history])}


def path(values: Sequence[float]) -> str:
    """Return a line of the last minute as an SVG path, the latest value at the right end; "" of fewer than two."""
    if len(values) < 2:
        return ""
    top = max(values) or 1.0
    step = CHART_WIDTH / (HISTORY - 1)
    first = CHART_WIDTH - step * (len(values) - 1)
    points = [
        f"{first + step * place:.1f},{CHART_HEIGHT - 2 - (CHART_HEIGHT - 4) * value / top:.1f}"
        for place, value in enumerate(values)
    ]
    return "M" + " L".join(points)


def _bars(now: Snapshot) -> dict[str, list[Part]]:
    shares = now.rates
    any_sent = bool(now.stream_count or shares.bytes_per_second)
    busy = shares.workers_busy
    computing, delayed = busy * shares.computing, busy * shares.delayed
    return {
        "batches": _parts(
            ("wait for workers", shares.waiting_for_workers), ("wait for clients to read", shares.waiting_for_clients),
            ("wait for a place", shares.waiting_for_places), rest="are being sent", any_time=any_sent,
        ),
        "workers": _parts(
            ("compute", computing), ("wait for images", max(0.0, busy - computing - delayed)),
            ("wait for a CPU", delayed), rest="have nothing to do",
        ),
    }  # fmt: skip


def _parts(*named: tuple[str, float], rest: str, any_time: bool = True) -> list[Part]:
    """Return the parts of a bar. What is left of it is `rest`, if there is any time to show."""
    left = max(0.0, 1.0 - sum(share for _, share in named)) if any_time else 0.0
    parts, start = [], 0.0
    for name, share in (*named, (rest, left)):
        width = round(min(100 * share, 100 - start), 2)
        parts.append(Part(name, round(start, 2), width, percent(share)))
        start += width
    return parts


def _stream(stream: StreamState) -> list[str]:
    facts = stream.facts
    return [
        stream.client or "–",
        f"{facts.dataset}, {facts.layout}",
        str(facts.seed),
        f"{facts.rank} of {facts.world_size}",
        "–" if stream.step is None else f"{stream.step:,}",
        rate(stream.samples_per_second),
        rate(stream.bytes_per_second / 1e6),
        duration(stream.idle),
        WAITS[stream.waiting_for],
        percent(stream.waiting_for_workers),
        percent(stream.waiting_for_clients),
    ]


STREAM_COLUMNS = (
    ("Client", False), ("Batches", False), ("Seed", True), ("Rank", True), ("Step", True), ("Samples/s", True),
    ("MB/s", True), ("Idle", True), ("Waits for", False), ("Waited for workers", True), ("For client", True),
)  # fmt: skip
"""Names of the columns, and whether they have numbers."""


def _error(error: RecentError, now: float) -> list[str]:
    ago = f"{duration(max(0.0, now - error.last))} ago"
    return [
        ago,
        f"{error.times:,} ×" if error.times else "on pages",
        KINDS[error.kind],
        error.file or "–",
        error.text,
        _plain(error.advice),
    ]


def _plain(text: str) -> str:
    """Return a text without the marks of commands, which only Markdown shows as such."""
    return text.replace("`", "")


ERROR_COLUMNS = (
    ("Last", False), ("Times", True), ("Kind", False), ("File", False), ("What", False), ("What to do", False),
)  # fmt: skip


def clock_time(seconds: float) -> str:
    """Return a time of day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")
