"""Settings with their origins, as text and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from sampler.printable import printable

HIDDEN = "(hidden)"
"""Stands for a secret."""

UNSET = "–"

RowOrigin = Literal["option", "variable", "file", "default", "derived", "inherited"]


@dataclass(frozen=True, slots=True)
class Row:
    """One setting.

    Attributes:
        group: The part of the settings that it belongs to.
        name: Its name in the settings file.
        value: Its value, as JSON has it; None if it is not set.
        origin: The kind of place that the value comes from.
        source: The place: an option, a variable, a line of the file, or how the value is derived.
    """

    group: str
    name: str
    value: Any
    origin: RowOrigin
    source: str


def plain(value: object) -> Any:
    """Return a value of a setting as JSON has it. A secret is hidden."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return plain(value[0]) if len(value) == 1 else [plain(one) for one in value]
    return HIDDEN  # pydantic's SecretStr, which clients do not have


def lines(rows: Sequence[Row]) -> list[str]:
    """Return a table for people. Nothing in it is cut."""
    names = max(len(row.name) for row in rows)
    values = max(min(len(_shown(row.value)), 40) for row in rows)
    text: list[str] = []
    for group, members in groupby(rows, lambda row: row.group):
        text += ["", group] if text else [group]
        text += [f"  {row.name:{names}}  {_shown(row.value):{values}}  {_place(row)}" for row in members]
    return text


def document(rows: Sequence[Row], problems: Sequence[str], notes: Sequence[str]) -> dict[str, Any]:
    """Return a document for programs."""
    return {"settings": [asdict(row) for row in rows], "problems": list(problems), "notes": list(notes)}


def _shown(value: object) -> str:
    if value is None:
        return UNSET
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, ensure_ascii=False))


def _place(row: Row) -> str:
    if row.origin in ("option", "variable", "file"):
        return printable(row.source)
    return f"{row.origin}: {printable(row.source)}" if row.source else row.origin
