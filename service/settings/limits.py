"""Settings that limit what requests, samples and clients may take."""

from pydantic import BaseModel, ConfigDict, Field

from sampler.dataset.images.decode import MAX_PIXELS
from service.workers.memory_limit import default_allowance

MEGABYTE = 1 << 20


class LimitSettings(BaseModel):
    """Limits in requests, bytes and seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    max_batch: int = Field(default=1024, ge=1, le=65536, description="largest number of samples per batch and rank")
    max_requests: int = Field(
        default=64,
        ge=1,
        le=65536,
        description="requests served at once; further ones wait their turn, then get 503 with Retry-After",
    )
    buffer_mb: int = Field(
        default=1024, ge=1, le=1 << 20, description="memory (MB) for prefetched samples and cached batches"
    )
    steps_ahead: int = Field(default=2, ge=0, le=1024, description="steps that a stream prefetches")
    batch_cache_mb: int = Field(
        default=128, ge=0, le=1 << 20,
        description="part of SAMPLER_BUFFER_MB for the batch cache; 0 disables it",
    )  # fmt: skip
    decoded_cache_mb: int = Field(
        default=0, ge=0, le=1 << 24,
        description="memory (MB) for the image cache, used if there is no decoded store; 0 disables it",
    )  # fmt: skip
    max_body_kb: int = Field(
        default=1024, ge=1, le=1 << 20, description="largest request body (kB); larger ones get 413"
    )
    max_image_pixels: int = Field(
        default=MAX_PIXELS, ge=1, le=1 << 30, description="images with more pixels are rejected before decoding"
    )
    worker_memory_mb: int | None = Field(
        default=None, ge=64, le=1 << 24,
        description="memory (MB) that a worker may allocate after its start; samples that need more fail "
        "(default: 256, and 24 bytes for each of SAMPLER_MAX_IMAGE_PIXELS)",
    )  # fmt: skip
    max_connections: int | None = Field(
        default=None, ge=1, le=65536,
        description="open connections (`serve` only); at more, the longest idle one is closed (default: as many as the "
        "descriptor limit allows, at most 4096)",
    )  # fmt: skip
    header_seconds: float = Field(
        default=10.0, ge=0.1, le=3600,
        description="timeout (seconds) for the complete head of a request (`serve` only)",
    )  # fmt: skip
    idle_seconds: float = Field(
        default=75.0, ge=0.1, le=86400,
        description="seconds that an idle connection stays open between requests (`serve` only)",
    )  # fmt: skip
    retry_after: int = Field(default=2, ge=1, le=3600, description="seconds a client waits after a 503 (Retry-After)")
    grace_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="seconds for responses in flight to finish at shutdown"
    )
    job_seconds: float = Field(
        default=60.0, ge=1, le=3600, description="longest timeout (seconds) for one sample; its worker is then replaced"
    )
    queue_seconds: float = Field(
        default=4.0, ge=0, le=3600,
        description="longest time (seconds) that a request waits its turn while SAMPLER_MAX_REQUESTS are served",
    )  # fmt: skip
    pause_seconds: float = Field(
        default=2.0, ge=0.05, le=3600,
        description="seconds after which a response whose client reads nothing is paused: others get its turn and its "
        "memory until the client reads again",
    )  # fmt: skip
    min_rate_kb: int = Field(
        default=64, ge=1, le=1 << 20,
        description="slowest rate (kB/s) at which clients may read a response other than a stream, and send a body; "
        "slower ones are disconnected",
    )  # fmt: skip
    body_seconds: float = Field(
        default=10.0, ge=0.1, le=3600,
        description="seconds for a request body to arrive, in addition to its size divided by SAMPLER_MIN_RATE_KB; "
        "then the request gets 408",
    )  # fmt: skip

    @property
    def min_rate(self) -> float:
        """Bytes per second."""
        return self.min_rate_kb * 1024

    @property
    def worker_memory(self) -> int:
        """Bytes that a worker may allocate."""
        given = self.worker_memory_mb
        return default_allowance(self.max_image_pixels) if given is None else given * MEGABYTE
