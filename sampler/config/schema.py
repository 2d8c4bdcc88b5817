"""The settings of a sampler, as a frozen value that refuses invalid fields.

The defaults are those of the published CornerNet-Lite configs and of the code that reads them. The presets are in
`sampler.config.presets`; `sampler.config.cornernet_lite` loads CornerNet-Lite's JSON files.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from sampler.errors import ConfigError

MAX_SIDE = 4096
"""Largest input or output side in pixels: far above every published one, small enough to bound memory."""

MAX_KIND = 200
"""Longest `kind`, in characters."""


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
        """Raise `ConfigError` that names field, value and range."""
        if not isinstance(self.kind, str) or not 1 <= len(self.kind) <= MAX_KIND:
            raise ConfigError(f"kind = {self.kind!r}: expected the name of a detector family")
        _sizes(self)
        _scales(self)
        _within("gaussian_iou", self.gaussian_iou, 0.0, 1.0, open_ends=True)
        _integer("gaussian_radius", self.gaussian_radius, -1, MAX_SIDE)
        _integer("max_objects", self.max_objects, 1, 65536)
        _integer("min_scale", self.min_scale, 0, MAX_SIDE)
        _integer("border", self.border, 1, 1 << 20)
        _within("jitter", self.jitter, 0.0, 1.0)
        _within("lighting_std", self.lighting_std, 0.0, 10.0)
        for name in ("rand_crop", "rand_center", "rand_color", "lighting", "gaussian_bump", "keep_crowd"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: expected true or false")
        _colour_vectors(self)
        _attention(self)

    @property
    def input_side(self) -> int:
        """S, the side of the square input in pixels."""
        return self.input_size[0]

    def as_dict(self) -> dict[str, Any]:
        """Every field as plain lists, numbers and strings: for `/v1/spec`, the digest and JSON."""
        return dataclasses.asdict(self)


def _integer(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} = {value!r}: expected an integer from {low} to {high}")


def _within(name: str, value: object, low: float, high: float, *, open_ends: bool = False) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300  # not NaN either
    if not number or not low <= value <= high or (open_ends and value in (low, high)):  # type: ignore[operator] # a number by now
        ends = "between" if open_ends else "from"
        raise ConfigError(f"{name} = {value!r}: expected a number {ends} {low} {'and' if open_ends else 'to'} {high}")


def _pair(name: str, value: object) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise ConfigError(f"{name} = {value!r}: expected two integers, height and width")
    for side in value:
        _integer(name, side, 1, MAX_SIDE)


def _sizes(config: SamplerConfig) -> None:
    _pair("input_size", config.input_size)
    _pair("output_size", config.output_size)
    if config.input_size[0] != config.input_size[1]:
        raise ConfigError(f"input_size = {config.input_size}: expected a square")
    if any(out > side for out, side in zip(config.output_size, config.input_size, strict=True)):
        raise ConfigError(f"output_size = {config.output_size}: expected at most input_size = {config.input_size}")


def _scales(config: SamplerConfig) -> None:
    scales: object = config.rand_scales
    if not isinstance(scales, tuple) or not 1 <= len(scales) <= 1024:
        raise ConfigError(f"rand_scales = {scales!r}: expected 1 to 1024 numbers")
    for scale in scales:
        _within("rand_scales", scale, 1e-3, 64.0)


def _colour_vectors(config: SamplerConfig) -> None:
    rows = {"mean": config.mean, "std": config.std, "eigenvalues": config.eigenvalues}
    rows |= {f"eigenvectors[{i}]": row for i, row in enumerate(config.eigenvectors)}
    if len(config.eigenvectors) != 3:
        raise ConfigError(f"eigenvectors = {config.eigenvectors!r}: expected three rows")
    for name, row in rows.items():
        if len(row) != 3:
            raise ConfigError(f"{name} = {row!r}: expected three numbers, for B, G and R")
        for value in row:
            _within(name, value, 1e-6 if name == "std" else -10.0, 10.0)


def _attention(config: SamplerConfig) -> None:
    for number, attention in enumerate(config.attention):
        _pair(f"attention[{number}].size", attention.size)
        _integer(f"attention[{number}].ratio", attention.ratio, 1, MAX_SIDE)
        low, high = attention.longest
        _within(f"attention[{number}].longest", low, 0.0, 1e6)
        _within(f"attention[{number}].longest", high, low, 1e6)
        reach = min(attention.size) * attention.ratio
        if reach < config.input_side:
            raise ConfigError(
                f"attention[{number}]: size {attention.size} × ratio {attention.ratio} covers {reach} pixels: "
                f"expected at least input_size = {config.input_side}"
            )
