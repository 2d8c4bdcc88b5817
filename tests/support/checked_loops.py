"""The loops for JPEG data as plain Python, with every access to memory and every shift checked.

Compiled, they read and write addresses without any check. Here an address is the number of an array, times 2⁴⁰, plus an
offset, so that one outside an array is noticed.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from sampler.kernels.compiled import jpeg_blocks, jpeg_lookup, jpeg_scan, jpeg_table, jpeg_window, jpeg_words
from sampler.kernels.compiled.jit import Kernel

MODULES = (jpeg_words, jpeg_lookup, jpeg_blocks, jpeg_scan, jpeg_table, jpeg_window)
ARRAY = 1 << 40
"""Addresses from one array to the next."""


class Word(int):
    """A uint64 as compiled code has it: shifts by 64 or more are undefined."""

    def __new__(cls, value: int) -> "Word":
        return super().__new__(cls, int(value) & 0xFFFF_FFFF_FFFF_FFFF)

    def __lshift__(self, count: int) -> "Word":
        assert 0 <= count < 64, f"shift by {count}"
        return Word(int(self) << int(count))

    def __rshift__(self, count: int) -> "Word":
        assert 0 <= count < 64, f"shift by {count}"
        return Word(int(self) >> int(count))

    def __or__(self, other: int) -> "Word":
        return Word(int(self) | int(other))

    def __and__(self, other: int) -> "Word":
        return Word(int(self) & int(other))

    def __sub__(self, other: int) -> "Word":
        return Word(int(self) - int(other))

    def __invert__(self) -> "Word":
        return Word(~int(self))


class Memory:
    """Arrays by address. Each is kept, so that no other gets its place."""

    def __init__(self) -> None:
        self._arrays: list[Any] = []
        self._numbers: dict[tuple[int, int], int] = {}

    def address_of(self, array: Any) -> int:
        number = self._numbers.setdefault((array.ctypes.data, array.nbytes), len(self._arrays))
        if number == len(self._arrays):
            self._arrays.append(array)
        return (number + 1) * ARRAY + ARRAY // 2

    def _bytes(self, address: int, count: int) -> Any:
        number, offset = divmod(int(address), ARRAY)
        array, place = self._arrays[number - 1], offset - ARRAY // 2
        assert 0 <= place <= array.nbytes - count, f"byte {place} of {array.nbytes}"
        return array.reshape(-1).view(np.uint8)[place : place + count]

    def load(self, address: int, count: int) -> int:
        return int.from_bytes(self._bytes(address, count).tobytes(), "little", signed=count == 8)

    def load_word(self, address: int) -> Word:
        return Word(int.from_bytes(self._bytes(address, 8).tobytes()))

    def store(self, address: int, value: Any) -> None:
        count = 1 if type(value) is np.uint8 else 8
        content = int(value).to_bytes(count, "little", signed=count == 8)
        self._bytes(address, count)[:] = np.frombuffer(content, np.uint8)

    def store_word(self, address: int, word: int) -> None:
        self._bytes(address, 8)[:] = np.frombuffer(int(word).to_bytes(8), np.uint8)


def _signed(value: int) -> int:
    number = int(value) & 0xFFFF_FFFF_FFFF_FFFF
    return number - (1 << 64) if number >> 63 else number


def _byte(value: int) -> np.uint8:
    return np.uint8(int(value) & 0xFF)


class Array(np.ndarray[Any, Any]):
    """An array whose elements are plain integers, which compiled code widens too."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return int(found) if isinstance(found, np.integer) else found


def _widened(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_widened(one) for one in value)
    return value.view(Array) if isinstance(value, np.ndarray) else value


def _entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel that Python calls."""
    return lambda *args: function(*_widened(args))


class Numbers:
    """NumPy for the loops: numbers as compiled code has them, arrays as NumPy has them."""

    uint64, int64, uint8 = Word, staticmethod(_signed), staticmethod(_byte)
    uint16, uint32 = np.uint16, np.uint32

    def __getattr__(self, name: str) -> Any:
        """Return a function that makes an array."""
        types = {id(Word): np.uint64, id(_signed): np.int64, id(_byte): np.uint8}
        return lambda *args: _widened(getattr(np, name)(*(types.get(id(one), one) for one in args)))


@contextmanager
def checked_loops() -> Iterator[None]:
    """Let the loops run as plain Python in this context."""
    memory = Memory()
    replaced: dict[str, Any] = {
        "np": Numbers(), "address": memory.address_of, "load_word": memory.load_word, "store": memory.store,
        "store_word": memory.store_word, "load_byte": lambda address: memory.load(address, 1),
        "load_short": lambda address: memory.load(address, 2), "load_int": lambda address: memory.load(address, 4),
        "load_long": lambda address: memory.load(address, 8),
    }  # fmt: skip
    with ExitStack() as stack:
        for module in MODULES:
            names = vars(module)
            new: dict[str, Any] = {name: value.function for name, value in names.items() if isinstance(value, Kernel)}
            new |= {kernel.function.__name__: _entry(kernel.function) for kernel in getattr(module, "KERNELS", ())}
            new |= {name: Word(int(value)) for name, value in names.items() if isinstance(value, np.uint64)}
            new |= {name: value for name, value in replaced.items() if name in names}
            stack.enter_context(patch.multiple(module, **new))
        yield
