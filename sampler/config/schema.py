"""The settings of a sampler: three published presets, as frozen values that refuse what makes no sense.

The numbers are those of the published CornerNet-Lite configs and of the code that reads them; see
`sampler.config.cornernet_lite` for loading such a JSON file as it is.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from sampler.errors import ConfigError

Kind = Literal["saccade", "cornernet"]

SACCADE_SCALES = (
    0.5,
    0.6,
    0.7,
    0.7999999999999999,
    0.8999999999999999,
    0.9999999999999999,
    1.0999999999999999,
)
"""What `numpy.arange(0.5, 1.1, 0.1)` yields: seven values, the last one through rounding."""

CORNERNET_SCALES = (0.6, 0.7, 0.7999999999999999, 0.8999999999999999, 0.9999999999999999, 1.0999999999999999,
                    1.1999999999999997, 1.2999999999999998)  # fmt: skip
"""What `numpy.arange(0.6, 1.4, 0.1)` yields: eight values."""

MAX_SIDE = 4096
"""Largest input or output side in pixels: far above every published one, small enough to bound memory."""

MAX_CANVAS = 16384
"""Largest side of a cornernet canvas in pixels, which is made whole before it is resized: 0.8 GB."""


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """One attention map: its side in cells, input pixels per cell, and the object sizes it answers for.

    `longest` is the closed range of a box's longer side in input pixels that marks this map.
    """

    size: tuple[int, int]
    ratio: int
    longest: tuple[float, float]


SACCADE_ATTENTION = (
    AttentionMap(size=(16, 16), ratio=16, longest=(96, 256)),
    AttentionMap(size=(32, 32), ratio=8, longest=(32, 96)),
    AttentionMap(size=(64, 64), ratio=4, longest=(0, 32)),
)


@dataclass(frozen=True, slots=True)
class SamplerConfig:
    """Everything besides the dataset and the key that a sample depends on. Refuses bad values by name.

    kind: which of the two published samplers. name: of the preset, or of the file it was loaded from; no sample depends
    on it. input_size, output_size: (height, width), in pixels of the crop (always square) and in cells of a heatmap.

    rand_scales: what a random scale is drawn from, 0.001 … 64. rand_crop: for saccade, whether 3 crops of 10 are of a
    random place instead of a reference box; cornernet has it always on. rand_center (saccade): whether half of the
    crops of a reference box are centred on it. border (cornernet): wished-for distance in pixels between the crop's
    centre and the image's edge. min_scale (saccade): least longer side of an object, in whole pixels of the crop.

    gaussian_bump: False for bumps of a single cell. gaussian_radius: of all bumps in cells; −1 for each box's own, by
    which a corner may move while its box overlaps the true one by `gaussian_iou`, above 0 and below 1. max_objects:
    objects of a sample that get a row of tags and offsets, 1 … 65536. attention: none for cornernet. keep_crowd:
    whether boxes marked `iscrowd` are boxes like any other.

    rand_color: whether brightness, contrast and saturation are jittered, with gains of 1 ± `jitter`. lighting: whether,
    where they are, lighting noise is added too: `eigenvectors`, a row for each of B, G and R, times `eigenvalues` times
    normals of standard deviation `lighting_std`. mean, std: of normalisation. Colours are B, G, R on the 0–1 scale.
    """

    kind: Kind
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
        _one_of("kind", self.kind, ("saccade", "cornernet"))
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
        if self.kind == "cornernet" and not self.rand_crop:
            raise ConfigError("rand_crop = False: expected true, a cornernet sample is always a crop")
        _colour_vectors(self)
        _attention(self)

    @property
    def input_side(self) -> int:
        """S, the side of the square input in pixels."""
        return self.input_size[0]

    def as_dict(self) -> dict[str, Any]:
        """Every field as plain lists, numbers and strings: for `/v1/spec`, the digest and JSON."""
        return dataclasses.asdict(self)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} = {value!r}: expected one of {', '.join(allowed)}")


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
        raise ConfigError(f"input_size = {config.input_size}: expected a square, as every CornerNet takes")
    if any(out > side for out, side in zip(config.output_size, config.input_size, strict=True)):
        raise ConfigError(f"output_size = {config.output_size}: expected at most input_size = {config.input_size}")


def _scales(config: SamplerConfig) -> None:
    scales: object = config.rand_scales
    if not isinstance(scales, tuple) or not 1 <= len(scales) <= 1024:
        raise ConfigError(f"rand_scales = {scales!r}: expected 1 to 1024 numbers")
    for scale in scales:
        _within("rand_scales", scale, 1e-3, 64.0)
        if config.kind == "cornernet" and scale * config.input_side > MAX_CANVAS:
            most = MAX_CANVAS / config.input_side
            raise ConfigError(f"rand_scales = {scale!r}: expected at most {most:g}, a canvas of {MAX_CANVAS} pixels")


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
    if config.kind == "cornernet" and config.attention:
        raise ConfigError("attention: expected none, the cornernet sampler has no attention maps")
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


PRESETS: dict[str, SamplerConfig] = {
    "cornernet_saccade": SamplerConfig(
        kind="saccade", name="cornernet_saccade", input_size=(255, 255), output_size=(64, 64),
        rand_scales=SACCADE_SCALES, gaussian_iou=0.5, rand_crop=False, attention=SACCADE_ATTENTION,
    ),
    "cornernet": SamplerConfig(
        kind="cornernet", name="cornernet", input_size=(511, 511), output_size=(128, 128),
        rand_scales=CORNERNET_SCALES, gaussian_iou=0.3, rand_crop=True,
    ),
    "cornernet_squeeze": SamplerConfig(
        kind="cornernet", name="cornernet_squeeze", input_size=(511, 511), output_size=(64, 64),
        rand_scales=CORNERNET_SCALES, gaussian_iou=0.3, rand_crop=True,
    ),
}  # fmt: skip
"""The three published configs, by name."""


def preset(name: str) -> SamplerConfig:
    """Return the published config `name`. Raises `ConfigError` that lists the names there are."""
    if name not in PRESETS:
        raise ConfigError(f"config = {name!r}: expected one of {', '.join(PRESETS)}, or the path of a JSON file")
    return PRESETS[name]
