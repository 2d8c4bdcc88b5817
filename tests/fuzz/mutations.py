"""Changes of bytes, as damage and attackers make them."""

from collections.abc import Callable, Sequence
from random import Random

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62,
            (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
"""Integers at which sizes, counts and offsets overflow."""

_ENDS = 256
"""Bytes at either end of an input, where headers and trailers are. Half of all changes are there."""

_LONGEST = 64

Change = Callable[[bytearray, int, Random], None]
"""Changes bytes in place, at a position."""


def mutate(data: bytes, rng: Random, others: Sequence[bytes] = (), most: int = 4) -> bytes:
    """Return `data` with one to `most` random changes, or spliced with one of `others`."""
    changed = bytearray(data)
    if others and rng.random() < 0.1:
        return _spliced(data, rng.choice(others), rng)
    for _ in range(rng.randint(1, most)):
        rng.choice(_CHANGES)(changed, place_in(len(changed), rng), rng)
    return bytes(changed)


def place_in(length: int, rng: Random) -> int:
    """Return a position in bytes of a length, often near an end."""
    if rng.random() < 0.5:
        return rng.randrange(length + 1)
    near = rng.randrange(min(_ENDS, length) + 1)
    return near if rng.random() < 0.6 else length - near


def _spliced(one: bytes, other: bytes, rng: Random) -> bytes:
    return one[: place_in(len(one), rng)] + other[place_in(len(other), rng) :]


def _flip_bit(data: bytearray, at: int, rng: Random) -> None:
    if at < len(data):
        data[at] ^= 1 << rng.randrange(8)


def _set_byte(data: bytearray, at: int, rng: Random) -> None:
    data[at : at + 1] = bytes([rng.choice((0, 0xFF, rng.randrange(256)))])


def _put_number(data: bytearray, at: int, rng: Random) -> None:
    width = rng.choice((1, 2, 4, 8))
    number = (rng.choice(_NUMBERS) + rng.choice((-1, 0, 0, 1))) % (1 << 8 * width)
    data[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))


def _remove(data: bytearray, at: int, rng: Random) -> None:
    del data[at : at + rng.randint(1, _LONGEST)]


def _truncate(data: bytearray, at: int, rng: Random) -> None:
    del data[at:]


def _insert(data: bytearray, at: int, rng: Random) -> None:
    data[at:at] = rng.randbytes(rng.randint(1, _LONGEST))


def _repeat(data: bytearray, at: int, rng: Random) -> None:
    data[at:at] = data[at : at + rng.randint(1, _LONGEST)] * rng.choice((1, 1, 2, 50))


def _move(data: bytearray, at: int, rng: Random) -> None:
    count, other = rng.randint(1, _LONGEST), place_in(len(data), rng)
    data[at : at + count] = data[other : other + count]


def _fill(data: bytearray, at: int, rng: Random) -> None:
    count = rng.randint(1, _LONGEST)
    data[at : at + count] = (rng.choice((b"\0", b"\xff", b"\xff\0", b"\xff\xd0", b"[", b'"')) * count)[:count]


_CHANGES: tuple[Change, ...] = (
    _flip_bit, _flip_bit, _set_byte, _put_number, _put_number, _remove, _truncate, _insert, _repeat, _move, _fill,
)  # fmt: skip
