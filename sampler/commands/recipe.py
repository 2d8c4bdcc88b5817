"""The commands `recipe`, which prints the recipes of samples, and `replay`, which renders recorded samples."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.commands.one_line_warnings import one_line_warnings
from sampler.commands.options import (
    AnnotationsOption,
    CacheOption,
    ConfigOption,
    FollowLinksOption,
    ImagesOption,
    KeepCrowdOption,
    MaxImagePixelsOption,
    SubsetOption,
    SubstituteOption,
)
from sampler.config.cornernet_lite import load_config
from sampler.dataset.dataset import open_source
from sampler.dataset.images.decode import MAX_PIXELS, ReadOptions
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.substitutes import find_substitutes
from sampler.errors import InvalidRequestError
from sampler.families.registry import register_family
from sampler.recipe_document import recipe_document, recipe_text
from sampler.replay import load_cases, replay_cases
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys


def replay(
    cases: Annotated[Path, typer.Argument(help="JSON file of recorded samples, as printed by `recipe`.")],
    images: ImagesOption,
    out: Annotated[Path, typer.Option(help="Folder for the .npz files, one for each sample.")],
    family: Annotated[
        list[str] | None,
        typer.Option(help="Import path of a detector family of the samples: package.module:FAMILY; repeatable."),
    ] = None,
    follow_links: FollowLinksOption = False,
    max_image_pixels: MaxImagePixelsOption = MAX_PIXELS,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render recorded samples, each to a .npz file with its crop and all of its arrays.

    If the samples are of several annotation files, repeat --images: the folder of each file, in the same order.
    """
    for path in family or ():
        register_family(path)
    with one_line_warnings():
        loaded = load_cases(cases)
    output, options = Output(as_json, quiet), ReadOptions(max_image_pixels, follow_links=follow_links)
    source = open_source(images, options)
    with output.progress_bar("replaying", len(loaded)) as advance:
        replay_cases(loaded, cases, source, out, advance, options)
    output.line(f"{len(loaded)} cases in {out}")
    output.document({"cases": len(loaded), "folder": str(out)})


def recipe(
    annotations: AnnotationsOption,
    config: ConfigOption = "cornernet_saccade",
    index: Annotated[int | None, typer.Option(help="Index of one image, 0 … N−1.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training run.")] = 0,
    epoch: Annotated[int | None, typer.Option(help="Epoch, with --index.  [default: 0]")] = None,
    step: Annotated[int | None, typer.Option(help="Training step, instead of --index.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Global batch size, with --step.")] = None,
    rank: Annotated[int, typer.Option(help="Rank whose shard of the step is printed.")] = 0,
    world_size: Annotated[int, typer.Option(help="Number of ranks; 1 prints the whole step.")] = 1,
    keep_crowd: KeepCrowdOption = True,
    augment: Annotated[bool, typer.Option(help="Draw random recipes, or use the fixed recipe.")] = True,
    substitute: SubstituteOption = None,
    subset: SubsetOption = None,
    cache_dir: CacheOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Changes nothing: the result is always JSON.")] = True,  # noqa: ARG001
    quiet: QuietOption = False,
) -> None:
    """Print the recipe of a sample, or of all samples of a step, as JSON for `replay`."""
    with one_line_warnings():
        loaded = load_config(config, keep_crowd=keep_crowd)
    with Output(quiet=quiet).spinner() as report:
        dataset = DatasetIndex(ensure_index(annotations, cache_dir, report, subset))
    settings = loaded.fit(dataset.category_count)
    dataset.substitutes = find_substitutes(substitute, dataset)
    if step is None:
        if index is None or batch_size is not None:
            raise InvalidRequestError("index", index, "either --index, or --step and --batch-size")
        typer.echo(recipe_text(recipe_document(dataset, settings, SampleKey(seed, epoch or 0, index), augment=augment)))
        return
    if index is not None or epoch is not None or batch_size is None:
        raise InvalidRequestError("step", step, "either --index, or --step and --batch-size")
    keys = step_keys(len(dataset), seed, step, Shard(batch_size, rank, world_size))
    lines = [json.dumps(recipe_document(dataset, settings, key, augment=augment)) for key in keys]
    typer.echo("[\n" + ",\n".join(lines) + "\n]")
