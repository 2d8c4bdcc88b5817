"""The variants of an image's sample: another seed, epoch or config, or no augmentation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sampler.array_table import require_moderate
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from sampler.errors import ConfigError, InvalidRequestError
from sampler.printable import shown
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from service.explorer.config_changes.changes import LONGEST_TEXT, Changes, read_changes
from service.explorer.shell.links import key_parameters
from service.lifespan.state import ServedDataset
from service.workers.protocol import ViewJob

SERVED = "served"
"""Name of the config that the dataset's samples are served with."""

OF_DATASET = "dataset:"
"""Prefix of the names of configs of other datasets."""

MOST_CHANGES = 2 * LONGEST_TEXT
"""Most characters of a text with changes."""


@dataclass(frozen=True, slots=True)
class Variant:
    """All that a sample of an image depends on, except for the image.

    Attributes:
        seed: Of the sample's key.
        epoch: Of the sample's key.
        augment: False for the fixed recipe.
        config: Name of the config that makes the sample.
        changes: Changes of that config, as the query of a URL, such as "min_scale=32&gaussian_iou=0.3".
    """

    seed: int = 0
    epoch: int = 0
    augment: bool = True
    config: str = SERVED
    changes: str = ""

    @property
    def is_served(self) -> bool:
        """Whether it is a sample that trainers get."""
        return self.config == SERVED and not self.changes

    def key(self, index: int) -> SampleKey:
        """Return the key of its sample."""
        return SampleKey(self.seed, self.epoch, index)

    def parameters(self, prefix: str = "") -> dict[str, object]:
        """Return its parameters in a URL, with a prefix such as "left_"."""
        values = key_parameters(self.seed, self.epoch, augment=self.augment)
        if self.config != SERVED:
            values["config"] = self.config
        if self.changes:
            values["changes"] = self.changes
        return {f"{prefix}{name}": value for name, value in values.items()}

    def next_seed(self) -> "Variant":
        """Return the variant with the next seed; 0 follows the last one."""
        return replace(self, seed=(self.seed + 1) % SEED_LIMIT)

    def next_epoch(self) -> "Variant":
        """Return the variant with the next epoch; 0 follows the last one."""
        return replace(self, epoch=(self.epoch + 1) % EPOCH_LIMIT)


def named_configs(dataset: ServedDataset, datasets: Sequence[ServedDataset]) -> dict[str, SamplerConfig]:
    """Return the configs that samples of a dataset may be compared with, by name.

    They are the served one, those of the server's other datasets, and the built-in ones, as far as they can be used
    with the categories of the dataset.
    """
    others = {f"{OF_DATASET}{one.spec.dataset_name}": one.spec.config for one in datasets if one is not dataset}
    categories = len(dataset.spec.category_names)
    fitting = {
        name: fitted
        for name, config in {**others, **PRESETS}.items()
        if (fitted := _fitted(config, categories)) is not None
    }
    return {SERVED: dataset.spec.config, **fitting}


def _fitted(config: SamplerConfig, categories: int) -> SamplerConfig | None:
    fitted = replace(config, categories=None)  # their number is that of the dataset
    try:
        require_moderate(fitted, categories)
    except ConfigError:
        return None
    return fitted


def config_of_variant(variant: Variant, configs: Mapping[str, SamplerConfig], prefix: str = "") -> SamplerConfig:
    """Return the config of a variant.

    Args:
        variant: The variant.
        configs: The configs that it may have, by name.
        prefix: Of its parameters in the URL, such as "left_".

    Raises:
        InvalidRequestError: Its name is unknown, or its changes are invalid.
    """
    if variant.config not in configs:
        raise InvalidRequestError(f"{prefix}config", variant.config, f"one of {', '.join(configs)}")
    base = configs[variant.config]
    if not variant.changes:
        return base
    parameter = f"{prefix}changes"
    try:
        changes = read_changes(base, _pairs(variant.changes, parameter))
    except InvalidRequestError as error:
        expected = error.expected if error.field == parameter else f"{error.expected}; {shown(error.field)} is unknown"
        raise InvalidRequestError(parameter, variant.changes, expected) from None
    if changes.config is None:
        raise InvalidRequestError(parameter, variant.changes, "; ".join(_expectations(changes)))
    return changes.config


def _expectations(changes: Changes) -> Iterator[str]:
    """Yield what each invalid value should be, without the value, which is in the text of all changes."""
    for name, error in changes.errors.items():
        _, found, expected = error.rpartition("expected ")
        yield f"{expected} for {name}" if found and name else error


def fitting_variant(variant: Variant, configs: Mapping[str, SamplerConfig]) -> Variant:
    """Return a variant for a dataset: with the served config, unless the dataset has that of the variant.

    configs: those that samples of the dataset may have, by name.
    """
    try:
        config_of_variant(variant, configs)
    except InvalidRequestError:
        return replace(variant, config=SERVED, changes="")
    return variant


def _pairs(changes: str, parameter: str) -> dict[str, str]:
    if len(changes) > MOST_CHANGES:
        raise InvalidRequestError(parameter, changes, f"at most {MOST_CHANGES} characters")
    try:
        pairs = parse_qsl(changes, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        expected = "names with values, joined by &, such as min_scale=32&gaussian_iou=0.3"
        raise InvalidRequestError(parameter, changes, expected) from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidRequestError(parameter, changes, "each name once")
    return found


def changes_text(parameters: Mapping[str, str]) -> str:
    """Return changes as one text. parameters: those of `Changes.parameters`."""
    return urlencode(parameters)


def view_job(
    kind: str, dataset: ServedDataset, index: int, variant: Variant, config: SamplerConfig, **options: Any
) -> ViewJob:
    """Return the job of a view of a variant. If its config is the served one, other pages have the same views."""
    changed = {} if config == dataset.spec.config else {"config": config.as_dict()}
    return ViewJob(kind, dataset.number, (variant.key(index),), variant.augment, {**options, **changed})
