"""All errors of the sampler. Catch `SamplerError` to catch every one of them.

Each error has a message of one line, and its parts as attributes for the server's problem documents.
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
    """A config field, preset name or config file is invalid. The message names field, value and range."""


class UnknownFamilyError(ConfigError):
    """A config names a detector family by an import path that is not registered in this process."""


class InvalidRequestError(SamplerError):
    """A caller's value is out of range, such as an index, a step or a rank.

    Attributes:
        field: Name of the value.
        value: The value.
        expected: What it should be.
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
    """An annotation file cannot be used.

    Attributes:
        file: The annotation file.
        place: Where in the file, or "".
        cause: What is wrong.
    """

    def __init__(self, file: Path | str, place: str, cause: str) -> None:
        super().__init__(f"{file}: {place}: {cause}" if place else f"{file}: {cause}")
        self.file = str(file)
        self.place = place
        self.cause = cause


class ImageError(SamplerError):
    """An image cannot be read as annotated.

    Attributes:
        file: The image file.
        kind: "missing", "unreadable", "mis-sized" or "too-large".
        cause: What is wrong.
        index: Dataset index of the image, if known.
    """

    def __init__(self, file: Path | str, kind: str, cause: str, index: int | None = None) -> None:
        where = f"image {index} ({file})" if index is not None else f"image {file}"
        super().__init__(f"{where}: {cause}")
        self.file = str(file)
        self.kind = kind
        self.cause = cause
        self.index = index

    def at(self, index: int) -> "ImageError":
        """Return the same error with a dataset index."""
        return ImageError(self.file, self.kind, self.cause, index)

    def __reduce__(self) -> tuple[type["ImageError"], tuple[str, str, str, int | None]]:
        return ImageError, (self.file, self.kind, self.cause, self.index)


class RecipeError(SamplerError):
    """A recorded recipe is malformed or does not fit the image and boxes it is applied to."""


class ProtocolError(SamplerError):
    """Received bytes break the protocol. No partial result is returned."""
