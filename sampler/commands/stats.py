"""The command `stats`: statistics of recipes, before and after augmentation, and against theory."""

from typing import Annotated

import typer

from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.commands.one_line_warnings import one_line_warnings
from sampler.commands.options import (
    AnnotationsOption,
    CacheOption,
    ConfigOption,
    KeepCrowdOption,
    SubsetOption,
    SubstituteOption,
)
from sampler.commands.stats_tables import tables
from sampler.config.cornernet_lite import load_config
from sampler.config.digest import sample_digest
from sampler.config_schema import SamplerConfig
from sampler.dataset.index.cache import ensure_index
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.dataset.substitutes import find_substitutes
from sampler.stream.keys import SampleKey
from sampler.survey.sampling import KEYS_AT_ONCE, survey_keys, survey_samples
from sampler.survey.statistics import survey_statistics
from sampler.survey.survey import Survey


def stats(
    annotations: AnnotationsOption,
    config: ConfigOption = "cornernet_saccade",
    samples: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Number of samples: the first of the epoch.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the training run.")] = 0,
    epoch: Annotated[int, typer.Option(help="Epoch. The next ones follow if it has fewer samples.")] = 0,
    keep_crowd: KeepCrowdOption = True,
    augment: Annotated[bool, typer.Option(help="Draw random recipes, or use the fixed recipe.")] = True,
    substitute: SubstituteOption = None,
    subset: SubsetOption = None,
    cache_dir: CacheOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show statistics of boxes before and after augmentation, what is lost, and whether draws fit theory."""
    output = Output(as_json, quiet)
    with one_line_warnings():
        loaded = load_config(config, keep_crowd=keep_crowd)
    with output.spinner() as report:
        dataset = DatasetIndex(ensure_index(annotations, cache_dir, report, subset))
    settings = loaded.fit(dataset.category_count)
    dataset.substitutes = find_substitutes(substitute, dataset)
    keys = survey_keys(len(dataset), seed, epoch, samples)
    survey = _survey(dataset, settings, keys, augment, output)
    found = survey_statistics(survey, settings, dataset.category_names, augment)
    about = {
        "config": settings.name,
        "digest": sample_digest(dataset.digest, settings),
        "seed": seed,
        "epoch": epoch,
        "augment": augment,
    }
    output.document(about | found.as_dict())
    for table in tables(found, output.console):
        output.table(table)


def _survey(
    dataset: DatasetIndex, config: SamplerConfig, keys: list[SampleKey], augment: bool, output: Output
) -> Survey:
    parts = []
    with output.progress_bar("surveying", len(keys)) as advance:
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            parts.append(survey_samples(dataset, config, some, augment))
            for _ in some:
                advance()
    return Survey.joined(parts)
