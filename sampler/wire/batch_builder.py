"""Builds a batch from its messages, checking each, until the trailer confirms it."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sampler.array_table import dense_table
from sampler.arrays import Arrays, Layout
from sampler.checks import require_integer
from sampler.config.schema import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.families.registry import family_of
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.memory.buffer_pool import BufferPool
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.array_format import array_formats, check_array
from sampler.wire.messages import PROTOCOL, Header, WireBatch, WireSample

FIRST_ALLOCATION = 256 << 20
"""Bytes of new memory that a header can make us allocate. More is allocated only as samples fill it."""

Data = bytes | bytearray


class _Fields(NamedTuple):
    """A sample without its arrays of fixed shape. varying: the data of the other arrays, by name."""

    key: SampleKey
    recipe: Recipe
    untagged: int
    varying: Mapping[str, Data]


class BatchBuilder:
    """Builds one batch after another. Arrays of fixed shape are stacked as they arrive, in memory from `row`.

    All methods raise ProtocolError for messages that violate the protocol or the array table.
    """

    def __init__(
        self, config: SamplerConfig, categories: int, layout: Layout, max_batch: int, memory: BufferPool
    ) -> None:
        """Expect batches in `layout` of at most `max_batch` samples. memory: for the stacked arrays."""
        self.formats = array_formats(config, categories, layout)
        self.header: Header | None = None
        self._config = config
        self._categories = categories
        self._layout: Layout = layout
        self._max_batch = max_batch
        self._memory = memory
        self._names = [array.name for array in self.formats]
        self._fixed = [array.spec for array in self.formats if array.letter is None]
        self._varying = [array for array in self.formats if array.letter is not None]
        self._row_bytes = {spec.name: spec.nbytes for spec in self._fixed}
        self._start()

    def _start(self) -> None:
        self.header = None
        self._samples: list[_Fields] = []
        self._capacity = 0
        self._stacked: Arrays = {}
        self._stacked_bytes: dict[str, memoryview] = {}

    @property
    def count(self) -> int:
        """Number of samples so far."""
        return len(self._samples)

    def expects(self, position: object) -> bool:
        """Whether the next sample may have this position."""
        return self.header is not None and type(position) is int and position == self.count < self.header.count

    def add_header(self, message: dict[str, Any]) -> None:
        """Start a batch."""
        if self.header is not None:
            raise ProtocolError("a header inside a batch: expected samples and a trailer first")
        if message["protocol"] != PROTOCOL:
            raise ProtocolError(f"protocol {message['protocol']!r}: expected {PROTOCOL}")
        if _count(message, "count") > self._max_batch:
            raise ProtocolError(f"a batch of {message['count']} samples: expected at most {self._max_batch}")
        if message["layout"] != self._layout:
            raise ProtocolError(f"layout {message['layout']!r}: expected {self._layout!r}, as requested")
        self.header = Header(
            digest=_typed(message, "digest", str),
            layout=self._layout,
            augment=_typed(message, "augment", bool),
            count=_count(message, "count"),
            step=None if message["step"] is None else _count(message, "step"),
        )

    def row(self, name: str) -> memoryview:
        """Return the memory for the next sample's array of this name, which must be of fixed shape."""
        if self.count == self._capacity:
            self._grow()
        size = self._row_bytes[name]
        return self._stacked_bytes[name][self.count * size : self.count * size + size]

    def _grow(self) -> None:
        """Allocate more rows: all at once if memory can be reused or they are small, step by step otherwise."""
        assert self.header is not None, "a row outside a batch"
        size, row_size = buffer_size(self._fixed, self.header.count), buffer_size(self._fixed, 1)
        memory = self._memory.borrow(size, max(FIRST_ALLOCATION, row_size, 2 * self._capacity * row_size))
        self._capacity = self.header.count if len(memory) >= size else len(memory) // row_size
        previous, self._stacked = self._stacked, buffer_arrays(memory, self._fixed, self._capacity)
        for name, array in previous.items():
            self._stacked[name][: len(array)] = array
        self._stacked_bytes = {name: array.reshape(-1).view(np.uint8).data for name, array in self._stacked.items()}

    def add_message(self, message: dict[str, Any]) -> None:
        """Add a sample that msgpack decoded."""
        if self.header is None:
            raise ProtocolError("a sample outside a batch: expected a header first")
        position = _count(message, "position")
        if not self.expects(position):
            raise ProtocolError(f"sample {position} of {self.header.count}: expected sample {self.count}")
        arrays = _typed(message, "arrays", dict)
        if list(arrays) != self._names:
            raise ProtocolError(f"sample {position} with arrays {list(arrays)}: expected {self._names}")
        lengths: dict[str, int] = {}
        data = {array.name: check_array(arrays[array.name], array.spec, lengths) for array in self.formats}
        for spec in self._fixed:
            self.row(spec.name)[:] = data[spec.name]
        self.add(message["key"], message["recipe"], message["untagged"], data)

    def add(self, key: object, recipe: object, untagged: object, varying: Mapping[str, Data]) -> None:
        """Add a sample whose arrays of fixed shape are in their rows. varying: the data of the others, by name."""
        place = self.count
        if not isinstance(key, dict):
            raise ProtocolError(f"sample {place}: key = {key!r}: expected dict")
        try:
            parsed = SampleKey(**key), Recipe.parse(recipe)
        except (SamplerError, TypeError) as error:
            raise ProtocolError(f"sample {place}: {error}") from error
        self._samples.append(_Fields(*parsed, require_integer("untagged", untagged, 0, error=ProtocolError), varying))

    def finish(self, message: dict[str, Any], digest: str) -> WireBatch:
        """Check the trailer and return the batch. digest: of the batch's bytes before the trailer."""
        if self.header is None:
            raise ProtocolError("a trailer outside a batch: expected a header first")
        varying = self._concatenated()
        parts = {name: self._split(name, array) for name, array in varying.items()}
        if self._samples:
            self._check_values(varying, parts)
        if message["status"] != "ok" or _count(message, "count") != self.header.count:
            raise ProtocolError(f"trailer {message!r}: expected status ok and count {self.header.count}")
        if self.count != self.header.count:
            raise ProtocolError(f"a trailer after {self.count} samples: expected {self.header.count}")
        if message["digest"] != digest:
            raise ProtocolError(f"payload digest {message['digest']!r}: expected {digest!r}")
        batch = WireBatch(self.header, self._wire_samples(parts), self._stacked)
        self._start()
        return batch

    def _concatenated(self) -> Arrays:
        """Return the arrays of varying length, by name, each concatenated over all samples."""
        arrays: Arrays = {}
        for array in self._varying:
            data = b"".join([sample.varying[array.name] for sample in self._samples])
            arrays[array.name] = np.frombuffer(data, array.spec.dtype).reshape(-1, *array.spec.shape[1:])
        return arrays

    def _split(self, name: str, concatenated: NDArray[Any]) -> list[NDArray[Any]]:
        """Return each sample's part of a concatenated array."""
        row_bytes = concatenated.itemsize * math.prod(concatenated.shape[1:])
        bounds = accumulate([len(sample.varying[name]) // row_bytes for sample in self._samples], initial=0)
        return [concatenated[start:stop] for start, stop in pairwise(bounds)]

    def _check_values(self, concatenated: Arrays, parts: Mapping[str, Sequence[NDArray[Any]]]) -> None:
        try:  # all samples in one pass, which is fast
            check_values(concatenated, self._layout, self._config, self._categories)
        except ProtocolError:  # sample by sample, so that the error is that of the first one
            for place in range(self.count):
                arrays = {name: arrays[place] for name, arrays in parts.items()}
                check_values(arrays, self._layout, self._config, self._categories)
            raise

    def _wire_samples(self, parts: Mapping[str, list[NDArray[Any]]]) -> tuple[WireSample, ...]:
        columns = [parts[name] if name in parts else self._read_only_rows(name) for name in self._names]
        arrays = [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]
        return tuple(
            [
                WireSample(place, sample.key, sample.recipe, sample.untagged, arrays[place])
                for place, sample in enumerate(self._samples)
            ]
        )

    def _read_only_rows(self, name: str) -> list[NDArray[Any]]:
        if not self._samples:
            return []
        view = self._stacked[name].view()
        view.flags.writeable = False
        return list(view)


def check_values(arrays: Arrays, layout: Layout, config: SamplerConfig, categories: int) -> None:
    """Raise ProtocolError for values that cannot be rendered: boxes or coordinates outside of their planes."""
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
        raise ProtocolError(f"boxes: expected 0 ≤ x0 ≤ x1 ≤ {config.input_side - 1}, and the same for y")
    if not ((category >= 1) & (category <= categories) & (category == np.floor(category))).all():
        raise ProtocolError(f"boxes: expected integer categories from 1 to {categories}")
    if (objects > 1).any() or (not family_of(config).ignores_boxes and not objects.all()):
        raise ProtocolError("objects: expected 1, or 0 for an ignored box if the config ignores boxes")


def _typed(message: Mapping[str, Any], field: str, kind: type) -> Any:
    value = message[field]
    if not isinstance(value, kind):
        raise ProtocolError(f"{field} = {value!r}: expected {kind.__name__}")
    return value


def _count(message: Mapping[str, Any], field: str) -> int:
    return require_integer(field, message[field], 0, error=ProtocolError)
