"""Checking arrays from the wire against the array table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import dense_table
from sampler.arrays import Arrays, ArraySpec
from sampler.config.schema import SamplerConfig
from sampler.errors import ProtocolError
from sampler.families.registry import family_of

ARRAY_KEYS = {b"nd", b"type", b"kind", b"shape", b"data"}


def read_array(value: object, spec: ArraySpec, lengths: dict[str, int]) -> NDArray[Any]:
    """Return the read-only array that a wire map stands for.

    lengths: what each letter of a varying shape was found to be so far in this sample; it is added to. Raises
    `ProtocolError` where dtype, shape or length are not what `spec` says, and for pickled objects.
    """
    if not isinstance(value, dict) or set(value) != ARRAY_KEYS or value[b"nd"] is not True:
        raise ProtocolError(f"{spec.name}: expected an array map with keys {sorted(map(repr, ARRAY_KEYS))}")
    if value[b"kind"] != b"" or value[b"type"] != spec.dtype:
        found = f"kind {value[b'kind']!r}, dtype {value[b'type']!r}"
        raise ProtocolError(f"{spec.name}: {found}: expected plain numbers of dtype {spec.dtype}; objects are refused")
    shape = _shape(value[b"shape"], spec, lengths)
    data = value[b"data"]
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(spec.dtype).itemsize
    if not isinstance(data, bytes) or len(data) != size:
        found = f"{len(data)} bytes" if isinstance(data, bytes) else type(data).__name__
        raise ProtocolError(f"{spec.name}: data is {found}: expected {size} bytes for shape {shape}")
    return np.frombuffer(data, spec.dtype).reshape(shape)


def _shape(value: object, spec: ArraySpec, lengths: dict[str, int]) -> tuple[int, ...]:
    plain = isinstance(value, list) and all(type(side) is int and 0 <= side < 1 << 31 for side in value)
    if not isinstance(value, list) or not plain or len(value) != len(spec.shape):
        raise ProtocolError(f"{spec.name}: shape {value!r}: expected {list(spec.shape)}")
    for found, wanted in zip(value, spec.shape, strict=True):
        expected = lengths.setdefault(wanted, found) if isinstance(wanted, str) else wanted
        if found != expected:
            raise ProtocolError(f"{spec.name}: shape {value}: expected {list(spec.shape)} with {lengths}")
    return tuple(value)


def check_values(arrays: Arrays, layout: str, config: SamplerConfig, categories: int) -> None:
    """Raise `ProtocolError` for values that rendering could not place: boxes or coordinates outside their planes."""
    if layout == "compact":
        _check_boxes(arrays, config, categories)
    elif layout == "sparse":
        for spec in dense_table(config, categories):
            if spec.sparse is None:
                continue
            places = arrays[f"{spec.name}_idx"]
            if places.size and (places.min() < 0 or (places >= np.array(spec.shape)).any()):
                raise ProtocolError(f"{spec.name}_idx: a coordinate outside {list(spec.shape)}")


def _check_boxes(arrays: Arrays, config: SamplerConfig, categories: int) -> None:
    boxes, objects = arrays["boxes"], arrays["objects"]
    corners, category = boxes[:, :4], boxes[:, 4]
    inside = (corners >= 0) & (corners <= config.input_side - 1)  # NaN compares false
    if not inside.all() or (corners[:, :2] > corners[:, 2:]).any():
        raise ProtocolError(f"boxes: expected 0 ≤ x0 ≤ x1 ≤ {config.input_side - 1}, and y alike")
    if not ((category >= 1) & (category <= categories) & (category == np.floor(category))).all():
        raise ProtocolError(f"boxes: expected whole categories from 1 to {categories}")
    if (objects > 1).any() or (not family_of(config).ignores_boxes and not objects.all()):
        raise ProtocolError("objects: expected 1, or 0 for an ignored box where the config ignores boxes")
