"""All studies of growth, and the section of the performance page that shows them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.growth import batches, images, requests, trainers
from benchmarks.growth.study import Study
from benchmarks.material import Material
from benchmarks.server import MeasuredServer, server
from benchmarks.table import markdown


def _on_a_server(study: Callable[[MeasuredServer], Study], source: Material, folder: Path) -> Study:
    # A request counts until the server knows that its last byte is sent, when the client's next one may be there.
    with server(source, folder / "server.log", max_requests=2 * max(requests.REQUESTS)) as running:
        return study(running)


STUDIES: dict[str, Callable[[Material, Path], Study]] = {
    "trainers": lambda source, folder: _on_a_server(trainers.study, source, folder),
    "requests": lambda source, folder: _on_a_server(requests.study, source, folder),
    "batches": lambda source, folder: _on_a_server(lambda running: batches.study(source, running), source, folder),
    "images": lambda _, folder: images.study(folder),
}
"""Each measures one load, given images to serve and a folder for files."""


def studies(names: Sequence[str], source: Material, folder: Path) -> Iterator[Study]:
    """Measure some of `STUDIES`."""
    for name in names:
        yield STUDIES[name](source, folder)


def section(found: Sequence[Study]) -> str:
    """Return the studies as Markdown: title, model, table and chart of each."""
    return "\n".join(
        f"### {study.title}\n\nModel: {study.model}.\n\n{markdown(study.head, study.lines)}\n"
        f"![{study.title}: measured and predicted]({study.name}.png)\n"
        for study in found
    )
