"""The names of a sample's layers, which follow from its config, so a wrong one is refused before the sample is made."""

from collections.abc import Iterable, Iterator

from sampler.config_schema import SamplerConfig
from sampler.errors import InvalidRequestError
from sampler.families.registry import family_of
from sampler.ops.targets import TargetNames
from sampler.wire.spec import ServiceSpec
from service.explorer.sample.contents import ORIGINAL
from service.explorer.sample.layer_choice import BOXES

PICTURES = (ORIGINAL, "crop", "input")
"""The layers that every sample has; the others show its target arrays."""


DRAWN = (BOXES, "names", "window", "corners")
"""The layers that are drawn in the page."""


def check_layer(name: str, config: SamplerConfig, categories: int) -> None:
    """Raise `InvalidRequestError` unless samples of a config have a layer. categories: of the dataset."""
    names = layer_names(config, categories)
    if name not in names:
        raise InvalidRequestError("name", name, f"one of {', '.join(names)}")


def check_layers(layers: Iterable[str] | None, spec: ServiceSpec, configs: Iterable[SamplerConfig] = ()) -> None:
    """Raise `InvalidRequestError` if a page cannot show one of the layers that its URL names.

    Args:
        layers: Their names; None for the usual ones.
        spec: Of the dataset, whose samples the page shows.
        configs: Further ones that the page may show samples of.
    """
    known = _known(spec, configs)
    for name in layers or ():
        if name not in known:
            raise InvalidRequestError("layers", name, f"some of {', '.join(known)}, separated by commas")


def known_layers(
    layers: tuple[str, ...] | None, spec: ServiceSpec, configs: Iterable[SamplerConfig] = ()
) -> tuple[str, ...] | None:
    """Return those of some layers that a page of another dataset can show; None, the usual ones, if it has none.

    Args and meaning are those of `check_layers`. No layers at all are a choice, and stay.
    """
    if not layers:
        return layers
    known = _known(spec, configs)
    return tuple(name for name in layers if name in known) or None


def _known(spec: ServiceSpec, configs: Iterable[SamplerConfig]) -> tuple[str, ...]:
    categories = len(spec.category_names)
    names = (name for config in (spec.config, *configs) for name in layer_names(config, categories))
    return tuple(dict.fromkeys((*DRAWN, *names)))


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
