"""The command `plan`: the hosts that a training needs.

Importing this module loads neither the server nor the client, for which the help of other commands would have to wait.
"""

from pathlib import Path
from typing import Annotated

import typer

from saccade_sampler.planning.demand import Demand, PlanError, Supply, require_layout
from sampler.arrays import LAYOUTS
from sampler.cli.completion import one_of
from sampler.cli.output import JsonOption, QuietOption
from sampler.config.presets import PRESETS


def plan(
    batch_size: Annotated[int, typer.Option(help="Samples of a step, of all trainers together.")],
    steps_per_second: Annotated[float, typer.Option(help="Steps per second of the training.")],
    trainers: Annotated[int, typer.Option(help="Trainers that each receive their part of every step.")] = 1,
    jobs: Annotated[int, typer.Option(help="Trainings like this at the same time, each with its own seed.")] = 1,
    layout: Annotated[
        str, typer.Option(autocompletion=one_of(LAYOUTS), help="How samples travel: compact, sparse or dense.")
    ] = "compact",
    store: Annotated[bool, typer.Option("--store", help="Plan for a decoded store instead of entry points.")] = False,
    cores: Annotated[
        int | None, typer.Option(show_default=False, help="CPUs of a host (default: of the one that was measured).")
    ] = None,
    network: Annotated[float, typer.Option(help="Network of a host in Gbit/s.")] = 10.0,
    headroom: Annotated[
        float, typer.Option(help="Spare capacity as a share of the need, for peaks and uneven load.")
    ] = 0.5,
    spare_hosts: Annotated[int, typer.Option(help="Hosts that may fail without slowing the training down.")] = 0,
    dataset_images: Annotated[
        int | None,
        typer.Option(show_default=False, help="Images of the dataset (default: of the one that was measured)."),
    ] = None,
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            show_default=False,
            help="COCO-format annotation file to measure with; repeat it to combine several. Without any, the demo "
            "dataset is measured.",
        ),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", show_default=False, help="Image folder, or one for each annotation file."),
    ] = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIG",
            autocompletion=one_of(PRESETS),
            show_default=False,
            help="cornernet_saccade, cornernet, cornernet_squeeze, or the path of a CornerNet-Lite JSON file.",
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None, typer.Option(metavar="PATH", show_default=False, help="Folder for the index of the dataset.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(metavar="PATH", show_default=False, help="TOML file with settings (SAMPLER_SETTINGS)."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long to measure under load.")] = 18.0,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", show_default=False, help="Write the measurement as JSON, too.")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", show_default=False, help="Use a saved measurement instead."),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compute the hosts that a training needs: cores, network, memory and disk, with the arithmetic.

    A server of some images of the dataset is measured on this host, which should be like those that will serve.
    Settings name the dataset as for `serve`: options, variables (SAMPLER_ANNOTATIONS) or the settings file.
    With --from, nothing is measured.
    """
    options = {
        "annotations": tuple(annotations) if annotations else None,
        "images": tuple(images) if images else None,
        "config": config,
        "cache_dir": cache_dir,
    }
    given = {name: value for name, value in options.items() if value is not None}
    demand = Demand(batch_size, steps_per_second, trainers, jobs, require_layout(layout), store, dataset_images)
    supply = Supply(cores, network, headroom, spare_hosts)
    if source is not None and (given or settings or save):
        raise PlanError(
            "--from is a measurement that was made before; leave it out to measure, or leave out --annotations, "
            "--images, --config, --cache-dir, --settings and --save"
        )
    from saccade_sampler.planning import run  # only here, because measuring needs server and client

    measured = run.saved(source) if source is not None else run.measured(given, settings, seconds, save, quiet)
    text = run.shown(measured, demand, supply, as_json=as_json)
    if as_json or not quiet:
        typer.echo(text)
