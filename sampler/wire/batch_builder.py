"""A batch on its way in: the samples of one header, checked one by one, until their trailer comes."""

import math
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampler.arrays import Arrays, Layout
from sampler.config.schema import SamplerConfig
from sampler.errors import ProtocolError, SamplerError
from sampler.layouts.batch_buffer import buffer_arrays, buffer_size
from sampler.memory.buffer_pool import BufferPool
from sampler.recipe import Recipe
from sampler.stream.keys import SampleKey
from sampler.wire.array_checks import check_values, read_array
from sampler.wire.messages import PROTOCOL, Header, WireBatch, WireSample
from sampler.wire.plan import wire_plan

FIRST_ROOM = 256 << 20
"""Bytes of fresh memory that a header may ask for; more only as samples come to fill it."""

Name = tuple[SampleKey, Recipe, int]
Row = tuple[SampleKey, Recipe, int, Mapping[str, bytes | bytearray]]


class BatchAssembly:
    """One batch at a time, its arrays beneath one another as they come.

    Arrays of fixed shape are received in place: `row` says where. All methods raise `ProtocolError` for what is not
    as the array table and the protocol have it.
    """

    def __init__(
        self, config: SamplerConfig, categories: int, layout: Layout, max_batch: int, memory: BufferPool
    ) -> None:
        """Expect batches in `layout`, of at most `max_batch` samples. memory: where their arrays are to lie."""
        plan = wire_plan(config, categories, layout)
        self.table = plan.table
        self.header: Header | None = None
        self._config = config
        self._categories = categories
        self._layout: Layout = layout
        self._max_batch = max_batch
        self._memory = memory
        self._names = [spec.name for spec in self.table]
        self._fixed = plan.fixed
        self._one = plan.one
        self._rows: list[Row] = []
        self._room = 0
        self._stacks: Arrays = {}
        self._flat: dict[str, memoryview] = {}
        self._row_bytes = plan.row_bytes

    @property
    def count(self) -> int:
        """How many samples there are so far."""
        return len(self._rows)

    def expects(self, position: object) -> bool:
        """Whether a sample at this position may come next."""
        return self.header is not None and type(position) is int and position == self.count < self.header.count

    def begin(self, message: dict[str, Any]) -> None:
        """Take a header."""
        if self.header is not None:
            raise ProtocolError("a header inside a batch: expected samples and a trailer first")
        if message["protocol"] != PROTOCOL:
            raise ProtocolError(f"protocol {message['protocol']!r}: expected {PROTOCOL}")
        if _count(message, "count") > self._max_batch:
            raise ProtocolError(f"a batch of {message['count']} samples: expected at most {self._max_batch}")
        if message["layout"] != self._layout:
            raise ProtocolError(f"layout {message['layout']!r}: expected {self._layout!r}, as asked")
        self.header = Header(
            digest=_typed(message, "digest", str),
            layout=self._layout,
            augment=_typed(message, "augment", bool),
            count=_count(message, "count"),
            step=None if message["step"] is None else _count(message, "step"),
        )

    def row(self, name: str) -> memoryview:
        """Return where the data of the next sample's array of this name belongs, if it is of fixed shape."""
        place = len(self._rows)
        if place == self._room:
            self._make_room()
        size = self._row_bytes[name]
        return self._flat[name][place * size : place * size + size]

    def add_message(self, message: dict[str, Any]) -> None:
        """Take a sample's message, whatever way it was written."""
        if self.header is None:
            raise ProtocolError("a sample outside a batch: expected a header first")
        position = _count(message, "position")
        if not self.expects(position):
            raise ProtocolError(f"sample {position} of {self.header.count}: expected sample {self.count}")
        arrays = _typed(message, "arrays", dict)
        if list(arrays) != self._names:
            raise ProtocolError(f"sample {position} with arrays {list(arrays)}: expected {self._names}")
        lengths: dict[str, int] = {}
        varying = {}
        for spec in self.table:
            read_array(arrays[spec.name], spec, lengths)
            if spec.is_fixed:
                self.row(spec.name)[:] = arrays[spec.name][b"data"]
            else:
                varying[spec.name] = arrays[spec.name][b"data"]
        self.add(message["key"], message["recipe"], message["untagged"], varying)

    def add(self, key: object, recipe: object, untagged: object, varying: Mapping[str, bytes | bytearray]) -> None:
        """Take what else a sample has once its arrays of fixed shape are in their rows."""
        self._rows.append((*_named(self.count, key, recipe, untagged), varying))

    def finish(self, message: dict[str, Any], digest: str) -> WireBatch:
        """Take a trailer and return the batch. digest: of the bytes that came before it."""
        if self.header is None:
            raise ProtocolError("a trailer outside a batch: expected a header first")
        together = self._varying()
        values = self._cut(together)
        if self._rows:
            self._check_values(together, values)
        if message["status"] != "ok" or _count(message, "count") != self.header.count:
            raise ProtocolError(f"trailer {message!r}: expected status ok and count {self.header.count}")
        if self.count != self.header.count:
            raise ProtocolError(f"a trailer after {self.count} samples: expected {self.header.count}")
        if message["digest"] != digest:
            raise ProtocolError(f"payload digest {message['digest']!r}: expected {digest!r}")
        batch = WireBatch(self.header, self._samples(values), self._stacks)
        self.header, self._rows, self._room, self._stacks, self._flat = None, [], 0, {}, {}
        return batch

    def _make_room(self) -> None:
        """Have more rows: all at once from memory that was used before or is modest, otherwise step by step."""
        assert self.header is not None, "a row outside a batch"
        whole = buffer_size(self._fixed, self.header.count)
        memory = self._memory.borrow(whole, max(FIRST_ROOM, self._one, 2 * self._room * self._one))
        room = self.header.count if len(memory) >= whole else len(memory) // self._one
        before, self._stacks, self._room = self._stacks, buffer_arrays(memory, self._fixed, room), room
        for name, stack in before.items():
            self._stacks[name][: len(stack)] = stack
        self._flat = {name: stack.reshape(-1).view(np.uint8).data for name, stack in self._stacks.items()}

    def _varying(self) -> Arrays:
        """Return the arrays of varying length, by name, each of all samples one after the other."""
        together: Arrays = {}
        for spec in self.table:
            if not spec.is_fixed:
                parts = b"".join([row[3][spec.name] for row in self._rows])
                together[spec.name] = np.frombuffer(parts, spec.dtype).reshape(-1, *spec.shape[1:])
        return together

    def _cut(self, together: Arrays) -> dict[str, list[NDArray[Any]]]:
        """Return each sample's part of the arrays of varying length."""
        cut: dict[str, list[NDArray[Any]]] = {}
        for name, whole in together.items():
            width = whole.itemsize * math.prod(whole.shape[1:])
            ends = accumulate([len(row[3][name]) // width for row in self._rows], initial=0)
            cut[name] = [whole[start:end] for start, end in pairwise(ends)]
        return cut

    def _check_values(self, together: Arrays, values: dict[str, list[NDArray[Any]]]) -> None:
        try:  # all samples at once, for that is what is right as a rule and quickly seen
            check_values(together, self._layout, self._config, self._categories)
        except ProtocolError:
            for place in range(self.count):
                one = {name: parts[place] for name, parts in values.items()}
                check_values(one, self._layout, self._config, self._categories)
            raise

    def _samples(self, values: dict[str, list[NDArray[Any]]]) -> tuple[WireSample, ...]:
        columns: list[list[NDArray[Any]]] = []
        for name in self._names:
            if name in values:
                columns.append(values[name])
            else:
                stack = self._stacks[name].view() if self._rows else np.empty(0)
                stack.flags.writeable = False
                columns.append(list(stack))
        arrays = [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]
        return tuple(
            [
                WireSample(place, key, recipe, untagged, arrays[place])
                for place, (key, recipe, untagged, _) in enumerate(self._rows)
            ]
        )


def _named(place: int, key: object, recipe: object, untagged: object) -> Name:
    if not isinstance(key, dict):
        raise ProtocolError(f"sample {place}: key = {key!r}: expected dict")
    try:
        named, parsed = SampleKey(**key), Recipe.parse(recipe)
    except (SamplerError, TypeError) as error:
        raise ProtocolError(f"sample {place}: {error}") from error
    if type(untagged) is not int or untagged < 0:
        raise ProtocolError(f"untagged = {untagged!r}: expected a whole number")
    return named, parsed, untagged


def _typed(message: Mapping[str, Any], field: str, kind: type) -> Any:
    value = message[field]
    if not isinstance(value, kind):
        raise ProtocolError(f"{field} = {value!r}: expected {kind.__name__}")
    return value


def _count(message: Mapping[str, Any], field: str) -> int:
    value = message[field]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ProtocolError(f"{field} = {value!r}: expected a whole number")
    return value
