"""A snapshot of the server: the document at /status.json, which the page shows."""

from dataclasses import dataclass, field
from typing import Literal

from service.activity.readings import Rates
from service.activity.recent_errors import RecentError
from service.activity.streams import StreamFacts, Wait

State = Literal["starting", "serving", "no-worker", "shutting-down"]
"""No worker: all of them have ended, and are being replaced."""

Level = Literal["good", "notice", "problem"]
"""Nothing to do; something limits throughput; something is broken."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What limits the server now, in one sentence, and what to do about it."""

    kind: str
    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class DatasetState:
    """A dataset that is served."""

    title: str
    name: str | None
    config: str
    digest: str
    images: int
    decoded: bool = False  # its images come from a decoded store
    remote: bool = False  # its images are in object storage


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that make samples."""

    size: int
    alive: int
    queued: int = 0  # samples that wait for a worker
    restarts: dict[str, int] = field(default_factory=dict)  # since the start, by cause
    restarted: int = 0  # in the last minute


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests for samples."""

    in_flight: int = 0
    most: int = 0
    waiting: int = 0  # for one of `most` places
    paused: int = 0  # responses whose clients do not read
    pauses: int = 0  # since the start
    ready: bool = True  # whether /readyz says so


@dataclass(frozen=True, slots=True)
class Caches:
    """What was found in caches since the start, and their sizes in bytes.

    Attributes:
        batches: Requested batches by how they were found: made (hit), being made (join), neither (miss).
        batch_bytes: Bytes of the batch cache in use.
        image_hits: Images found in the image cache.
        image_misses: Images not found there.
        image_bytes: Size of the image cache; 0 if there is none.
        decoded_whole: Images that were decoded whole.
        decoded_parts: Images of which only the needed part was decoded.
    """

    batches: dict[str, int] = field(default_factory=dict)
    batch_bytes: int = 0
    image_hits: int = 0
    image_misses: int = 0
    image_bytes: int = 0
    decoded_whole: int = 0
    decoded_parts: int = 0


@dataclass(frozen=True, slots=True)
class Views:
    """What pages request of workers, such as pictures and thumbnails, and the pages themselves."""

    waiting: int = 0  # being made, or waiting for a worker
    hits: int = 0  # in the cache, since the start
    misses: int = 0
    cached_bytes: int = 0
    pages_waiting: int = 0  # rendered by the sending process, or waiting for that


@dataclass(frozen=True, slots=True)
class Memory:
    """The arena, in bytes."""

    capacity: int = 0
    in_use: int = 0
    prefetched: int = 0  # held by responses
    pinned: int = 0  # on sockets of paused responses


@dataclass(frozen=True, slots=True)
class StreamState:
    """A batch response under way. Rates and shares are those of the last seconds."""

    facts: StreamFacts
    client: str
    request_id: str
    step: int | None
    samples: int
    sent_bytes: int
    seconds: float
    samples_per_second: float
    bytes_per_second: float
    waiting_for_workers: float
    waiting_for_clients: float
    waiting_for: Wait | None
    idle: float  # seconds since anything was sent
    pauses: int


NOT_JUDGED = Verdict("starting", "notice", "The server is starting.")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The server at one moment. Rates are those of the last ten seconds."""

    time: float  # seconds since the epoch
    uptime: float
    version: str
    state: State
    workers: Workers
    verdict: Verdict = NOT_JUDGED
    rates: Rates = field(default_factory=Rates)
    history: list[tuple[float, float]] = field(default_factory=list)  # samples and bytes of each of the last seconds
    requests: Requests = field(default_factory=Requests)
    caches: Caches = field(default_factory=Caches)
    memory: Memory = field(default_factory=Memory)
    views: Views = field(default_factory=Views)
    datasets: list[DatasetState] = field(default_factory=list)
    streams: list[StreamState] = field(default_factory=list)  # the first of them
    stream_count: int = 0
    errors: list[RecentError] = field(default_factory=list)
