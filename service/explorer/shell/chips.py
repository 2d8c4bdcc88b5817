"""The active filters of a page, each with a link that removes it."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from service.explorer.shell.links import chosen

LABELS = {
    "find": "“{}”",
    "epoch": "epoch {}",
    "positions": "positions {}",
    "category": "category {}",
    "size": "{} box",
    "state": "{} box",
    "min_side": "side of at least {:g} px",
    "side_below": "side below {:g} px",
    "untagged": "untagged object",
    "cut_off": "cut-off box",
    "crowd": "crowd box",
    "empty": "no objects",
    "min_boxes": "at least {} boxes",
    "max_boxes": "at most {} boxes",
    "remark": "{}",
}
"""What a page calls each filter, by its parameter."""


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter."""

    label: str
    without: str  # link to the same page without it


def chips(parameters: BaseModel, link: Callable[[str], str]) -> list[Chip]:
    """Return the active filters. link: the link to the page without the parameter of a name."""
    active = chosen(parameters)
    return [Chip(label.format(active[name]), link(name)) for name, label in LABELS.items() if name in active]
