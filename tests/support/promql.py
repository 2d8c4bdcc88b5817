"""PromQL as tests read it: which series an expression selects, and which labels it names.

Prometheus itself checks the syntax, where it is installed. This tells names from functions and keywords, no more.
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<range>\[[^\]]*\])
    | (?P<number>\b\d[\w.]*)
    | (?P<name>[a-zA-Z_:][\w:]*)
    | (?P<mark>[{}(),=~!<>+*/%^-]+?)
    | (?P<space>\s+)
    """,
    re.VERBOSE,
)
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


class Selection(NamedTuple):
    """What an expression uses: the labels in the braces of each metric, and those that it groups by."""

    matched: dict[str, set[str]]
    grouped: set[str]


def selection(expression: str) -> Selection:
    """Return the metrics and labels that an expression names. Raises ValueError for text that is none."""
    tokens = _tokens(expression)
    matched: dict[str, set[str]] = {}
    grouped: set[str] = set()
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        place += 1
        if kind != "name" or text.lower() in _KEYWORDS:
            continue
        if text in _LABEL_LISTS:
            names, place = _until(tokens, place + 1, ")")
            grouped |= names
        elif following == "{":
            names, place = _until(tokens, place + 1, "}")
            matched.setdefault(text, set()).update(names)
        elif following not in ("(", "by", "without"):
            matched.setdefault(text, set())
    return Selection(matched, grouped)


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, place = [], 0
    while place < len(expression):
        found = _TOKEN.match(expression, place)
        if found is None:
            raise ValueError(f"{expression!r}: unexpected text at {place}")
        place = found.end()
        if found.lastgroup not in (None, "space", "range"):
            tokens.append((str(found.lastgroup), found[0]))
    return tokens


def _until(tokens: list[tuple[str, str]], place: int, end: str) -> tuple[set[str], int]:
    """Return the names up to a mark, and the place behind it."""
    names = set()
    while tokens[place][1] != end:
        if tokens[place][0] == "name":
            names.add(tokens[place][1])
        place += 1
    return names, place + 1
