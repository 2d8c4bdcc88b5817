"""The spec of a server, the document at `/v1/spec`, as a value for server and client."""

from dataclasses import dataclass
from typing import Any

from sampler.array_table import array_table
from sampler.arrays import LAYOUTS
from sampler.checks import require_integer
from sampler.config.parsing import config_from_dict
from sampler.config.schema import SamplerConfig
from sampler.errors import ProtocolError, SamplerError, UnknownFamilyError
from sampler.stream.keys import INDEX_LIMIT
from sampler.version import SAMPLER_VERSION, VERSION
from sampler.wire.messages import PROTOCOL


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """Dataset, config, digests and limits of a server.

    Attributes:
        digest: identity of everything that the samples depend on, 32 hexadecimal digits.
        dataset_digest: identity of the part that comes from the annotations, 32 hexadecimal digits.
        size: N ≥ 1, the number of images.
        category_names: C ≥ 1 names; category c of a box has the name category_names[c−1].
        config: of the samples.
        max_batch: the most samples per request.
        max_body_bytes: the largest request body.
    """

    digest: str
    dataset_digest: str
    size: int
    category_names: tuple[str, ...]
    config: SamplerConfig
    max_batch: int
    max_body_bytes: int

    @property
    def categories(self) -> int:
        """C, the number of categories."""
        return len(self.category_names)

    def as_dict(self) -> dict[str, Any]:
        """Return the document, with the array table of each layout."""
        return {
            "version": VERSION,
            "protocol": PROTOCOL,
            "sampler_version": SAMPLER_VERSION,
            "digest": self.digest,
            "dataset": {
                "digest": self.dataset_digest,
                "size": self.size,
                "categories": list(self.category_names),
            },
            "config": self.config.as_dict(),
            "arrays": {
                layout: [spec.as_dict() for spec in array_table(layout, self.config, self.categories)]
                for layout in LAYOUTS
            },
            "limits": {"max_batch": self.max_batch, "max_body_bytes": self.max_body_bytes},
        }

    @classmethod
    def parse(cls, document: object) -> "ServiceSpec":
        """Return the spec of a document. Raises ProtocolError for anything else."""
        if not isinstance(document, dict) or document.get("protocol") != PROTOCOL:
            found = f"protocol {document.get('protocol')!r}" if isinstance(document, dict) else type(document).__name__
            raise ProtocolError(f"not a spec document: {found}: expected {PROTOCOL}")
        try:
            return cls._of(document)
        except UnknownFamilyError as error:
            raise ProtocolError(f"config.{error}") from error
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError, SamplerError) as error:
            raise ProtocolError(f"not a spec document: {type(error).__name__}: {error}") from error

    @classmethod
    def _of(cls, document: dict[str, Any]) -> "ServiceSpec":
        dataset, limits = document["dataset"], document["limits"]
        categories = dataset["categories"]
        if not isinstance(categories, list) or not categories:
            raise TypeError(f"dataset.categories = {categories!r}: expected a list of names")
        return cls(
            digest=_text("digest", document["digest"]),
            dataset_digest=_text("dataset.digest", dataset["digest"]),
            size=require_integer("dataset.size", dataset["size"], 1, INDEX_LIMIT),
            category_names=tuple(_text("dataset.categories", name) for name in categories),
            config=config_from_dict(document["config"]),
            max_batch=require_integer("limits.max_batch", limits["max_batch"], 1, INDEX_LIMIT),
            max_body_bytes=require_integer("limits.max_body_bytes", limits["max_body_bytes"], 1, INDEX_LIMIT),
        )


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field} = {value!r}: expected text")
    return value
