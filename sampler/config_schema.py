"""The settings of a sampler, as a frozen value that refuses invalid fields.

The defaults are those of the published CornerNet-Lite configs and of the code that reads them. The presets are in
`sampler.config.presets`; `sampler.config.cornernet_lite` loads CornerNet-Lite's JSON files.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from sampler.checks import require_bool, require_integer, require_number
from sampler.errors import ConfigError

MAX_SIDE = 4096
"""Largest input or output side in pixels: far above every published one, small enough to bound memory."""

MAX_CATEGORIES = 16384
"""Most category planes of a config: ten times the number of categories in LVIS."""

MAX_ATTENTION = 64
"""Most attention maps. CornerNet-Saccade has 3."""

MAX_KIND = 200
"""Longest `kind`, in characters."""

INTEGERS = {
    "gaussian_radius": (-1, MAX_SIDE), "max_objects": (1, 1 << 16), "min_scale": (0, MAX_SIDE), "border": (1, 1 << 20),
}  # fmt: skip
"""Integer fields and their ranges, both ends included."""

BOOLEANS = ("rand_crop", "rand_center", "rand_color", "lighting", "gaussian_bump", "keep_crowd")


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """One attention map.

    Attributes:
        size: (height, width) in cells.
        ratio: Input pixels per cell.
        longest: Closed range, in input pixels, of the longer side of the boxes that mark this map.
    """

    size: tuple[int, int]
    ratio: int
    longest: tuple[float, float]


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """Everything besides the dataset and the key that a sample depends on.

    A field out of range raises `ConfigError` that names the field, its value and the range. Conditions between fields
    belong to the detector family, which checks a config before its first use
    (`sampler.families.registry.family_of`).

    Attributes:
        kind: The detector family: "saccade", "cornernet", or the import path of another one.
        name: Name of the preset or of the file it was loaded from. No sample depends on it.
        input_size: (height, width) of the crop in pixels, always square.
        output_size: (height, width) of a heatmap in cells.
        rand_scales: Scales to draw from, 0.001 … 64.
        gaussian_iou: With `gaussian_radius` −1, a bump's radius is how far a corner may move while its box overlaps the
            true one by this IoU, above 0 and below 1.
        rand_crop: Saccade: whether 3 crops of 10 are of a random place instead of a reference box. Cornernet: always.
        rand_center: Saccade: whether half of the crops of a reference box are centred on it.
        rand_color: Whether brightness, contrast and saturation are jittered.
        lighting: Whether lighting noise is added too if `rand_color` is on: `eigenvectors` times `eigenvalues` times
            normals of standard deviation `lighting_std`.
        gaussian_bump: False for bumps of a single cell.
        gaussian_radius: Radius of all bumps in cells; −1 computes each from its box.
        max_objects: Objects of a sample that get a row of tags and offsets, 1 … 65536.
        min_scale: Saccade: least longer side of an object, in whole pixels of the crop.
        border: Cornernet: desired distance in pixels between the crop's centre and the image's edge.
        attention: Attention maps; none for cornernet.
        categories: Number of category planes in every array that has them, 1 … 16384. None: as many as the dataset has
            categories.
        keep_crowd: Whether boxes marked `iscrowd` are boxes like any other.
        jitter: Gains of the jitter are drawn from 1 ± this, 0 … 1.
        lighting_std: See `lighting`.
        mean: Subtracted in normalisation; B, G, R on the 0–1 scale, as all colours here.
        std: Divided by in normalisation.
        eigenvalues: See `lighting`.
        eigenvectors: One row for each of B, G and R.
    """

    kind: str
    name: str
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    rand_scales: tuple[float, ...]
    gaussian_iou: float
    rand_crop: bool
    rand_center: bool = True
    rand_color: bool = True
    lighting: bool = True
    gaussian_bump: bool = True
    gaussian_radius: int = -1
    max_objects: int = 128
    min_scale: int = 16
    border: int = 128
    attention: tuple[AttentionMap, ...] = ()
    keep_crowd: bool = True
    categories: int | None = None
    jitter: float = 0.4
    lighting_std: float = 0.1
    mean: tuple[float, float, float] = (0.40789654, 0.44719302, 0.47026115)
    std: tuple[float, float, float] = (0.28863828, 0.27408164, 0.27809835)
    eigenvalues: tuple[float, float, float] = (0.2141788, 0.01817699, 0.00341571)
    eigenvectors: tuple[tuple[float, float, float], ...] = (
        (-0.58752847, -0.69563484, 0.41340352),
        (-0.5832747, 0.00994535, -0.81221408),
        (-0.56089297, 0.71832671, 0.41158938),
    )

    def __post_init__(self) -> None:
        """Raise `ConfigError` that names the field, its value and the range."""
        if not isinstance(self.kind, str) or not 1 <= len(self.kind) <= MAX_KIND:
            raise ConfigError.of_field("kind", self.kind, "the name of a detector family")
        for name, (low, high) in INTEGERS.items():
            # Set again because NumPy integers become plain ones, which JSON can encode.
            object.__setattr__(self, name, require_integer(name, getattr(self, name), low, high, ConfigError))
        for name in BOOLEANS:
            require_bool(name, getattr(self, name), ConfigError)
        if self.categories is not None:
            categories = require_integer("categories", self.categories, 1, MAX_CATEGORIES, ConfigError)
            object.__setattr__(self, "categories", categories)
        require_number("jitter", self.jitter, 0, 1, ConfigError)
        require_number("lighting_std", self.lighting_std, 0, 10, ConfigError)
        if not 0 < require_number("gaussian_iou", self.gaussian_iou, error=ConfigError) < 1:
            raise ConfigError.of_field("gaussian_iou", self.gaussian_iou, "a number above 0 and below 1")
        object.__setattr__(self, "input_size", _pair("input_size", self.input_size))
        object.__setattr__(self, "output_size", _pair("output_size", self.output_size))
        _check_sizes(self)
        _check_scales(self.rand_scales)
        _check_colours(self)
        if len(self.attention) > MAX_ATTENTION:
            raise ConfigError(f"attention: {len(self.attention)} maps: expected at most {MAX_ATTENTION}")
        maps = [_attention_map(number, one, self.input_side) for number, one in enumerate(self.attention)]
        object.__setattr__(self, "attention", tuple(maps))

    @property
    def input_side(self) -> int:
        """S, the side of the square input in pixels."""
        return self.input_size[0]

    def planes(self, categories: int) -> int:
        """Return C, the number of category planes of samples from a dataset of `categories` categories."""
        return categories if self.categories is None else self.categories

    def fit(self, categories: int) -> "SamplerConfig":
        """Return the config for a dataset of `categories` categories.

        It has no `categories` if those are the dataset's own number: then it has the digest of a config that leaves
        the number to the dataset, since the samples are the same.

        Raises:
            ConfigError: The config has fewer category planes than the dataset has categories.
        """
        if self.categories is None or self.categories > categories:
            return self
        if self.categories < categories:
            raise ConfigError(
                f"config {self.name}: categories = {self.categories}: expected at least {categories}, the number of "
                "categories in the annotations; leave the key out and the annotations decide"
            )
        return dataclasses.replace(self, categories=None)

    def as_dict(self) -> dict[str, Any]:
        """Every field as plain lists, numbers and strings: for `/v1/spec`, the digest and JSON.

        `categories` is left out if it is None, so that documents and digests are those of versions without the field.
        """
        fields = dataclasses.asdict(self)
        if self.categories is None:
            del fields["categories"]
        return fields


def _pair(name: str, value: object) -> tuple[int, int]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise ConfigError.of_field(name, value, "two integers, height and width")
    height, width = (require_integer(name, side, 1, MAX_SIDE, ConfigError) for side in value)
    return height, width


def _check_sizes(config: SamplerConfig) -> None:
    if config.input_size[0] != config.input_size[1]:
        raise ConfigError.of_field("input_size", config.input_size, "a square")
    if any(out > side for out, side in zip(config.output_size, config.input_size, strict=True)):
        raise ConfigError.of_field("output_size", config.output_size, f"at most input_size = {config.input_size}")


def _check_scales(scales: object) -> None:
    if not isinstance(scales, tuple) or not 1 <= len(scales) <= 1024:
        raise ConfigError.of_field("rand_scales", scales, "1 to 1024 numbers")
    for scale in scales:
        require_number("rand_scales", scale, 1e-3, 64, ConfigError)


def _check_colours(config: SamplerConfig) -> None:
    if len(config.eigenvectors) != 3:
        raise ConfigError.of_field("eigenvectors", config.eigenvectors, "three rows")
    rows = {"mean": config.mean, "std": config.std, "eigenvalues": config.eigenvalues}
    rows |= {f"eigenvectors[{i}]": row for i, row in enumerate(config.eigenvectors)}
    for name, row in rows.items():
        if len(row) != 3:
            raise ConfigError.of_field(name, row, "three numbers, for B, G and R")
        for value in row:
            require_number(name, value, 1e-6 if name == "std" else -10, 10, ConfigError)


def _attention_map(number: int, attention: AttentionMap, input_side: int) -> AttentionMap:
    name = f"attention[{number}]"
    size = _pair(f"{name}.size", attention.size)
    ratio = require_integer(f"{name}.ratio", attention.ratio, 1, MAX_SIDE, ConfigError)
    low, high = attention.longest
    require_number(f"{name}.longest", low, 0, 1e6, ConfigError)
    require_number(f"{name}.longest", high, low, 1e6, ConfigError)
    if min(size) * ratio < input_side:
        raise ConfigError(
            f"{name}: size {size} × ratio {ratio} covers {min(size) * ratio} pixels: "
            f"expected at least input_size = {input_side}, or boxes beyond the map could not be marked"
        )
    return AttentionMap(size, ratio, attention.longest)
