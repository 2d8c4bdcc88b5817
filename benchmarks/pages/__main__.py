"""`python -m benchmarks.pages`: measure pages, and a trainer while people browse; print two tables, write JSON."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.machine import machine, measured
from benchmarks.material import Material, material
from benchmarks.page import PAGE, put_into
from benchmarks.pages import browsing, times
from benchmarks.pages.browsing import Browsing
from benchmarks.pages.coco_like import coco_like
from benchmarks.pages.times import PageTimes
from benchmarks.server import server
from benchmarks.table import markdown, terminal_table

PUBLISHED = Path(__file__).resolve().parent / "published.json"
"""The values that the performance page shows."""


def main(
    publish: Annotated[bool, typer.Option("--publish", help="Write the tables into docs/ too.")] = False,
    only_times: Annotated[bool, typer.Option("--only-times", help="Leave out the trainer.")] = False,
) -> None:
    """Measure pages on few images and on as many as train2017 has, then a trainer while people browse."""
    if publish and only_times:
        raise typer.BadParameter("the page shows both: leave out --only-times or --publish")
    console = Console()
    with tempfile.TemporaryDirectory() as name, console.status("measuring pages"):
        folder = Path(name).resolve()
        small = material(folder / "small")
        pages = [*_times(small, folder), *_times(coco_like(small, folder / "large"), folder)]
        console.print(terminal_table(times.HEAD, times.lines(pages), f"{small.name}; {machine()}"))
        trained = [] if only_times else _trained(small.recorded(folder / "recorded"), folder)
    if trained:
        console.print(terminal_table(browsing.HEAD, browsing.lines(trained), "a trainer while people browse"))
    if publish:
        _publish(pages, trained, small.name)
        console.print(f"written to {PUBLISHED}, {PAGE}", soft_wrap=True)


def _times(source: Material, folder: Path) -> list[PageTimes]:
    with server(source, folder / "server.log") as running:
        return list(times.page_times(running, source.name))


def _trained(source: Material, folder: Path) -> list[Browsing]:
    with server(source, folder / "server.log") as running:
        return list(browsing.browsing(running.url))


def section(pages: Sequence[PageTimes], trained: Sequence[Browsing]) -> str:
    """Return both tables as Markdown."""
    return f"{markdown(times.HEAD, times.lines(pages))}\n{markdown(browsing.HEAD, browsing.lines(trained))}"


def _publish(pages: Sequence[PageTimes], trained: Sequence[Browsing], source: str) -> None:
    content = {
        "machine": machine(),
        "pages": [one.as_dict() for one in pages],
        "trained": [one.as_dict() for one in trained],
    }
    PUBLISHED.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    put_into(PAGE, "pages", f"{measured(f'on {source}; {machine()}')}\n\n{section(pages, trained)}")


if __name__ == "__main__":
    typer.run(main)
