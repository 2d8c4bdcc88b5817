"""The command `fetch`: one batch as a table of its arrays, and as a file."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Column, Table

from client.batches import Batch
from client.commands.errors import client_errors
from client.commands.options import (
    AttemptsOption,
    CaOption,
    DatasetOption,
    LayoutOption,
    SeedOption,
    TokenFileOption,
    UrlsArgument,
)
from client.credentials import read_token
from client.protocol.requests import require_layout
from client.sync_client import SamplerClient
from sampler.cli.errors import CommandError
from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.errors import InvalidRequestError


@client_errors()
def fetch(
    urls: UrlsArgument = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Also write the batch to this .npz file.")
    ] = None,
    indices: Annotated[str | None, typer.Option(help="Dataset indices, such as 3,17,5.")] = None,
    step: Annotated[int | None, typer.Option(help="Step of the seed's stream; use it with --batch-size.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size of all ranks together.")] = None,
    seed: SeedOption = 0,
    epoch: Annotated[int, typer.Option(help="Epoch of the samples; use it with --indices.")] = 0,
    rank: Annotated[int, typer.Option(help="Rank, 0 to world size − 1.")] = 0,
    world_size: Annotated[int, typer.Option(help="Number of ranks.")] = 1,
    layout: LayoutOption = "compact",
    augment: Annotated[bool, typer.Option(help="Random recipes, or the fixed one.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    dataset: DatasetOption = None,
    attempts: AttemptsOption = 3,
    ca: CaOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch one batch, by index or by step, and show its arrays.

    With --out, the batch is also written to a .npz file.
    """
    output = Output(as_json, quiet)
    if indices is None and (step is None or batch_size is None):
        raise CommandError("no samples are named; set --indices, or --step and --batch-size")
    if out is not None:
        _check_file(out, force)
    request: dict[str, Any] = {"indices": _parse_indices(indices), "seed": seed, "epoch": epoch, "step": step}
    request |= {"batch_size": batch_size, "rank": rank, "world_size": world_size, "augment": augment}
    with SamplerClient(
        urls or None,
        dataset=dataset,
        layout=require_layout(layout),
        attempts=attempts,
        token=read_token(token_file),
        ca=ca,
    ) as client:
        batch: Batch = client.batch(**request)
    if out is not None:
        batch.save(out)
    document = _document(batch, out)
    _print_arrays(output, document)
    output.document(document)


def _check_file(out: Path, force: bool) -> None:
    """Raise InvalidRequestError if a batch cannot be written to this file."""
    if out.is_dir():
        raise InvalidRequestError("out", str(out), "a file; this is a folder")
    if out.exists() and not force:
        raise InvalidRequestError("out", str(out), "a new file; use --force to overwrite this one")
    if not out.parent.is_dir():
        expected = f"a file in a folder that exists ({out.parent}: No such file or folder)"
        raise InvalidRequestError("out", str(out), expected)


def _document(batch: Batch, out: Path | None) -> dict[str, Any]:
    return {
        "samples": len(batch),
        "digest": batch.digest,
        "keys": [key.as_dict() for key in batch.keys],
        "arrays": [
            {
                "name": name,
                "dtype": str(array.dtype),
                "shape": list(array.shape),
                "min": np.min(array).item(),
                "max": np.max(array).item(),
            }
            for name, array in batch.arrays.items()
        ],
        "file": None if out is None else str(out),
    }


def _print_arrays(output: Output, document: dict[str, Any]) -> None:
    table = Table("array", "dtype", "shape", Column("min", justify="right"), Column("max", justify="right"))
    for array in document["arrays"]:
        shape = str(tuple(array["shape"]))
        table.add_row(array["name"], array["dtype"], shape, f"{array['min']:g}", f"{array['max']:g}")
    count = document["samples"]
    output.line(f"{count} {'sample' if count == 1 else 'samples'}, digest {document['digest']}")
    output.table(table)
    if document["file"]:
        output.line(f"written to {document['file']}")


def _parse_indices(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not word.isascii() or not word.isdigit():
            raise InvalidRequestError("indices", text, "whole numbers separated by commas")
    return [int(word) for word in words]
