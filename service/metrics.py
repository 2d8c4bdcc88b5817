"""All Prometheus metrics: names, help texts and labels.

Requests and responses update the metrics of `Metrics`. The state of workers, memory and caches is read from the
objects that hold it whenever the metrics are requested.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sampler.dataset.images.image_cache import ImageCache
from sampler.dataset.images.notes import NOTE_KINDS
from service.arena import Arena
from service.batches.admission import Admission
from service.batches.cache import BatchCache
from service.workers.notices import ImageNotices
from service.workers.pool import WorkerPool

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one server, in a separate registry."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "sampler_requests", "Requests by route and status", ["route", "status"], registry=registry
        )
        self.refused = Counter(
            "sampler_refused_requests",
            "Requests refused before they reached a route, by reason: token, host, origin, header (repeated)",
            ["reason"],
            registry=registry,
        )
        self.outcomes = Counter(
            "sampler_responses",
            "Batch responses by outcome: complete, failed, abandoned (client disconnected), stalled (client read too "
            "slowly), cut (at shutdown)",
            ["outcome"],
            registry=registry,
        )
        self.samples = Counter("sampler_samples", "Samples sent, by layout", ["layout"], registry=registry)
        self.bytes = Counter("sampler_sent_bytes", "Bytes of response bodies sent", registry=registry)
        self.request_seconds = Histogram(
            "sampler_request_seconds",
            "Seconds from a request to the end of its response, by route",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.sample_seconds = Histogram(
            "sampler_sample_seconds",
            "Seconds that a response waited for its next run of samples",
            buckets=SECONDS,
            registry=registry,
        )
        self.connections = Gauge("sampler_connections", "Open connections, under `serve` only", registry=registry)
        self.connections_closed = Counter(
            "sampler_connections_closed",
            "Connections that `serve` closed or refused, by limit: head (size of a request's head), url (its length), "
            "malformed, late-head, idle, evicted (closed for a new one), full (no place)",
            ["limit"],
            registry=registry,
        )


class ServerState(Collector):
    """Gauges and counters of a running server's state."""

    def __init__(
        self,
        pool: WorkerPool,
        admission: Admission,
        arena: Arena,
        cache: BatchCache,
        images: ImageCache | None,
        notices: ImageNotices,
    ) -> None:
        self._pool = pool
        self._admission = admission
        self._arena = arena
        self._cache = cache
        self._images = images
        self._notices = notices

    def collect(self) -> Iterable[Metric]:
        pool, arena, cache, images = self._pool, self._arena, self._cache, self._images
        admission = self._admission
        gauge, counter = GaugeMetricFamily, CounterMetricFamily
        ahead = "Bytes of the arena held by responses for prefetched samples"
        for kind, name, description, value in (
            (gauge, "sampler_workers_alive", "Workers that are ready", pool.alive),
            (gauge, "sampler_workers", "Workers that the server is configured for", pool.size),
            (gauge, "sampler_queue_depth", "Samples that wait for a worker", pool.queued),
            (gauge, "sampler_requests_in_flight", "Admitted requests that are being served", admission.in_flight),
            (
                gauge,
                "sampler_paused_responses",
                "Responses paused because their clients do not read",
                admission.paused,
            ),
            (counter, "sampler_pauses", "Pauses of responses whose clients did not read", admission.pauses),
            (counter, "sampler_resumptions", "Pauses that ended because the client read again", admission.resumptions),
            (gauge, "sampler_ahead_bytes", ahead, cache.prefetched_bytes),
            (gauge, "sampler_slabs", "Slabs of the arena in use", arena.slabs_in_use),
            (gauge, "sampler_slab_bytes", "Bytes of the arena in use", arena.bytes_in_use),
            (
                gauge,
                "sampler_pinned_bytes",
                "Bytes of the arena on sockets of paused responses",
                cache.pinned_bytes,
            ),
            (gauge, "sampler_slab_capacity_bytes", "Bytes of the arena, in use or free", arena.capacity),
            (gauge, "sampler_batch_cache_bytes", "Bytes of the arena held by cached batches", cache.cached_bytes),
        ):
            yield kind(name, description, value)
        restarts = CounterMetricFamily(
            "sampler_worker_restarts",
            "Workers that were replaced, by cause: died, late (made no progress), invalid (sent no valid reply)",
            labels=["cause"],
        )
        for cause, times in pool.restarts.items():
            restarts.add_metric([cause], times)
        yield restarts
        noted = GaugeMetricFamily(
            "sampler_noted_images",
            "Images that workers found unusual since the start, by kind: damaged, warning, orientation (not applied), "
            "store-damaged",
            labels=["kind"],
        )
        for noticed in NOTE_KINDS:
            noted.add_metric([noticed], self._notices.count(noticed))
        yield noted
        found = CounterMetricFamily(
            "sampler_batch_cache",
            "Requested batches by how they were found: made (hit), being made (join), neither (miss)",
            labels=["found"],
        )
        for how, count in cache.found.items():
            found.add_metric([how], count)
        yield found
        decoded = CounterMetricFamily(
            "sampler_decoded_images",
            "Images that workers decoded from their files, by part: whole, or only the part that a crop needed (part)",
            labels=["part"],
        )
        decoded.add_metric(["whole"], pool.decoded.whole)
        decoded.add_metric(["part"], pool.decoded.parts)
        yield decoded
        recorded = "JPEG files that workers recorded, with entry points or the reason why they have none"
        yield counter("sampler_recorded_entry_points", recorded, pool.decoded.recorded)
        hits, misses = (images.hits, images.misses) if images else (0, 0)
        yield counter("sampler_decoded_cache_hits", "Images that workers found in the image cache", hits)
        yield counter("sampler_decoded_cache_misses", "Images that workers did not find in the image cache", misses)
