"""What a loader's process is started for."""

from dataclasses import dataclass
from typing import Self

import msgpack

from client.loading.settings import LoaderSettings
from client.protocol.requests import StreamRequest
from sampler.stream.shards import Shard


@dataclass(frozen=True, slots=True)
class LoaderJob:
    """What the process is started for.

    digest: that the server must have. render: whether slots hold rendered batches, or crops for rendering elsewhere.
    descriptor, count: of the shared memory.
    """

    settings: LoaderSettings
    digest: str
    render: bool
    descriptor: int
    count: int

    def encode(self) -> bytes:
        """Return the first message to the loader worker."""
        request = self.settings.request
        shard = request.shard
        packed: bytes = msgpack.packb({
            "url": self.settings.url, "options": self.settings.options, "digest": self.digest, "render": self.render,
            "families": self.settings.families,
            "descriptor": self.descriptor, "count": self.count,
            "request": {"seed": request.seed, "start": request.start, "stop": request.stop,
                        "augment": request.augment, "layout": request.layout},
            "shard": [shard.batch_size, shard.rank, shard.world_size],
        })  # fmt: skip
        return packed

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return the job in a message that `encode` made."""
        fields = msgpack.unpackb(body)
        request = StreamRequest(**fields.pop("request"), shard=Shard(*fields.pop("shard")))
        settings = LoaderSettings(
            url=fields.pop("url"), request=request, families=tuple(fields.pop("families")), **fields.pop("options")
        )
        return cls(settings=settings, **fields)
