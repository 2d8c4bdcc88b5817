"""The names of a sample's layers, which follow from its config, so a wrong one is refused before the sample is made."""

from collections.abc import Iterator

from sampler.config_schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.families.registry import family_of
from sampler.ops.targets import TargetNames
from service.explorer.sample.contents import ORIGINAL

PICTURES = (ORIGINAL, "crop", "input")
"""The layers that every sample has; the others show its target arrays."""


def check_layer(name: str, config: SamplerConfig, categories: int) -> None:
    """Raise `InvalidRequestError` unless samples of a config have a layer. categories: of the dataset."""
    names = layer_names(config, categories)
    if name not in names:
        raise InvalidRequestError("name", name, f"one of {', '.join(names)}")


def layer_names(config: SamplerConfig, categories: int) -> tuple[str, ...]:
    """Return the names of all layers that samples of a config have, from bottom to top."""
    family = family_of(config)
    names = family.corner_names(config)
    if names is not None:
        return (*PICTURES, *_targets(names))
    planes = (spec.name for spec in family.target_specs(config, categories) if len(spec.shape) == 3)
    return (*PICTURES, *planes)


def _targets(names: TargetNames) -> Iterator[str]:
    corners = (names.top_left, names.bottom_right)
    yield from (corner.heats for corner in corners)
    yield from (corner.valids for corner in corners if corner.valids is not None)
    yield from names.attentions
