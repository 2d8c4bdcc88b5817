"""The fields of a config that people may change on the page, with the ranges that keep a sample's cost bounded.

A range also holds the served value, so that the served config is always among those that can be asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from sampler.config.scale_range import range_of
from sampler.config_schema import BOOLEANS, AttentionMap, SamplerConfig
from sampler.errors import ConfigError
from sampler.families.registry import family_of

Kind = Literal["number", "integer", "switch", "scales"]

SMALLEST_SCALE, LARGEST_SCALE = 0.05, 4.0
"""A canvas of CornerNet grows with the square of its scale; at 4 it has 16 times the pixels of the input."""

MOST_SCALES = 64
"""Most scales of a list, so that a link with them stays short."""

MOST_OBJECTS = 1024

SCALE_FIELDS = ("rand_scale_min", "rand_scale_max", "rand_scale_step")

DIRECT_FIELDS = (
    "rand_crop", "rand_center", "border", "min_scale", "max_objects", "keep_crowd", "gaussian_bump", "gaussian_iou",
    "gaussian_radius", "rand_color", "jitter", "lighting", "lighting_std",
)  # fmt: skip
"""Fields that are fields of `SamplerConfig` under the same name."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form, which is a parameter of the page too.

    Attributes:
        name: Of the parameter; that of the key in CornerNet-Lite's files if it is one value there.
        label: What people call it.
        group: Heading of the part of the form that it belongs to.
        help: What it does.
        kind: What its text must be.
        low: Least value, and `high` the largest, of numbers.
        high: See `low`.
        step: Of its slider.
    """

    name: str
    label: str
    group: str
    help: str
    kind: Kind
    low: float = 0
    high: float = 1
    step: float = 1

    def containing(self, value: float) -> "Field":
        """Return the field with a range that also holds a value."""
        return replace(self, low=min(self.low, value), high=max(self.high, value))


def fields_of(served: SamplerConfig) -> tuple[Field, ...]:
    """Return the fields that samples of the config's family depend on, in the order of the form."""
    fixed = family_of(served).fixed_fields
    offered = [*_crop(served), *_objects(served), *_bumps(served), *_colours()]
    usable = [field for field in offered if field.name not in fixed and _is_free(served, field.name)]
    return tuple(_with_served(field, served) for field in (*usable, *_attention(served)))


def values_of(config: SamplerConfig) -> dict[str, Any]:
    """Return the value of each field, by name. Scales are a range or a list; those of the other are None."""
    scales = range_of(config.rand_scales)
    values: dict[str, Any] = dict.fromkeys((*SCALE_FIELDS, "rand_scales"))
    values |= {"rand_scales": config.rand_scales} if scales is None else dict(zip(SCALE_FIELDS, scales, strict=True))
    values |= {name: getattr(config, name) for name in DIRECT_FIELDS}
    values |= {"input_size": config.input_side, "output_size": config.output_size[0]}
    for number, one in enumerate(config.attention):
        low, high = one.longest
        values |= {f"att_size_{number}": one.size[0], f"att_from_{number}": low, f"att_to_{number}": high}
    return values


def _crop(served: SamplerConfig) -> Iterator[Field]:
    group, bounds = "Crop", (SMALLEST_SCALE, LARGEST_SCALE)
    yield Field("rand_scale_min", "smallest scale", group, "first of the scales to draw from", "number", *bounds, 0.05)
    yield Field("rand_scale_max", "scales below", group, "end of the scales, excluded", "number", *bounds, 0.05)
    yield Field("rand_scale_step", "step of scales", group, "from one scale to the next", "number", 0.01, 1.0, 0.01)
    yield Field(
        "rand_scales", "list of scales", group, "scales separated by commas, in place of the three above", "scales",
        *bounds,
    )  # fmt: skip
    yield Field("rand_crop", "random places", group, "3 crops of 10 do not surround a reference box", "switch")
    yield Field("rand_center", "centred crops", group, "half of the crops of a reference box centre it", "switch")
    yield Field("border", "border", group, "pixels between the crop's centre and the image's edge", "integer", 1, 1024)
    yield Field("input_size", "input size", group, "pixels of a side of the crop", "integer", 16, served.input_side)


def _objects(served: SamplerConfig) -> Iterator[Field]:
    group, side = "Objects", served.input_side
    yield Field("min_scale", "least object", group, "smaller boxes are ignored; pixels of the crop", "integer", 0, side)
    yield Field("max_objects", "objects with tags", group, "further objects are untagged", "integer", 1, MOST_OBJECTS)
    yield Field("keep_crowd", "crowd boxes", group, "whether they are boxes like any other", "switch")


def _bumps(served: SamplerConfig) -> Iterator[Field]:
    group, side = "Heatmaps", max(served.output_size)
    yield Field("gaussian_bump", "bumps", group, "off: one cell for each corner", "switch")
    meaning = "least overlap with its box that corners anywhere in the bumps give; lower is wider"
    yield Field("gaussian_iou", "IoU of bumps", group, meaning, "number", 0.01, 0.99, 0.01)
    yield Field(
        "gaussian_radius", "radius of bumps", group, "in cells; −1 computes it from the box", "integer", -1, side
    )
    if served.output_size[0] == served.output_size[1]:
        yield Field("output_size", "heatmap size", group, "cells of a side", "integer", 4, side)


def _colours() -> Iterator[Field]:
    group = "Colour"
    yield Field("rand_color", "colour jitter", group, "brightness, contrast and saturation", "switch")
    yield Field("jitter", "width of jitter", group, "gains are drawn from 1 ± this", "number", 0, 1, 0.05)
    yield Field("lighting", "lighting noise", group, "only with colour jitter", "switch")
    yield Field("lighting_std", "strength of lighting", group, "standard deviation", "number", 0, 2, 0.05)


def _attention(served: SamplerConfig) -> Iterator[Field]:
    most, longest = max(served.output_size), 2 * served.input_side
    for number, one in enumerate(served.attention):
        group = f"Attention map {number}"
        if one.size[0] == one.size[1]:
            yield Field(f"att_size_{number}", "size", group, "cells of a side", "integer", 1, most)
        meaning = "longer side of the boxes that mark it, in pixels"
        yield Field(f"att_from_{number}", "boxes from", group, meaning, "number", 0, longest)
        yield Field(f"att_to_{number}", "boxes to", group, meaning, "number", 0, longest)


def _is_free(served: SamplerConfig, name: str) -> bool:
    """Whether the family accepts both values of a switch."""
    if name not in BOOLEANS:
        return True
    other: dict[str, Any] = {name: not getattr(served, name)}
    try:
        family_of(replace(served, **other))
    except ConfigError:
        return False
    return True


def _with_served(field: Field, served: SamplerConfig) -> Field:
    value = values_of(served)[field.name]
    if field.kind == "switch" or value is None:
        return field
    if field.kind == "scales":
        return field.containing(min(value)).containing(max(value))
    return field.containing(value)


def changed_map(served: AttentionMap, side: int, longest: tuple[float, float], input_side: int) -> AttentionMap:
    """Return an attention map with other values; one of another size has the ratio with which it covers the input."""
    if side == served.size[0] and served.ratio * side >= input_side:
        return AttentionMap(served.size, served.ratio, longest)
    return AttentionMap((side, side), -(-input_side // side), longest)
