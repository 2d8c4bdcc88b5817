"""Everything the sampler can raise, as one tree: catch `SamplerError` to catch it all.

Each error holds its parts as attributes, so that a server can put them into a problem document and a person
can read them in one line.
"""

from pathlib import Path
from typing import Self


class SamplerError(Exception):
    """Base of all errors of this package."""

    @classmethod
    def of_field(cls, field: str, value: object, expected: str) -> Self:
        """Return the error for a field with a wrong value; `expected` says what is right."""
        return cls(f"{field} = {value!r}: expected {expected}")


class ConfigError(SamplerError):
    """A config field, preset name or config file is not usable. The message names field, value and range."""


class UnknownFamilyError(ConfigError):
    """A config names a detector family by an import path that is not registered in this process."""


class InvalidRequestError(SamplerError):
    """A caller's value is out of range (an index, a step, a rank).

    `field`, `value` and `expected` say which, what it was, and what would be right.
    """

    @classmethod
    def of_field(cls, field: str, value: object, expected: str) -> Self:
        return cls(field, value, expected)

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} = {value!r}: expected {expected}")
        self.field = field
        self.value = value
        self.expected = expected


class AnnotationError(SamplerError):
    """An annotation file cannot be used: `file`, the `place` in it, and the `cause`."""

    def __init__(self, file: Path | str, place: str, cause: str) -> None:
        super().__init__(f"{file}: {place}: {cause}" if place else f"{file}: {cause}")
        self.file = str(file)
        self.place = place
        self.cause = cause


class ImageError(SamplerError):
    """An image cannot be read as annotated: `file`, the `cause`, its `kind`, and the `index` where it is known.

    `kind` is one of "missing", "unreadable", "mis-sized", "too-large".
    """

    def __init__(self, file: Path | str, kind: str, cause: str, index: int | None = None) -> None:
        where = f"image {index} ({file})" if index is not None else f"image {file}"
        super().__init__(f"{where}: {cause}")
        self.file = str(file)
        self.kind = kind
        self.cause = cause
        self.index = index

    def at(self, index: int) -> "ImageError":
        """The same error, naming the dataset index it belongs to."""
        return ImageError(self.file, self.kind, self.cause, index)

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str, str, int | None]]:
        return ImageError, (self.file, self.kind, self.cause, self.index)


class RecipeError(SamplerError):
    """A recorded recipe is malformed or does not fit the image and boxes it is applied to."""


class ProtocolError(SamplerError):
    """Bytes from the wire are not what the protocol allows. Nothing half-built is ever returned."""
