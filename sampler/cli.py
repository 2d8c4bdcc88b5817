"""The commands of `python -m sampler`.

Exit status: 0 as asked, 1 the data is not in order (`verify`), 2 could not run; then one line on stderr says why.
"""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from typer.core import TyperGroup

from sampler.dataset import Dataset, check_images, open_dataset
from sampler.decode_command import decode
from sampler.errors import SamplerError
from sampler.index_folder import ensure_index, load_index
from sampler.progress import bar, steps
from sampler.recipe_commands import recipe, replay
from sampler.verify import KINDS, Report, verify_dataset

CANNOT_RUN = 2


class OneLineErrors(TyperGroup):
    """Commands whose errors are one line on stderr and never a stack trace."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command."""
        try:
            return super().main(*args, **kwargs)
        except SamplerError as error:
            typer.echo(f"error: {error}", err=True)
            raise SystemExit(CANNOT_RUN) from error


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Training samples of the CornerNet family: datasets, recipes and replays.",
)

AnnotationsOption = Annotated[
    Path, typer.Option(envvar="SAMPLER_ANNOTATIONS", help="COCO-format annotation file, instances_*.json.")
]
ImagesOption = Annotated[Path, typer.Option(envvar="SAMPLER_IMAGES", help="Folder that file names are relative to.")]
CacheOption = Annotated[
    Path | None,
    typer.Option(envvar="SAMPLER_CACHE_DIR", help="Where indexes are kept; the user's cache folder."),
]


@app.command()
def index(
    annotations: AnnotationsOption,
    images: Annotated[
        Path | None, typer.Option(envvar="SAMPLER_IMAGES", help="Image folder, if it shall be looked for.")
    ] = None,
    cache_dir: CacheOption = None,
) -> None:
    """Build the index of an annotation file, or find the one that is there, and show what it holds."""
    started = time.perf_counter()
    if images is not None:
        check_images(images)
    with steps(show=True) as report:
        folder = ensure_index(annotations, cache_dir, report)
    _print_index(folder, time.perf_counter() - started)


app.command()(decode)
app.command()(recipe)
app.command()(replay)


@app.command()
def verify(
    annotations: AnnotationsOption,
    images: ImagesOption,
    cache_dir: CacheOption = None,
    examples: Annotated[int, typer.Option(min=0, help="How many examples of each kind to show.")] = 5,
) -> None:
    """Read every image and box of a dataset, and show what is wrong. Exit status 1 if anything is."""
    dataset = open_dataset(annotations, images, cache_dir, progress=True)
    with bar("reading images", len(dataset), show=True) as advance:
        report = verify_dataset(dataset, examples, advance=advance)
    _print_report(dataset, report)
    if not report.clean:
        raise typer.Exit(1)


def _print_index(folder: Path, seconds: float) -> None:
    content = load_index(folder)
    table = Table("index", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(content.image_ids):,}")
    table.add_row("boxes", f"{len(content.boxes):,}")
    table.add_row("crowd boxes among them", f"{int(content.crowd.sum()):,}")
    table.add_row("categories", f"{len(content.category_ids):,}")
    table.add_row("dropped boxes", f"{len(content.rejected):,}")
    for reason, count in Counter(box.reason for box in content.rejected).most_common():
        table.add_row(f"  {reason}", f"{count:,}")
    table.add_row("digest", content.digest)
    table.add_row("folder", escape(str(folder)))
    table.add_row("time", f"{seconds:.2f} s")
    _console().print(table)


def _print_report(dataset: Dataset, report: Report) -> None:
    table = Table("kind", "found", "what it means", title=f"{report.images:,} images, {report.boxes:,} boxes")
    for kind, meaning in KINDS.items():
        table.add_row(kind, f"{report.counts[kind]:,}", meaning)
    console = _console()
    console.print(table)
    for kind, findings in report.examples.items():
        for finding in findings:
            console.print(f"[bold]{kind}[/bold] {escape(finding.where)}: {escape(finding.what)}", soft_wrap=True)
        if report.counts[kind] > len(findings) > 0:
            console.print(f"[bold]{kind}[/bold] … and {report.counts[kind] - len(findings):,} more")
    if report.counts["missing"] == report.images:
        console.print(f"no image was found: is {escape(str(dataset.images_dir))} the folder of this annotation file?")
    verdict = "nothing is wrong" if report.clean else f"{sum(report.counts.values()):,} things are wrong"
    console.print(f"{verdict} in dataset {dataset.digest}")


def _console() -> Console:
    return Console(highlight=False)
