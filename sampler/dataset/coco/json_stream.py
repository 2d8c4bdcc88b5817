"""The JSON text of an annotation file as a stream: decompressed if it is gzip, refused if it is something else."""

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

from sampler.errors import AnnotationError
from sampler.text_files import GZIP, HEAD, foreign_format


class JsonStream:
    """Reads the text of an annotation file. `file` names it in errors."""

    def __init__(self, stream: BinaryIO, file: Path | str) -> None:
        """Start at the beginning of a stream. Raises AnnotationError if its format is not JSON, and OSError."""
        self.file = file
        self._stream = stream
        stream.seek(0)
        self.is_compressed = stream.read(len(GZIP)) == GZIP
        stream.seek(0)  # where decompression starts
        self._text: BinaryIO = gzip.GzipFile(fileobj=stream) if self.is_compressed else stream  # type: ignore[assignment] # reads the same
        self.rewind()
        if foreign := foreign_format(self.read(HEAD)):
            raise AnnotationError(file, self.place(0), foreign)
        self.rewind()

    def place(self, offset: int) -> str:
        """Name a byte of the text for errors."""
        return f"byte {offset} of the unpacked text" if self.is_compressed else f"byte {offset}"

    def rewind(self) -> None:
        """Go back to the beginning."""
        self._text.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes of text, none at the end. Raises AnnotationError if the compression is damaged."""
        if not self.is_compressed:
            return self._text.read(size)
        try:
            return self._text.read(size)
        except EOFError as error:
            cause = "the gzip file is truncated; copy or download it again"
            raise AnnotationError(self.file, f"byte {self._stream.tell()}", cause) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            cause = f"the gzip file is damaged ({error}); copy or download it again"
            raise AnnotationError(self.file, f"near byte {self._stream.tell()}", cause) from error
