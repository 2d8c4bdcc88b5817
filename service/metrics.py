"""All metrics for Prometheus: names, help texts, labels, and where each value comes from.

Requests, responses and connections are counted in `Metrics` as they happen. The state of workers, memory and caches is
read from the objects that hold it whenever the metrics are requested. No label has a value that a client chooses.
"""

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import prometheus_client.core as families
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.registry import Collector

from sampler.arrays import LAYOUTS
from sampler.dataset.images.image_cache import ImageCache
from sampler.dataset.images.notes import NOTE_KINDS
from sampler.version import VERSION
from sampler.wire.spec import ServiceSpec
from service.activity.activity import Activity
from service.activity.streams import Totals
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.counting import Counter, Histogram, Times
from service.views.rendering import PageRendering
from service.views.views import Views
from service.workers.notices import ImageNotices
from service.workers.pool import WorkerPool

Labels = tuple[str, ...]
Name = TypeVar("Name", bound=str)
Outcome = Literal["complete", "failed", "abandoned", "stalled", "cut"]
"""How a response ended: "abandoned" means that its client disconnected, "cut" that the server shut down."""

REFUSALS = ("token", "host", "origin", "header")
CONNECTION_LIMITS = ("head", "url", "malformed", "late-head", "idle", "evicted", "full")

FAILURES = ("image", "storage", "worker", "internal")
"""Types of problems for which samples fail. Others are shown once they occur."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bounds for requests and for waiting for samples."""

CLIENT_SECONDS = (0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0)
"""Bounds for waiting for clients: a trainer validates for minutes."""


class Metrics:
    """What a server counts as it happens. All of it belongs to one event loop.

    Attributes:
        requests_started: By route.
        open_requests: By route.
        requests: By route and status.
        request_seconds: By route.
        sent_bytes: By route.
        refused: By reason.
        responses: By dataset and outcome.
        batches: By dataset and layout.
        samples: By dataset and layout.
        sample_bytes: By dataset and layout.
        failed_samples: By dataset and problem type.
        run_wait_seconds: By dataset.
        client_wait_seconds: By dataset.
        connections_closed: By limit.
        open_connections: Returns their number; None if the server does not know them.
    """

    def __init__(self) -> None:
        self.requests_started: Counter[Labels] = Counter()
        self.open_requests: Counter[Labels] = Counter()
        self.requests: Counter[Labels] = Counter()
        self.request_seconds: Histogram[Labels] = Histogram(SECONDS)
        self.sent_bytes: Counter[Labels] = Counter()
        self.refused: Counter[Labels] = Counter(*((reason,) for reason in REFUSALS))
        self.responses: Counter[Labels] = Counter()
        self.batches: Counter[Labels] = Counter()
        self.samples: Counter[Labels] = Counter()
        self.sample_bytes: Counter[Labels] = Counter()
        self.failed_samples: Counter[Labels] = Counter()
        self.run_wait_seconds: Histogram[Labels] = Histogram(SECONDS)
        self.client_wait_seconds: Histogram[Labels] = Histogram(CLIENT_SECONDS)
        self.connections_closed: Counter[Labels] = Counter(*((limit,) for limit in CONNECTION_LIMITS))
        self.open_connections: Callable[[], int] | None = None

    def show_zeros(self, dataset: str) -> None:
        """Show the counts of a dataset from the beginning: a rate can only be computed from a value before."""
        for outcome in get_args(Outcome):
            self.responses.add((dataset, outcome), 0)
        for layout in LAYOUTS:
            for counter in (self.batches, self.samples, self.sample_bytes):
                counter.add((dataset, layout), 0)
        for problem in FAILURES:
            self.failed_samples.add((dataset, problem), 0)
        for histogram in (self.run_wait_seconds, self.client_wait_seconds):
            histogram.of((dataset,))

    def show_no_errors(self, routes: Iterable[str]) -> None:
        """Show from the beginning that requests to these routes have not failed, so that the first error is noticed."""
        for route in routes:
            self.requests.add((route, "500"), 0)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the values of the metrics are. Datasets are given by title and spec, in the order of their numbers."""

    metrics: Metrics
    datasets: tuple[tuple[str, ServiceSpec], ...]
    pool: WorkerPool
    admission: Admission
    cache: BatchCache
    images: ImageCache | None
    notices: ImageNotices
    views: Views
    rendering: PageRendering
    activity: Activity


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As Prometheus shows it; without the suffixes of a histogram's series.
        read: Returns the value for each combination of labels; none if this server has no such value.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: Labels
    read: Callable[[Sources], Mapping[Labels, float] | Mapping[Labels, Times]]

    def family(self, sources: Sources) -> families.Metric:
        """Return the values as Prometheus's library takes them."""
        values = self.read(sources)
        if self.kind == "histogram":
            histogram = families.HistogramMetricFamily(self.name, self.help, labels=self.labels)
            for labels, times in values.items():
                if isinstance(times, Times):
                    histogram.add_metric(labels, times.buckets(), times.seconds)
            return histogram
        kind = families.CounterMetricFamily if self.kind == "counter" else families.GaugeMetricFamily
        numbers = kind(self.name, self.help, labels=self.labels)
        for labels, value in values.items():
            if not isinstance(value, Times):
                numbers.add_metric(labels, value)
        return numbers


def _one(value: float) -> dict[Labels, float]:
    return {(): value}


def _by(values: Mapping[Name, float]) -> dict[Labels, float]:
    return {(label,): value for label, value in values.items()}


def _build(_: Sources) -> dict[Labels, float]:
    return {(VERSION, platform.python_version()): 1}


def _datasets(sources: Sources) -> dict[Labels, float]:
    return {(title, spec.config.name, spec.digest, spec.pixels or ""): 1 for title, spec in sources.datasets}


def _is_ready(sources: Sources) -> bool:
    return bool(sources.pool.alive) and sources.admission.is_ready()


def _sample_seconds(sources: Sources) -> dict[Labels, Times]:
    titles = [title for title, _ in sources.datasets]
    return {(titles[number],): times for number, times in sources.pool.sample_seconds.values.items()}


def _waiting_seconds(sources: Sources) -> dict[Labels, float]:
    known = {title: Totals() for title, _ in sources.datasets}
    return {
        (title, reason): seconds
        for title, totals in (known | sources.activity.streams.by_dataset()).items()
        for reason, seconds in (("workers", totals.workers), ("client", totals.client), ("place", totals.place))
    }


def _worker_cpu_seconds(sources: Sources) -> dict[Labels, float]:
    times = sources.activity.worker_times
    return _by({"computing": times.computing, "delayed": times.delayed})


def _view_seconds(sources: Sources) -> dict[Labels, Times]:
    return {(kind,): times for kind, times in sources.pool.view_seconds.values.items()}


def _noted_images(sources: Sources) -> dict[Labels, float]:
    return {
        (title, kind): sources.notices.count(kind, number)
        for number, (title, _) in enumerate(sources.datasets)
        for kind in NOTE_KINDS
    }


def _decoded_images(sources: Sources) -> dict[Labels, float]:
    counts = sources.pool.decoded
    return _by({"whole": counts.whole, "part": counts.parts})


def _image_cache(sources: Sources) -> dict[Labels, float]:
    images = sources.images
    return _by({"hit": images.hits, "miss": images.misses} if images else {"hit": 0, "miss": 0})


def _connections(sources: Sources) -> dict[Labels, float]:
    count = sources.metrics.open_connections
    return {} if count is None else _one(count())


def _worker_memory(sources: Sources) -> dict[Labels, float]:
    private = sources.pool.private_bytes()
    return {} if private is None else _one(private)


METRICS = (
    # --- what is served ---
    Metric("sampler_build_info", "gauge", "Version of the server and of Python; the value is 1",
           ("version", "python"), _build),
    Metric("sampler_dataset_info", "gauge",
           "Config and digests of a dataset, pixels only if they are hashed; the value is 1",
           ("dataset", "config", "digest", "pixels"), _datasets),
    Metric("sampler_dataset_images", "gauge", "Images of a dataset",
           ("dataset",), lambda it: _by({title: spec.size for title, spec in it.datasets})),
    Metric("sampler_ready", "gauge", "1 if /readyz accepts requests, else 0", (), lambda it: _one(_is_ready(it))),
    # --- requests ---
    Metric("sampler_requests_started_total", "counter", "Requests begun, by route",
           ("route",), lambda it: it.metrics.requests_started.values),
    Metric("sampler_requests_total", "counter", "Requests whose response has ended, by route and status",
           ("route", "status"), lambda it: it.metrics.requests.values),
    Metric("sampler_open_requests", "gauge", "Requests whose response has not ended, by route",
           ("route",), lambda it: it.metrics.open_requests.values),
    Metric("sampler_request_seconds", "histogram", "Seconds from a request to the end of its response, by route",
           ("route",), lambda it: it.metrics.request_seconds.values),
    Metric("sampler_sent_bytes_total", "counter", "Bytes of response bodies sent so far, by route",
           ("route",), lambda it: it.metrics.sent_bytes.values),
    Metric("sampler_refused_requests_total", "counter",
           "Requests refused before they reached a route, by reason: token, host, origin, header (repeated)",
           ("reason",), lambda it: it.metrics.refused.values),
    Metric("sampler_requests_in_flight", "gauge", "Admitted requests that are being served",
           (), lambda it: _one(it.admission.in_flight)),
    Metric("sampler_requests_waiting", "gauge", "Requests and resumed responses that wait to be admitted",
           (), lambda it: _one(it.admission.waiting)),
    Metric("sampler_requests_limit", "gauge", "Most requests that are served at once",
           (), lambda it: _one(it.admission.limit)),
    # --- batches and streams ---
    Metric("sampler_responses_total", "counter",
           "Batch responses by outcome: complete, failed, abandoned (client disconnected), stalled (client read too "
           "slowly), cut (at shutdown)",
           ("dataset", "outcome"), lambda it: it.metrics.responses.values),
    Metric("sampler_batches_total", "counter", "Batches sent, each step of a stream included",
           ("dataset", "layout"), lambda it: it.metrics.batches.values),
    Metric("sampler_samples_total", "counter", "Samples sent so far",
           ("dataset", "layout"), lambda it: it.metrics.samples.values),
    Metric("sampler_sample_bytes_total", "counter", "Bytes of the samples sent so far",
           ("dataset", "layout"), lambda it: it.metrics.sample_bytes.values),
    Metric("sampler_failed_samples_total", "counter",
           "Samples that could not be made and ended their response, by type of problem",
           ("dataset", "problem"), lambda it: it.metrics.failed_samples.values),
    Metric("sampler_waiting_seconds_total", "counter",
           "Seconds that batch responses have waited so far, by reason: workers, client (to read), place (after a "
           "pause)",
           ("dataset", "reason"), _waiting_seconds),
    Metric("sampler_run_wait_seconds", "histogram",
           "Seconds that a response waited for workers, for each run of samples",
           ("dataset",), lambda it: it.metrics.run_wait_seconds.values),
    Metric("sampler_client_wait_seconds", "histogram",
           "Seconds that a response waited for its client to read, for each piece of up to 2.5 MB",
           ("dataset",), lambda it: it.metrics.client_wait_seconds.values),
    Metric("sampler_paused_responses", "gauge", "Responses paused because their clients do not read",
           (), lambda it: _one(it.admission.paused)),
    Metric("sampler_pauses_total", "counter", "Pauses of responses whose clients did not read",
           (), lambda it: _one(it.admission.pauses)),
    Metric("sampler_resumptions_total", "counter", "Pauses that ended because the client read again",
           (), lambda it: _one(it.admission.resumptions)),
    # --- workers ---
    Metric("sampler_workers", "gauge", "Workers that the server is configured for", (), lambda it: _one(it.pool.size)),
    Metric("sampler_workers_alive", "gauge", "Workers that are ready", (), lambda it: _one(it.pool.alive)),
    Metric("sampler_worker_restarts_total", "counter",
           "Workers that were replaced, by cause: died, late (made no progress), view (took too long for a page), "
           "invalid (sent no valid reply)",
           ("cause",), lambda it: _by(it.pool.restarts)),
    Metric("sampler_queued_samples", "gauge", "Samples that wait for a worker", (), lambda it: _one(it.pool.queued)),
    Metric("sampler_worker_busy_seconds_total", "counter", "Seconds that workers spent on jobs, by kind of work",
           ("work",), lambda it: _by(it.pool.busy_seconds)),
    Metric("sampler_worker_cpu_seconds_total", "counter",
           "Seconds that workers used a CPU (computing), or could have run but had none (delayed); 0 if the system "
           "does not tell",
           ("state",), _worker_cpu_seconds),
    Metric("sampler_sample_making_seconds", "histogram", "Seconds that a worker took to make a sample",
           ("dataset",), _sample_seconds),
    Metric("sampler_worker_private_bytes", "gauge",
           "Memory of all workers, without what they share with the server and each other", (), _worker_memory),
    # --- what people look at ---
    Metric("sampler_view_seconds", "histogram", "Seconds that a worker took for what pages show, by kind",
           ("kind",), _view_seconds),
    Metric("sampler_views_waiting", "gauge", "Views of pages that are being made or wait for a worker",
           (), lambda it: _one(it.views.waiting)),
    Metric("sampler_view_lookups_total", "counter", "Views of pages by how they were found: made (hit) or not (miss)",
           ("found",), lambda it: _by({"hit": it.views.cache.hits, "miss": it.views.cache.misses})),
    Metric("sampler_view_cache_bytes", "gauge", "Bytes of cached views",
           (), lambda it: _one(it.views.cache.used)),
    Metric("sampler_page_rendering_seconds_total", "counter",
           "CPU seconds that the server process, which also sends batches, spent on rendering pages",
           (), lambda it: _one(it.rendering.seconds)),
    Metric("sampler_status_watchers", "gauge", "Open status pages, which get events once a second",
           (), lambda it: _one(len(it.activity.watchers))),
    # --- images ---
    Metric("sampler_decoded_images_total", "counter",
           "Images that workers decoded from their files, by part: whole, or only the part that a crop needed (part)",
           ("part",), _decoded_images),
    Metric("sampler_recorded_entry_points_total", "counter",
           "JPEG files that workers recorded, with entry points or the reason why they have none",
           (), lambda it: _one(it.pool.decoded.recorded)),
    Metric("sampler_image_cache_lookups_total", "counter",
           "Images that workers looked for in the image cache: found there (hit) or not (miss)",
           ("found",), _image_cache),
    Metric("sampler_noted_images", "gauge",
           "Images that workers found unusual since the start, by kind: damaged, warning, orientation (not applied), "
           "store-damaged, unreadable",
           ("dataset", "kind"), _noted_images),
    # --- memory ---
    Metric("sampler_batch_lookups_total", "counter",
           "Requested batches by how they were found: made (hit), being made (join), neither (miss)",
           ("found",), lambda it: _by(it.cache.found)),
    Metric("sampler_batch_cache_bytes", "gauge", "Bytes of the arena held by cached batches",
           (), lambda it: _one(it.cache.cached_bytes)),
    Metric("sampler_arena_capacity_bytes", "gauge",
           "Bytes of the arena, in use or free, with the reserve of a slab for each request",
           (), lambda it: _one(it.cache.arena.capacity)),
    Metric("sampler_arena_shared_bytes", "gauge",
           "Bytes of the arena without the reserve, for prefetched samples and cached batches",
           (), lambda it: _one(it.cache.arena.shared)),
    Metric("sampler_arena_shared_used_bytes", "gauge", "Bytes of the arena in use, without the reserve",
           (), lambda it: _one(it.cache.arena.shared_in_use)),
    Metric("sampler_arena_used_bytes", "gauge", "Bytes of the arena in use",
           (), lambda it: _one(it.cache.arena.bytes_in_use)),
    Metric("sampler_arena_slabs", "gauge", "Slabs of the arena in use",
           (), lambda it: _one(it.cache.arena.slabs_in_use)),
    Metric("sampler_arena_prefetched_bytes", "gauge", "Bytes of the arena held by responses for prefetched samples",
           (), lambda it: _one(it.cache.prefetched_bytes)),
    Metric("sampler_arena_shortages_total", "counter",
           "How often a response could not prefetch a run of samples because the arena had no memory for it",
           (), lambda it: _one(it.cache.shortages)),
    Metric("sampler_arena_pinned_bytes", "gauge", "Bytes of the arena on sockets of paused responses",
           (), lambda it: _one(it.cache.pinned_bytes)),
    # --- connections ---
    Metric("sampler_connections", "gauge", "Open connections, under `serve` only", (), _connections),
    Metric("sampler_connections_closed_total", "counter",
           "Connections that `serve` closed or refused, by limit: head (size of a request's head), url (its length), "
           "malformed, late-head, idle, evicted (closed for a new one), full (no place)",
           ("limit",), lambda it: it.metrics.connections_closed.values),
)  # fmt: skip
"""All metrics of the server itself, in the order in which `/metrics` shows them."""


class ServerCollector(Collector):
    """Reads all metrics of a running server."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[families.Metric]:
        """Yield each metric with its present values."""
        return (metric.family(self._sources) for metric in METRICS)


def registry_of(sources: Sources) -> CollectorRegistry:
    """Return a registry with the metrics of a running server, its process and its garbage collector."""
    registry = CollectorRegistry()
    registry.register(ServerCollector(sources))
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
