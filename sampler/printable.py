"""Text from outside, such as file names, made safe for messages, logs and terminals."""

import os
import reprlib
from pathlib import Path

MAX_SHOWN = 600
"""Characters of a value that messages show."""


def printable(text: str) -> str:
    r"""Return `text` as one line: control, format and line-break characters and undecodable bytes are escaped.

    Letters of all scripts stay as they are. Escapes look like Python's: \n, \x1b, \u202e, \udcff.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def indented(lines: str) -> str:
    """Return several lines, such as a stack trace, each printable and indented: none can pass for a line of a log."""
    return "\n".join(f"    {printable(line)}" for line in lines.splitlines())


class _ShortRepr(reprlib.Repr):
    """`repr` with bounds. Values from the wire may have any size and depth."""

    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 32
        self.maxstring = self.maxother = 240
        self.maxlong = 500

    def repr_bytes(self, value: bytes, _: int) -> str:
        """Return the start of long bytes."""
        return repr(value) if len(value) <= self.maxother else f"{value[: self.maxother]!r}…"

    repr_bytearray = repr_bytes


_SHORT = _ShortRepr()


def shown(value: object) -> str:
    """Return `repr(value)`, cut if it is long: for messages about values from outside."""
    text = _SHORT.repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def path_text(path: Path | bytes) -> str:
    """Return a path as text that is the same in every locale. Bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def name_text(file: Path) -> str:
    """Return the name of a file without folder and suffix, as one line of valid text."""
    return printable(path_text(Path(file.stem)))
