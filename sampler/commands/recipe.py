"""The commands about recipes: `recipe` prints what was drawn, `replay` renders what was recorded."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from sampler.commands.options import AnnotationsOption, CacheOption
from sampler.config.cornernet_lite import IgnoredKeysWarning, load_config
from sampler.config.digest import sample_digest
from sampler.config.schema import SamplerConfig
from sampler.dataset.dataset import Dataset, check_images
from sampler.dataset.index.cache import ensure_index
from sampler.errors import InvalidRequestError
from sampler.families.registry import register_family
from sampler.progress import bar, steps
from sampler.replay.cases import Case
from sampler.replay.replay import load_cases, replay_cases
from sampler.sample.sample import recipe_of
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys


def replay(
    cases: Annotated[Path, typer.Argument(help="JSON file of recorded cases, as `recipe` prints them.")],
    images: Annotated[Path, typer.Option(envvar="SAMPLER_IMAGES", help="Folder that file names are relative to.")],
    out: Annotated[Path, typer.Option(help="Folder for the .npz files, one a sample.")],
    family: Annotated[
        list[str] | None,
        typer.Option(help="Import path of a detector family in the cases, such as package.module:FAMILY; repeatable."),
    ] = None,
) -> None:
    """Render recorded recipes, each into a .npz file with the crop and every array of the sample."""
    for path in family or ():
        register_family(path)
    with _warnings_in_one_line():
        loaded = load_cases(cases)
    check_images(images)
    with bar("replaying", len(loaded), show=True) as advance:
        replay_cases(loaded, cases, images, out, lambda _: advance())
    typer.echo(f"{len(loaded)} cases in {out}")


def recipe(
    annotations: AnnotationsOption,
    config: Annotated[
        str, typer.Option(envvar="SAMPLER_CONFIG", help="Preset, or path of a CornerNet-Lite JSON file.")
    ] = "cornernet_saccade",
    index: Annotated[int | None, typer.Option(help="Dataset index of one image, 0 … N−1.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training run.")] = 0,
    epoch: Annotated[int | None, typer.Option(help="Epoch, with --index.  [default: 0]")] = None,
    step: Annotated[int | None, typer.Option(help="Training step, instead of --index: what did it see?")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples of a step over all ranks, with --step.")] = None,
    rank: Annotated[int, typer.Option(help="Which rank's part of the step.")] = 0,
    world_size: Annotated[int, typer.Option(help="How many ranks share a step; 1 shows the whole step.")] = 1,
    keep_crowd: Annotated[
        bool, typer.Option(envvar="SAMPLER_KEEP_CROWD", help="Whether the server kept boxes marked iscrowd.")
    ] = True,
    augment: Annotated[bool, typer.Option(help="Whether anything is drawn at all.")] = True,
    cache_dir: CacheOption = None,
) -> None:
    """Print the recipe of a sample, or of all samples of a step, as JSON that `replay` renders."""
    with _warnings_in_one_line():
        settings = load_config(config, keep_crowd=keep_crowd)
    with steps(show=True) as report:
        folder = ensure_index(annotations, cache_dir, report)
    dataset = Dataset.open(folder, folder)  # no pixels are read, so no image folder is needed
    if step is None:
        if index is None or batch_size is not None:
            raise InvalidRequestError("index", index, "either --index, or --step and --batch-size")
        entry = _entry(dataset, settings, SampleKey(seed, epoch or 0, index), augment)
        fields = (f'  "{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in entry.items())
        typer.echo("{\n" + ",\n".join(fields) + "\n}")
        return
    if index is not None or epoch is not None or batch_size is None:
        raise InvalidRequestError("step", step, "either --index, or --step and --batch-size")
    keys = step_keys(len(dataset), seed, step, Shard(batch_size, rank, world_size))
    lines = [json.dumps(_entry(dataset, settings, key, augment), ensure_ascii=False) for key in keys]
    typer.echo("[\n" + ",\n".join(lines) + "\n]")


def _entry(dataset: Dataset, config: SamplerConfig, key: SampleKey, augment: bool) -> dict[str, Any]:
    plain = "" if augment else "-plain"
    label = config.name.lstrip(".")[:80]
    drawn = Case(
        name=f"{label}-seed{key.seed}-epoch{key.epoch}-index{key.index}{plain}",
        config=config,
        split="",
        file_name=dataset.file_name(key.index),
        size=dataset.size(key.index),
        categories=dataset.category_count,
        boxes=dataset.boxes(key.index, keep_crowd=config.keep_crowd),
        recipe=recipe_of(dataset, config, key, augment=augment),
    )
    digest = sample_digest(dataset.digest, config)
    return {"key": key.as_dict(), "digest": digest, **drawn.as_dict()}


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", IgnoredKeysWarning)
        yield
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
