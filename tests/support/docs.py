"""The documentation as tests read it: pages, code blocks, marked parts, tables."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.support.paths import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
}
"""The text of each page, by its path in the project."""

HOST = "http://cpu-host:8000"
"""The server's address in examples."""

HERE = "http://127.0.0.1:8000"
"""That of the server that `make serve` starts."""

SEVERAL = ("http://cpu-a:8000", "http://cpu-b:8000")
"""Those of several servers."""


class Block(NamedTuple):
    """A fenced code block, the page it is on, and the number of its first line there."""

    page: str
    code: str
    line: int = 0


def blocks(language: str) -> list[Block]:
    """Return the code blocks of a language, page by page, in order."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(page, found[1], text.count("\n", 0, found.start(1)) + 1)
        for page, text in PAGES.items()
        for found in fence.finditer(text)
    ]


def shell_lines(*programs: str) -> list[str]:
    """Return the commands in shell blocks that start with one of `programs` (all without one), without comments."""
    lines = [
        line.partition("  #")[0].split(" # ")[0].strip()
        for block in blocks("bash")
        for line in re.sub(r"\\\n *", "", block.code).splitlines()
    ]
    return [line for line in lines if line and line.startswith(programs or "")]


def section(page: str, name: str) -> str:
    """Return the text between the comments <!-- name --> and <!-- /name --> of a page."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", PAGES[page], re.DOTALL)
    assert found is not None, f"{page} has no section {name}"
    return found[1]


def table(page: str, name: str) -> list[list[str]]:
    """Return the cells of the table in a section, without its head."""
    lines = [line for line in section(page, name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def names_in_json(command: str) -> set[str]:
    """Return the names that the JSON document of a command always has, as the page of commands says."""
    return set(re.findall(r"`(\w+)`", _json_row(command).partition(";")[0]))


def names_in_entries(command: str) -> set[str]:
    """Return the names that each entry of a list in the JSON document of a command has, as that page says."""
    return set(re.findall(r"`(\w+)`", _json_row(command).partition(";")[2]))


def _json_row(command: str) -> str:
    (names,) = [names for name, names in table("docs/commands.md", "json") if name == f"`{command}`"]
    return names


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page: its headings, and the objects on the API page."""
    text = page.read_text(encoding="utf-8")
    heads = [
        line.lstrip("# ")
        for line in re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S).splitlines()
        if line.startswith("#")
    ]
    words = {"".join(c for c in head.lower().replace(" ", "-") if c.isalnum() or c == "-") for head in heads}
    return words | set(re.findall(r"^::: (\S+)", text, re.MULTILINE))
