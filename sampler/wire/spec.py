"""The spec of a server, the document at `/v1/spec`, as a value for server and client."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sampler.array_table import array_table, require_moderate
from sampler.arrays import LAYOUTS
from sampler.checks import require_integer
from sampler.config.parsing import config_from_dict
from sampler.config_schema import MAX_CATEGORIES, SamplerConfig
from sampler.errors import ProtocolError, SamplerError, UnknownFamilyError
from sampler.printable import printable, shown
from sampler.stream.keys import INDEX_LIMIT
from sampler.version import SAMPLER_VERSION, VERSION
from sampler.wire.messages import PROTOCOL

MAX_IMAGES = 1 << 62
"""The order of an epoch is defined for as many images."""

MAX_DIGEST = 200
"""Characters of a digest. Requests name digests in their URL."""

MAX_TEXT = 10_000
"""Characters of a name."""

PARSE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError, SamplerError)
"""What values of any type and depth may raise."""

MAX_CAUSE = 1000
"""Characters of the reason in an error."""

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
            found = (
                f"protocol {shown(document.get('protocol'))}" if isinstance(document, dict) else type(document).__name__
            )
            raise ProtocolError(f"not a spec document: {found}: expected {PROTOCOL}")
        try:
            return cls._of(document)
        except UnknownFamilyError as error:
            raise ProtocolError(f"config.{error}") from error
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
            SamplerError,
        ) as error:
            cause = printable(str(error)[:MAX_CAUSE])
            raise ProtocolError(f"not a spec document: {type(error).__name__}: {cause}") from error

    @classmethod
    def _of(cls, document: dict[str, Any]) -> "ServiceSpec":
        dataset, limits = document["dataset"], document["limits"]
        categories = _list("dataset.categories", dataset["categories"])
        if not 1 <= len(categories) <= MAX_CATEGORIES:
            raise ValueError(f"dataset.categories: {len(categories)} names: expected 1 to {MAX_CATEGORIES}")
        config = config_from_dict(document["config"])
        config.fit(len(categories))  # refuses too few planes
        require_moderate(config, config.planes(len(categories)))
        ids = _list("dataset.category_ids", dataset.get("category_ids", []))
        supercategories = _list("dataset.supercategories", dataset.get("supercategories", []))
        for name, values in (("category_ids", ids), ("supercategories", supercategories)):
            if values and len(values) != len(categories):
                raise ValueError(f"dataset.{name}: {len(values)} values: expected one for each category")
        return cls(
            digest=_text("digest", document["digest"], MAX_DIGEST),
            dataset_digest=_text("dataset.digest", dataset["digest"], MAX_DIGEST),
            size=require_integer("dataset.size", dataset["size"], 1, MAX_IMAGES),
            category_names=tuple(_text("dataset.categories", name) for name in categories),
            config=config,
            max_batch=require_integer("limits.max_batch", limits["max_batch"], 1, INDEX_LIMIT),
            max_body_bytes=require_integer("limits.max_body_bytes", limits["max_body_bytes"], 1, INDEX_LIMIT),
            dataset_name=_optional_text("dataset.name", dataset.get("name")),
            datasets=tuple(_text("datasets", name) for name in _list("datasets", document.get("datasets", []))),
            pixels=_optional_text("dataset.pixels", dataset.get("pixels"), MAX_DIGEST),
            category_ids=tuple(require_integer("dataset.category_ids", one, -INDEX_LIMIT, INDEX_LIMIT) for one in ids),
            supercategories=tuple(_optional_text("dataset.supercategories", name) for name in supercategories),
            origins={_text("origins", name): _text("origins", of) for name, of in document.get("origins", {}).items()},
            **{name: require_integer(f"dataset.{name}", dataset.get(name, 0), 0, INDEX_LIMIT) for name in _COUNTS},
        )


def _list(field: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{field} = {shown(value)}: expected a list")
    return value


def _text(field: str, value: object, most: int = MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise TypeError(f"{field} = {shown(value)}: expected text of at most {most} characters")
    return value


def _optional_text(field: str, value: object, most: int = MAX_TEXT) -> str | None:
    return None if value is None else _text(field, value, most)
