"""The array table: which arrays a sample has, in each layout.

Allocation, the wire's checks, `/v1/spec`, the documentation and the tests all read this one table.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sampler.config.schema import SamplerConfig
from sampler.errors import InvalidRequestError

Layout = Literal["compact", "sparse", "dense"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)

Arrays = dict[str, NDArray[Any]]
Dimension = int | str


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """One array of a sample.

    shape: integers, or a letter for a length that varies; equal letters within a sample are equal lengths.
    background: the value an untouched element has.
    """

    name: str
    dtype: str
    shape: tuple[Dimension, ...]
    meaning: str
    background: float = 0

    def as_dict(self) -> dict[str, Any]:
        """The row as it stands in `/v1/spec`."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), "meaning": self.meaning,
                "background": self.background}  # fmt: skip


def heat_names(config: SamplerConfig) -> tuple[str, ...]:
    """Return the arrays of one plane per category, which travel as coordinates in the sparse layout."""
    names = ("tl_heats", "br_heats")
    return (*names, "tl_valids", "br_valids") if config.kind == "saccade" else names


def dense_table(config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
    """Return the arrays a training step takes. categories: C, the dataset's category count."""
    height, width = config.output_size
    planes, rows = (categories, height, width), config.max_objects
    table = [ArraySpec("images", "<f4", (3, *config.input_size), "normalised image, channels B, G, R")]
    for corner, words in (("tl", "top-left"), ("br", "bottom-right")):
        table += [
            ArraySpec(
                f"{corner}_heats",
                "<f4",
                planes,
                f"bumps of peak 1 at {words} corners of objects, by category",
            ),
            ArraySpec(f"{corner}_regrs", "<f4", (rows, 2), f"x and y offset of the {words} corner in its cell, 0–1"),
            ArraySpec(f"{corner}_tags", "<i8", (rows,), f"cell of the {words} corner, y · {width} + x"),
        ]
        if config.kind == "saccade":
            meaning = f"0 around {words} corners of ignored boxes, 1 elsewhere, by category"
            table.append(ArraySpec(f"{corner}_valids", "<f4", planes, meaning, background=1))
    table.append(ArraySpec("tag_masks", "|u1", (rows,), "1 for rows of regrs and tags that hold an object"))
    for number, attention in enumerate(config.attention):
        low, high = attention.longest
        meaning = f"1 at centres of boxes whose longer side is {low:g}–{high:g} pixels"
        table.append(ArraySpec(f"attentions_{number}", "<f4", (1, *attention.size), meaning))
    return tuple(table)


def sparse_table(config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
    """Return the dense table with each heatmap and valid mask as coordinates and values."""
    table: list[ArraySpec] = []
    planes = heat_names(config)
    for spec in dense_table(config, categories):
        if spec.name not in planes:
            table.append(spec)
            continue
        letter = f"K{planes.index(spec.name)}"
        where = f"category, y, x where {spec.name} is not {spec.background:g}, ascending"
        table.append(ArraySpec(f"{spec.name}_idx", "<i4", (letter, 3), where))
        table.append(ArraySpec(f"{spec.name}_val", "<f4", (letter,), f"{spec.name} at these places"))
    return tuple(table)


def compact_table(config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:  # noqa: ARG001 - one signature for all three tables
    """Return what is left when the receiver renders: pixels, colour and boxes."""
    return (
        ArraySpec("crop", "|u1", (*config.input_size, 3), "pixels after scale, crop and flip, B, G, R"),
        ArraySpec("colour", "<f4", (3, 4), "matrix from a pixel (B, G, R, 1) to the normalised image"),
        ArraySpec("boxes", "<f4", ("N", 5), "x0, y0, x1, y1 in crop pixels, category 1…C"),
        ArraySpec("objects", "|u1", ("N",), "1 for an object, 0 for an ignored box"),
    )


TABLES = {"compact": compact_table, "sparse": sparse_table, "dense": dense_table}


def array_table(layout: str, config: SamplerConfig, categories: int) -> tuple[ArraySpec, ...]:
    """Return the array table of a layout. Raises `InvalidRequestError` for an unknown one."""
    if layout not in TABLES:
        raise InvalidRequestError("layout", layout, f"one of {', '.join(LAYOUTS)}")
    return TABLES[layout](config, categories)


def allocate(config: SamplerConfig, categories: int, batch: int | None = None) -> Arrays:
    """Return dense arrays filled with their backgrounds; with `batch`, each has that many samples in front."""
    front = () if batch is None else (batch,)
    return {
        spec.name: np.full((*front, *(int(side) for side in spec.shape)), spec.background, spec.dtype)
        for spec in dense_table(config, categories)
    }


def largest_sample(layout: Layout, config: SamplerConfig, categories: int) -> int:
    """Return how many bytes of arrays a sample has, taking lengths that vary to be `max_objects` boxes."""
    total = 0
    for spec in array_table(layout, config, categories):
        sides = [side if isinstance(side, int) else config.max_objects for side in spec.shape]
        total += int(np.prod(sides)) * np.dtype(spec.dtype).itemsize
    return total
