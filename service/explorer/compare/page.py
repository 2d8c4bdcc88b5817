"""The page that shows two samples of an image side by side, and one image across epochs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.config.schema import SamplerConfig
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT
from sampler.survey.survey import Survey
from service.access.paths import root_of
from service.explorer.compare.state import EPOCHS, ZOOMS, Comparison
from service.explorer.sample.layer_choice import BOXES
from service.explorer.shell.links import key_parameters, query
from service.explorer.shell.templates import page
from service.explorer.side_by_side.differences import STATES, differences
from service.explorer.side_by_side.made import Made, facts_of, status_of
from service.explorer.side_by_side.pictures import layer_url, page_url, thumbnail_url
from service.explorer.side_by_side.shown import Shown, layers_of, show_sample
from service.explorer.side_by_side.sides import OF_DATASET, SERVED, Side, fitting_side, named_configs
from service.lifespan.state import ServedDataset
from service.words import count


@dataclass(frozen=True, slots=True)
class Tile:
    """An epoch of the strip."""

    epoch: int
    url: str
    target: str
    facts: str
    is_left: bool
    is_right: bool


@dataclass(frozen=True, slots=True)
class Served:
    """What can be compared.

    Attributes:
        dataset: The dataset of the page.
        datasets: All datasets of the server.
        configs: All configs that a side may have, by name.
    """

    dataset: ServedDataset
    datasets: Sequence[ServedDataset]
    configs: Mapping[str, SamplerConfig]


def compare_page(
    request: Request,
    served: Served,
    state: Comparison,
    sides: tuple[SamplerConfig, SamplerConfig],
    samples: tuple[Made, Made],
    strip: Survey,
) -> HTMLResponse:
    """Return the page.

    Args:
        request: The request for it.
        served: What can be compared.
        state: What to show.
        sides: The configs of left and right.
        samples: Left and right.
        strip: The samples of the strip.
    """
    root, dataset, known = root_of(request.scope), served.dataset, facts_of(samples)
    titles = {name: layer["title"] for name, layer in layers_of(known).items()} | {BOXES: "Boxes"}

    def link(other: Comparison) -> str:
        return f"{root}/compare{other.query()}"

    shown = tuple(
        _shown(root, dataset, state, side, made, title)
        for side, made, title in zip((state.left, state.right), samples, ("Left", "Right"), strict=True)
    )
    size = dataset.spec.size
    return page(
        request,
        "compare/page.html",
        title=f"Compare sample {state.index} · {dataset.title}",
        status=status_of(samples),
        scripts=("side_by_side/live.js",),
        styles=("sample/boxes.css", "side_by_side/samples.css", "compare/page.css"),
        dataset=dataset,
        state=state,
        file_name=known[0]["image"]["file_name"] if known else "",
        datasets=[
            (one.spec.dataset_name, link(_in_dataset(state, one, served.datasets)), one is dataset)
            for one in served.datasets
        ],
        pages=[page_url(root, dataset, state.index, side) for side in (state.left, state.right)],
        sides=list(zip(("left", "right"), (state.left, state.right), shown, strict=True)),
        config_labels={name: config_label(name, config) for name, config in served.configs.items()},
        found=differences(known[0], known[1], sides) if len(known) == len(samples) else None,
        words=STATES,
        toggles=[(name, label, name in state.layers, link(state.toggled(name))) for name, label in titles.items()],
        zooms=[(zoom, link(replace(state, zoom=zoom))) for zoom in ZOOMS],
        previous_image=link(replace(state, index=(state.index - 1) % size)),
        next_image=link(replace(state, index=(state.index + 1) % size)),
        next_seed=link(replace(state, right=state.left.next_seed())),
        next_epoch=link(replace(state, right=state.left.next_epoch())),
        augmentation_off=link(replace(state, right=replace(state.left, augment=False))),
        swap=link(state.swapped()),
        tiles=list(_tiles(root, dataset, state, strip)),
        earlier=link(replace(state, first_epoch=max(0, state.strip_start - EPOCHS))) if state.strip_start else None,
        later=link(replace(state, first_epoch=state.strip_start + EPOCHS))
        if state.strip_start + EPOCHS < EPOCH_LIMIT
        else None,
        what_if=f"{root}/what-if{query(_what_if_parameters(state))}",
        last_seed=SEED_LIMIT - 1,
        last_epoch=EPOCH_LIMIT - 1,
    )


def config_label(name: str, config: SamplerConfig) -> str:
    """Return what people call a config."""
    if name == SERVED:
        return f"served: {config.name}"
    if name.startswith(OF_DATASET):
        return f"of {name.removeprefix(OF_DATASET)}: {config.name}"
    return f"built in: {name}"


def _in_dataset(state: Comparison, dataset: ServedDataset, datasets: Sequence[ServedDataset]) -> Comparison:
    """Return the state in another dataset, with its last image if it has fewer."""
    spec, configs = dataset.spec, named_configs(dataset, datasets)
    left, right = (fitting_side(side, configs) for side in (state.left, state.right))
    return replace(state, dataset=spec.dataset_name, index=min(state.index, spec.size - 1), left=left, right=right)


def _shown(root: str, dataset: ServedDataset, state: Comparison, side: Side, made: Made, title: str) -> Shown:
    name = f"{title}: sample {state.index}, seed {side.seed}, epoch {side.epoch}"
    return show_sample(
        title, name if side.augment else f"{name}, not augmented", made, state.layers,
        lambda layer: layer_url(root, dataset, state.index, side, layer),
    )  # fmt: skip


def _tiles(root: str, dataset: ServedDataset, state: Comparison, strip: Survey) -> Iterator[Tile]:
    objects, ignored = (strip.counts(boxes).tolist() for boxes in (strip.objects, strip.ignored))
    rows = zip(strip.epochs.tolist(), strip.scales.tolist(), strip.flips.tolist(), objects, ignored, strict=True)
    for epoch, scale, flip, seen, left_out in rows:
        side = replace(state.left, epoch=epoch, augment=True)
        facts = [f"scale {scale:.3g}", *(["flipped"] if flip else []), count(seen, "object")]
        if left_out:
            facts.append(f"{left_out} ignored")
        yield Tile(
            epoch=epoch,
            url=thumbnail_url(root, dataset, state.index, side),
            target=f"{root}/compare{replace(state, right=side).query()}",
            facts=", ".join(facts),
            is_left=side == state.left,
            is_right=side == state.right,
        )


def _what_if_parameters(state: Comparison) -> dict[str, object]:
    """Return the parameters of the page that changes the served config, with the changes of one of the sides."""
    side = state.right if state.right.changes else state.left
    key = key_parameters(side.seed, side.epoch, augment=side.augment)
    changes = dict(parse_qsl(side.changes)) if side.config == SERVED else {}
    return {"dataset": state.dataset, "index": state.index, **key, **changes}
