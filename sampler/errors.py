"""All errors of the sampler as one tree: catch `SamplerError` to catch any of them.

Each error carries its parts as attributes, for problem documents, and prints as one line.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from sampler.printable import printable, shown


class SamplerError(Exception):
    """Base of all errors of this package."""

    def __reduce__(self) -> tuple[Callable[..., "SamplerError"], tuple[Any, ...]]:
        """Pickle the message and the parts. `Exception` would call the class with the message alone."""
        return _restored, (type(self), self.args, self.__dict__)

    @classmethod
    def of_field(cls, field: str, value: object, expected: str) -> Self:
        """Return the error for a field with a wrong value; `expected` says what is right."""
        return cls(f"{field} = {shown(value)}: expected {expected}")


class ConfigError(SamplerError):
    """A config field, preset name or config file is invalid. The message names field, value and range."""


class UnknownFamilyError(ConfigError):
    """A config names a detector family by an import path that is not registered in this process."""


class InvalidRequestError(SamplerError):
    """A value given by the caller is out of range (an index, a step, a rank).

    Attributes:
        field: Name of the value.
        value: The value itself.
        expected: The valid values, in words.
    """

    @classmethod
    def of_field(cls, field: str, value: object, expected: str) -> Self:
        return cls(field, value, expected)

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(f"{field} = {shown(value)}: expected {expected}")
        self.field = field
        self.value = value
        self.expected = expected


class AnnotationError(SamplerError):
    """An annotation file or its index cannot be used.

    Attributes:
        file: The annotation file, or the folder of the index.
        place: JSON path or byte position in the file, "" if the error concerns the whole file.
        cause: The problem, in words.
    """

    def __init__(self, file: Path | str, place: str, cause: str) -> None:
        super().__init__(f"{file}: {place}: {cause}" if place else f"{file}: {cause}")
        self.file = str(file)
        self.place = place
        self.cause = cause


class CacheError(SamplerError):
    """The cache folder is unknown, or something in it cannot be read for a reason that is not its content."""


class ImageListError(SamplerError):
    """A file of image ids cannot be used.

    Attributes:
        file: The file.
        cause: The problem, in words.
    """

    def __init__(self, file: Path | str, cause: str) -> None:
        super().__init__(f"{file}: {cause}")
        self.file = str(file)
        self.cause = cause


class ImageSourceError(SamplerError):
    """The images of a dataset cannot be reached at all. The message names the location."""


class ImageError(SamplerError):
    """An image cannot be read as annotated.

    Attributes:
        file: Where the image is: its path or URL.
        kind: "missing", "unreadable", "mis-sized", "too-large", "damaged", "changed" or "outside".
        cause: The problem, in words.
        index: Index of the image in the dataset, if known.
    """

    def __init__(self, file: Path | str, kind: str, cause: str, index: int | None = None) -> None:
        shown = printable(str(file))
        where = f"image {index} ({shown})" if index is not None else f"image {shown}"
        super().__init__(f"{where}: {cause}")
        self.file = str(file)
        self.kind = kind
        self.cause = cause
        self.index = index

    def at(self, index: int) -> "ImageError":
        """Return the same error with the index of the image."""
        return ImageError(self.file, self.kind, self.cause, index)


class HashError(SamplerError):
    """The recorded hashes of a dataset's images cannot be used or written.

    Attributes:
        file: The file of the hashes.
        cause: The problem, in words.
    """

    def __init__(self, file: Path, cause: str) -> None:
        super().__init__(f"{file}: {cause}")
        self.file = str(file)
        self.cause = cause


class StoreError(SamplerError):
    """A decoded store cannot be used or written.

    Attributes:
        folder: The folder of the store.
        cause: The problem, in words.
    """

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(f"{folder}: {cause}")
        self.folder = folder
        self.cause = cause


class CaseError(SamplerError):
    """A recorded sample cannot be read or replayed.

    Attributes:
        file: The file of recorded samples.
        case: The name of the sample, "" if the error concerns the whole file.
        cause: The problem, in words.
    """

    def __init__(self, file: Path | str, case: str, cause: str) -> None:
        super().__init__(": ".join(part for part in (str(file), case, cause) if part))
        self.file = str(file)
        self.case = case
        self.cause = cause


class RecipeError(SamplerError):
    """A recorded recipe is malformed or does not fit its image and boxes."""


class ProtocolError(SamplerError):
    """Bytes from the wire violate the protocol. No partial result is returned."""


def _restored(kind: type[SamplerError], args: tuple[Any, ...], parts: Mapping[str, Any]) -> SamplerError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(parts)
    return error
