"""The spec of a server, the document at `/v1/spec`, as a value for server and client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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

_COUNTS = ("boxes", "dropped_boxes", "images_without_boxes", "substitutes")


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """Dataset, config, digests and limits of one of a server's datasets.

    What an older server does not say has its default.

    Attributes:
        digest: identity of everything that the samples depend on, 32 hexadecimal digits.
        dataset_digest: identity of the part that comes from the annotations, 32 hexadecimal digits.
        size: N ≥ 1, the number of images.
        category_names: C ≥ 1 names; category c of a box has the name category_names[c−1].
        config: of the samples.
        max_batch: the most samples per request.
        max_body_bytes: the largest request body.
        dataset_name: the name by which requests choose the dataset; None if the server's dataset has no name.
        datasets: the names of all datasets of the server; the first is the default.
        pixels: identity of the bytes of all image files, 32 hexadecimal digits; None if they are not recorded.
        category_ids: C COCO category ids, ascending; category c of a box is the COCO category category_ids[c−1].
        supercategories: C names; None where the annotation file has none.
        boxes: number of boxes, crowd boxes included.
        dropped_boxes: number of boxes of the annotation file that could not be used.
        images_without_boxes: number of images.
        substitutes: number of images that are replaced by others.
        origins: where the value of each field of the config comes from: "preset", "file", "published default",
            "family", "setting" or "annotations"; empty if an older server does not say.
    """

    digest: str
    dataset_digest: str
    size: int
    category_names: tuple[str, ...]
    config: SamplerConfig
    max_batch: int
    max_body_bytes: int
    dataset_name: str | None = None
    datasets: tuple[str, ...] = ()
    pixels: str | None = None
    category_ids: tuple[int, ...] = ()
    supercategories: tuple[str | None, ...] = ()
    boxes: int = 0
    dropped_boxes: int = 0
    images_without_boxes: int = 0
    substitutes: int = 0
    origins: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def categories(self) -> int:
        """C, the number of category planes: the config's, or else the number of the dataset's categories."""
        return self.config.planes(len(self.category_names))

    def as_dict(self) -> dict[str, Any]:
        """Return the document, with the array table of each layout."""
        return {
            "version": VERSION,
            "protocol": PROTOCOL,
            "sampler_version": SAMPLER_VERSION,
            "digest": self.digest,
            "dataset": {
                "name": self.dataset_name,
                "digest": self.dataset_digest,
                "pixels": self.pixels,
                "size": self.size,
                "boxes": self.boxes,
                "dropped_boxes": self.dropped_boxes,
                "images_without_boxes": self.images_without_boxes,
                "substitutes": self.substitutes,
                "categories": list(self.category_names),
                "category_ids": list(self.category_ids),
                "supercategories": list(self.supercategories),
            },
            "datasets": list(self.datasets),
            "config": self.config.as_dict(),
            "origins": dict(self.origins),
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
        config = config_from_dict(document["config"])
        config.fit(len(categories))  # refuses too few planes
        return cls(
            digest=_text("digest", document["digest"]),
            dataset_digest=_text("dataset.digest", dataset["digest"]),
            size=require_integer("dataset.size", dataset["size"], 1, INDEX_LIMIT),
            category_names=tuple(_text("dataset.categories", name) for name in categories),
            config=config,
            max_batch=require_integer("limits.max_batch", limits["max_batch"], 1, INDEX_LIMIT),
            max_body_bytes=require_integer("limits.max_body_bytes", limits["max_body_bytes"], 1, INDEX_LIMIT),
            dataset_name=_optional_text("dataset.name", dataset.get("name")),
            datasets=tuple(_text("datasets", name) for name in document.get("datasets", [])),
            pixels=_optional_text("dataset.pixels", dataset.get("pixels")),
            category_ids=tuple(
                require_integer("dataset.category_ids", one, -INDEX_LIMIT, INDEX_LIMIT)
                for one in dataset.get("category_ids", [])
            ),
            supercategories=tuple(
                _optional_text("dataset.supercategories", name) for name in dataset.get("supercategories", [])
            ),
            origins={_text("origins", name): _text("origins", of) for name, of in document.get("origins", {}).items()},
            **{name: require_integer(f"dataset.{name}", dataset.get(name, 0), 0, INDEX_LIMIT) for name in _COUNTS},
        )


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{field} = {value!r}: expected text")
    return value


def _optional_text(field: str, value: object) -> str | None:
    return None if value is None else _text(field, value)
