"""What the page of a step shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sampler.families.registry import family_of
from sampler.stream.shards import last_step
from sampler.survey.sample_filter import SIZES, STATES, State
from sampler.wire.spec import ServiceSpec
from service.explorer.shell.categories import category_choices
from service.explorer.shell.chips import LABELS, chips
from service.explorer.shell.links import chosen, key_parameters, named, pins, query
from service.explorer.steps.parameters import StepParameters
from service.explorer.steps.search import Found, Page, Place
from service.words import count, joined, span

THUMBNAIL = 320
"""Longest side of a thumbnail in pixels."""


STATE_NAMES: dict[State, str] = {"object": "object", "ignored": "ignored", "outside": "outside the crop"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One thumbnail with its text."""

    link: str
    picture: str
    alt: str
    position: str
    name: str
    index: int
    facts: str


@dataclass(frozen=True, slots=True)
class Total:
    """A number of boxes or samples with its noun."""

    number: int
    text: str
    kind: str  # class of its mark


@dataclass(frozen=True, slots=True)
class StepLinks:
    """The links of the page of a step. root: the path under which a proxy serves the server."""

    root: str
    spec: ServiceSpec
    parameters: StepParameters

    def step(self, place: Place | None, **changes: object) -> str | None:
        """Return the link to the page from a place on, with other values of some parameters; None for no place."""
        if place is None:
            return None
        return f"{self.root}/steps/{place.step}{query(self._kept | changes | {'first': place.first or None})}"

    def sample(self, sample: Found, search: Place | None) -> str:
        """Return the link to the page of a sample, which leads to its neighbours in the stream.

        search: where the search began that found it, to which its page then leads back.
        """
        back: dict[str, object] = {}
        if search is not None:
            start = {"step": search.step, "first": search.first or None}
            back["search"] = query(self._kept | start).removeprefix("?")
        return f"{self.root}/explore/{sample.key.index}{query(self._key(sample) | self._place(sample) | back)}"

    def thumbnail(self, sample: Found) -> str:
        """Return the link to the thumbnail of a sample."""
        return f"{self.root}/explore/{sample.key.index}/thumbnail{query(self._key(sample) | pins(self.spec))}"

    @property
    def _kept(self) -> dict[str, object]:
        own = self.parameters
        return named(self.spec) | {"seed": own.seed, "batch_size": own.batch_size} | chosen(own)

    def _place(self, sample: Found) -> dict[str, object]:
        """Return the parameters that place a sample in its step, unless the step is too large for one request."""
        own, shard = self.parameters, self.parameters.shard
        if shard.count > self.spec.max_batch:
            return {}
        place: dict[str, object] = {"step": sample.step, "batch_size": own.batch_size}
        return place | {"rank": shard.rank, "world_size": shard.world_size} if own.is_of_one_rank else place

    def _key(self, sample: Found) -> dict[str, object]:
        own = self.parameters
        return named(self.spec) | key_parameters(own.seed, sample.key.epoch, augment=own.augment)


def step_values(
    links: StepLinks, place: Place, found: Page, rows: Sequence[Mapping[str, Any]], *, filtered: bool
) -> dict[str, Any]:
    """Return the values of the template.

    Args:
        links: The links of the page, with spec and parameters.
        place: Where the page begins.
        found: Its samples.
        rows: What is known of the image of each, in the same order.
        filtered: Whether a filter was asked for.
    """
    own, spec = links.parameters, links.spec
    last = last_step(own.shard)
    search = place if filtered else None
    return {
        "spec": spec,
        "parameters": own,
        "place": place,
        "last_step": last,
        "filtered": filtered,
        "summary": _matches(place, found) if filtered else _whole(own, place, found),
        "contents": _contents(found.samples),
        "tiles": [_tile(links, sample, row, search) for sample, row in zip(found.samples, rows, strict=True)],
        "side": min(THUMBNAIL, spec.config.input_side),
        "chips": chips(own, lambda name: links.step(Place(place.step), **{name: None}) or ""),
        "without_filters": links.step(Place(place.step), **dict.fromkeys(_filters(own))),
        "previous_step": links.step(Place(place.step - 1)) if place.step else None,
        "next_step": links.step(Place(place.step + 1)) if place.step < last else None,
        "first_step": links.step(Place(0)) if place.step or place.first else None,
        "onward": links.step(_onward(place, found, filtered)),
        "onward_step": None if found.after is None else found.after.step,
        "never_ignored": own.state == "ignored" and not family_of(spec.config).ignores_boxes,
        "categories": category_choices(spec),
        "size_choices": [(size, size) for size in SIZES],
        "state_choices": [(state, STATE_NAMES[state]) for state in STATES if state in _possible(own, spec)],
    }


def _filters(parameters: StepParameters) -> set[str]:
    return set(chosen(parameters)) & set(LABELS)


def _possible(parameters: StepParameters, spec: ServiceSpec) -> set[State | None]:
    """Return the states that boxes can have, and the one that is asked for."""
    states: set[State | None] = {*STATES} if family_of(spec.config).ignores_boxes else {"object", "outside"}
    return states | {parameters.state}


def _onward(place: Place, found: Page, filtered: bool) -> Place | None:
    """Return where the search goes on, or the next part of a step that does not fit on a page."""
    after = found.after
    return after if filtered or (after is not None and after.step == place.step) else None


def _whole(parameters: StepParameters, place: Place, found: Page) -> str:
    """Return where in the stream the samples are: `48 samples, positions 96 – 143 of the stream, in epoch 1`."""
    total, shown = parameters.shard.count, len(found.samples)
    samples = count(total, "sample")
    if shown < total:
        samples = f"{span(place.first, place.first + shown - 1, 'row')} of {samples}"
    start = place.step * parameters.batch_size
    positions = [start + sample.position for sample in found.samples]
    epochs = [sample.key.epoch for sample in found.samples]
    where = f"at {span(positions[0], positions[-1], 'position')} of the stream"
    return f"{samples}, {where}, in {span(epochs[0], epochs[-1], 'epoch')}"


def _matches(place: Place, found: Page) -> str:
    """Return how many samples were searched, and where: `31 of 4,096 samples in steps 9,500 – 9,585 match`."""
    matching = len(found.samples)
    where = span(place.step, found.last_step, "step")
    number, verb = str(matching) if matching else "None", "matches" if matching < 2 else "match"
    return f"{number} of {count(found.searched, 'sample')} in {where} {verb}"


def _contents(samples: Sequence[Found]) -> list[Total]:
    """Return the totals of the samples shown, each with the class that colours it like the boxes of the pictures."""
    objects, ignored, untagged = (
        sum(getattr(sample, name) for sample in samples) for name in ("objects", "ignored", "untagged")
    )
    empty = sum(not sample.objects for sample in samples)
    totals = [
        Total(objects, count(objects, "object"), "object"),
        Total(ignored, count(ignored, "ignored box", "ignored boxes"), "ignored"),
        Total(untagged, count(untagged, "untagged object"), "untagged"),
        Total(empty, count(empty, "sample without objects", "samples without objects"), "outside"),
    ]
    return [total for total in totals if total.number]


def _tile(links: StepLinks, sample: Found, row: Mapping[str, Any], search: Place | None) -> Tile:
    """Return the thumbnail of a sample. search: where the search began that found it."""
    facts = joined(
        [
            count(sample.objects, "object") if sample.objects else "no objects",
            f"{sample.ignored} ignored" if sample.ignored else "",
            f"{sample.untagged} untagged" if sample.untagged else "",
            "" if sample.matching is None else f"{count(sample.matching, 'box', 'boxes')} found",
            f"substitute {sample.image}" if sample.image != sample.key.index else "",
        ]
    )
    prefix = "" if search is None else f"step {sample.step} · "
    position = f"{prefix}row {sample.position - links.parameters.shard.bounds[0]}"
    return Tile(
        links.sample(sample, search), links.thumbnail(sample), f"Crop of sample {sample.key.index}", position,
        row["file_name"], sample.key.index, facts,
    )  # fmt: skip
