"""Text from outside, such as file names, made safe for messages, logs and terminals."""

import os
from pathlib import Path


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


def path_text(path: Path | bytes) -> str:
    """Return a path as text that is the same in every locale. Bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def name_text(file: Path) -> str:
    """Return the name of a file without folder and suffix, as one line of valid text."""
    return printable(path_text(Path(file.stem)))
