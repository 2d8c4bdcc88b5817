"""What is counted, in a registry of the app's own."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters, gauges and histograms of one server."""

    def __init__(self) -> None:
        """Register them all, at 0."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sampler_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self.outcomes = Counter(
            "sampler_responses",
            "Batch responses by outcome: complete, failed, abandoned by the client, stalled, cut at shutdown",
            ["outcome"],
            registry=self.registry,
        )
        self.samples = Counter("sampler_samples", "Samples sent, by layout", ["layout"], registry=self.registry)
        self.bytes = Counter("sampler_sent_bytes", "Bytes of response bodies sent", registry=self.registry)
        self.request_seconds = Histogram(
            "sampler_request_seconds", "Time from request to the end of its response, by route", ["route"],
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.sample_seconds = Histogram(
            "sampler_sample_seconds", "Time that a response waited for its next run of samples", buckets=SECONDS,
            registry=self.registry,
        )  # fmt: skip

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read whenever metrics are asked for."""
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def watch_count(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Add a counter whose value is kept elsewhere."""
        self.registry.register(_Tally(name, meaning, lambda: {"": value()}))

    def watch_counts(self, name: str, meaning: str, label: str, values: Callable[[], Mapping[str, float]]) -> None:
        """Add counters that are kept elsewhere, one for each value of a label."""
        self.registry.register(_Tally(name, meaning, values, label))

    def text(self) -> bytes:
        """Return all of them in the Prometheus text format."""
        return generate_latest(self.registry)


class _Tally(Collector):
    """Counts that are kept elsewhere: one without a label, or one for each value of a label."""

    def __init__(self, name: str, meaning: str, values: Callable[[], Mapping[str, float]], label: str = "") -> None:
        self._name, self._meaning, self._values, self._label = name, meaning, values, label

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._meaning, labels=[self._label] if self._label else [])
        for kind, count in self._values().items():
            family.add_metric([kind] if self._label else [], count)
        yield family
