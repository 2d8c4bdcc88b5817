"""Image file directories: the structure that TIFF files and Exif data share."""

import struct
from dataclasses import dataclass

ORIENTATION = 0x0112
"""Tag of the orientation, 1 to 8. 1 is as stored, 5 to 8 exchange width and height."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of one value of each field type."""

_INTEGERS = {3: "H", 4: "I", 16: "Q"}
"""`struct` codes of the field types SHORT, LONG and LONG8."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a directory.

    Attributes:
        value: The value of a field with a single integer, None for others.
        place: Where the value, or the offset of the values, begins.
        complete: Whether type and length are valid and all values are within the data.
    """

    tag: int
    type: int
    value: int | None
    place: int
    complete: bool


def read_directory(data: bytes) -> list[Field]:
    """Return the fields of the first directory, in file order, of classic TIFF, BigTIFF or Exif data.

    Raises:
        ValueError: The data does not begin with a complete directory.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise ValueError("no byte order mark")
    try:
        if struct.unpack_from(order + "H", data, 2)[0] == 43:
            return _fields(data, order, struct.unpack_from(order + "Q", data, 8)[0], "Q", "HHQ8s")
        if struct.unpack_from(order + "H", data, 2)[0] == 42:
            return _fields(data, order, struct.unpack_from(order + "I", data, 4)[0], "H", "HHI4s")
    except (struct.error, OverflowError) as error:
        raise ValueError("the directory is incomplete") from error
    raise ValueError("not a TIFF header")


def _fields(data: bytes, order: str, offset: int, count_code: str, entry_code: str) -> list[Field]:
    count = struct.unpack_from(order + count_code, data, offset)[0]
    entry = struct.Struct(order + entry_code)
    at = offset + struct.calcsize(count_code)
    if at + count * entry.size > len(data):
        raise ValueError("the directory is incomplete")
    fields = []
    for start in range(at, at + count * entry.size, entry.size):
        tag, kind, length, raw = entry.unpack_from(data, start)
        code = _INTEGERS.get(kind) if length == 1 else None
        fits = code is not None and struct.calcsize(code) <= len(raw)
        value = struct.unpack_from(order + code, raw)[0] if code is not None and fits else None
        nbytes = _SIZES.get(kind, 0) * length
        end = int.from_bytes(raw, "little" if order == "<" else "big") + nbytes if nbytes > len(raw) else 0
        complete = nbytes > 0 and end <= len(data)
        fields.append(Field(tag, kind, value, start + entry.size - len(raw), complete))
    return fields


def as_stored(data: bytes) -> bytes:
    """Return a TIFF file without its orientation."""
    changed = bytearray(data)
    for field in read_directory(data):
        if field.tag == ORIENTATION and field.type == 3:
            changed[field.place : field.place + 2] = b"\0\1" if data[:1] == b"M" else b"\1\0"
    return bytes(changed)
