"""The page that shows what a changed config would make of a sample, next to the served one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.config.export import ExportedConfig
from sampler.config.schema import SamplerConfig
from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT
from service.access.paths import root_of
from service.explorer.compare.state import Comparison
from service.explorer.config_changes.changes import Changes, file_name, fitting_changes
from service.explorer.config_changes.fields import Field
from service.explorer.sample.layer_choice import BOXES, text_of_layers, toggled
from service.explorer.shell.links import named, query
from service.explorer.shell.templates import page
from service.explorer.side_by_side.differences import STATES, differences
from service.explorer.side_by_side.made import Made, facts_of, status_of
from service.explorer.side_by_side.pictures import layer_url, page_url
from service.explorer.side_by_side.shown import Shown, layers_of, show_sample, telling_layers
from service.explorer.side_by_side.sides import Side, changes_text
from service.lifespan.state import ServedDataset


@dataclass(frozen=True, slots=True)
class Control:
    """A field of the form with its texts.

    Attributes:
        field: The field.
        text: What it shows.
        served: The text of the served config.
        error: What is wrong with it, or "".
        reset: URL of the page without this change; None if there is none.
    """

    field: Field
    text: str
    served: str
    error: str
    reset: str | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The state of the page.

    Attributes:
        dataset: The dataset.
        index: Of the sample's image.
        side: The served sample.
        changes: Changes of the served config.
        layers: Names of the layers that are shown; None for those that a config changes.
    """

    dataset: ServedDataset
    index: int
    side: Side
    changes: Changes
    layers: tuple[str, ...] | None = None

    @property
    def changed_side(self) -> Side:
        """The sample that the changed config makes."""
        side = self.side
        return Side(side.seed, side.epoch, side.augment, changes=changes_text(self.changes.parameters))

    def query(self, changes: Mapping[str, str] | None = None, **other: object) -> str:
        """Return the query of its URL, with the question mark. changes: other changes. other: other parameters."""
        layers = {"layers": text_of_layers(self.layers)}
        values = named(self.dataset.spec) | {"index": self.index} | self.side.parameters() | layers | other
        return query(values | dict(self.changes.parameters if changes is None else changes))


def what_if_page(
    request: Request,
    state: WhatIf,
    datasets: Sequence[ServedDataset],
    samples: tuple[Made, ...],
    exported: ExportedConfig | None,
) -> HTMLResponse:
    """Return the page.

    Args:
        request: The request for it.
        state: What to show.
        datasets: All datasets of the server.
        samples: The served sample and the changed one, which is missing if the changes are invalid.
        exported: The changed config as a file; None if the changes are invalid.
    """
    root, dataset, side = root_of(request.scope), state.dataset, state.side
    changes = state.changes

    def link(given: Mapping[str, str] | None = None, **other: object) -> str:
        return f"{root}/what-if{state.query(given, **other)}"

    known = facts_of(samples)
    titles = {name: layer["title"] for name, layer in layers_of(known).items()} | {BOXES: "Boxes"}
    layers = telling_layers(known) if state.layers is None else state.layers
    size = dataset.spec.size
    return page(
        request,
        "what_if/page.html",
        status=status_of(samples),
        title=f"What if · sample {state.index} · {dataset.title}",
        scripts=("side_by_side/live.js", "what_if/page.js"),
        styles=("sample/boxes.css", "side_by_side/samples.css", "what_if/page.css"),
        dataset=dataset,
        state=state,
        datasets=[(one.spec.dataset_name, _in_dataset(root, state, one), one is dataset) for one in datasets],
        page_of_sample=page_url(root, dataset, state.index, side),
        groups=[(group, list(controls)) for group, controls in groupby(_controls(changes, link), _group)],
        changes=changes,
        shown=[
            _shown(root, state, one, made, layers, title)
            for one, made, title in zip((side, state.changed_side), samples, ("Served", "What if"), strict=False)
        ],
        toggles=[
            (name, words, name in layers, link(layers=text_of_layers(toggled(layers, name))))
            for name, words in titles.items()
        ],
        found=differences(known[0], known[1], _configs(state)) if len(known) == 2 else None,
        words=STATES,
        reset_all=link({}),
        previous_sample=link(index=(state.index - 1) % size),
        next_sample=link(index=(state.index + 1) % size),
        next_epoch=link(epoch=side.next_epoch().epoch),
        next_seed=link(seed=side.next_seed().seed),
        exported=exported,
        file_name=file_name(changes.config or dataset.spec.config),
        file=f"{root}/what-if/config.json{state.query()}",
        compare=f"{root}/compare{_comparison(state).query()}",
        last_seed=SEED_LIMIT - 1,
        last_epoch=EPOCH_LIMIT - 1,
    )


def _controls(changes: Changes, link: Callable[[Mapping[str, str]], str]) -> Iterator[Control]:
    for field in changes.fields:
        name = field.name
        yield Control(
            field=field,
            text=changes.texts[name],
            served=changes.served[name],
            error=changes.errors.get(name, ""),
            reset=link(changes.without(name)) if name in changes.changed else None,
        )


def _group(control: Control) -> str:
    return control.field.group


def _configs(state: WhatIf) -> tuple[SamplerConfig, ...]:
    served, changed = state.dataset.spec.config, state.changes.config
    return (served,) if changed is None else (served, changed)


def _comparison(state: WhatIf) -> Comparison:
    return Comparison(state.dataset.spec.dataset_name, state.index, state.side, state.changed_side)


def _in_dataset(root: str, state: WhatIf, dataset: ServedDataset) -> str:
    """Return the link to the page of another dataset: its last image if it has fewer, and the changes that fit it."""
    moved = replace(state, dataset=dataset, index=min(state.index, dataset.spec.size - 1))
    return f"{root}/what-if{moved.query(fitting_changes(dataset.spec.config, state.changes.parameters))}"


def _shown(root: str, state: WhatIf, side: Side, made: Made, layers: tuple[str, ...], title: str) -> Shown:
    name = f"{title}: sample {state.index}, seed {side.seed}, epoch {side.epoch}"
    return show_sample(
        title, name, made, layers, lambda layer: layer_url(root, state.dataset, state.index, side, layer)
    )  # fmt: skip
