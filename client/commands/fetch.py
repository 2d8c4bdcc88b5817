"""The command `fetch`: one batch as a file and a table of its arrays."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from client.access import read_token
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
from client.protocol.requests import require_layout
from client.sync_client import SamplerClient
from sampler.errors import InvalidRequestError
from sampler.printable import printable


@client_errors()
def fetch(
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    urls: UrlsArgument = None,
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
) -> None:
    """Fetch one batch, by index or by seed, write it to a .npz file, and show its arrays."""
    if out.exists() and not force:
        raise InvalidRequestError("out", str(out), "a new file; use --force to overwrite this one")
    if not out.parent.is_dir():
        expected = f"a file in a folder that exists ({out.parent}: No such file or folder)"
        raise InvalidRequestError("out", str(out), expected)
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
    batch.save(out)
    table = Table("array", "dtype", "shape", title=f"{len(batch)} samples, digest {escape(printable(batch.digest))}")
    table.add_column("min", justify="right")
    table.add_column("max", justify="right")
    for name, array in batch.arrays.items():
        table.add_row(name, str(array.dtype), str(array.shape), f"{np.min(array):g}", f"{np.max(array):g}")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"written to {escape(printable(str(out)))}", soft_wrap=True)


def _parse_indices(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not word.isascii() or not word.isdigit():
            raise InvalidRequestError("indices", text, "whole numbers separated by commas")
    return [int(word) for word in words]
