"""What the page of a step shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.families.registry import family_of
from sampler.stream.places import StreamPlace
from sampler.stream.shards import last_step
from sampler.survey.sample_filter import SIZES, STATES, State
from sampler.wire.spec import ServiceSpec
from service.explorer.shell.categories import category_choices
from service.explorer.shell.chips import LABELS, chips
from service.explorer.shell.links import chosen
from service.explorer.shell.templates import page
from service.explorer.shell.thumbnails import THUMBNAIL_SIDE
from service.explorer.steps.links import StepLinks
from service.explorer.steps.parameters import StepParameters
from service.explorer.steps.ranges import preceding
from service.explorer.steps.search import StepPage
from service.explorer.steps.stream import StepSample
from service.words import count, joined, span

STATE_NAMES: dict[State, str] = {"object": "object", "ignored": "ignored", "outside": "outside the crop"}

Rows = Sequence[Mapping[str, Any]]


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


def steps_page(
    request: Request, title: str, links: StepLinks, place: StreamPlace, found: StepPage, rows: Rows, *, filtered: bool
) -> HTMLResponse:
    """Return the page. title: of the dataset. The others are those of `step_values`."""
    return page(
        request, "steps/page.html", title=f"Step {place.step} · {title}", scripts=("shell/tiles.js",),
        styles=("shell/tiles.css",), dataset_title=title,
        **step_values(links, place, found, rows, filtered=filtered),
    )  # fmt: skip


def step_values(links: StepLinks, place: StreamPlace, found: StepPage, rows: Rows, *, filtered: bool) -> dict[str, Any]:
    """Return the values of the template.

    Args:
        links: The links of the page, with spec and parameters.
        place: Where the page begins.
        found: Its samples.
        rows: The `image_row` of each sample's image, in the same order.
        filtered: Whether the page is a search.
    """
    own, spec, last = links.parameters, links.spec, last_step(place.shard)
    search = links.search(place) if filtered else None
    steps = {step: StreamPlace(step, place.shard, 0) for step in (0, place.step - 1, place.step, place.step + 1)}
    start = steps[place.step]
    return {
        "spec": spec,
        "parameters": own,
        "place": place,
        "last_step": last,
        "filtered": filtered,
        "summary": _search_summary(place, found) if filtered else _step_summary(place, found),
        "contents": _contents(found.samples),
        "tiles": [_tile(links, sample, row, search) for sample, row in zip(found.samples, rows, strict=True)],
        "side": min(THUMBNAIL_SIDE, spec.config.input_side),
        "chips": chips(own, lambda name: links.page(start, **{name: None})),
        "without_filters": links.page(start, **dict.fromkeys(_filters(own))),
        "first_step": links.page(steps[0]) if place.samples_before else None,
        "previous_step": links.page(steps[place.step - 1]) if place.step else None,
        "next_step": links.page(steps[place.step + 1]) if place.step < last else None,
        "previous_match": _previous_match(links, place, search),
        "onward": _onward(links, place, found, filtered),
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


def _previous_match(links: StepLinks, place: StreamPlace, search: str | None) -> str | None:
    """Return the link to the match before the page of a search; None if there is no sample to search."""
    if search is None or not preceding(place, one_step=links.parameters.one_step):
        return None
    return links.match(place, "previous", search)


def _onward(links: StepLinks, place: StreamPlace, found: StepPage, filtered: bool) -> str | None:
    """Return where the search goes on, or the next part of a step that does not fit on a page."""
    after = found.after
    return links.page(after) if after is not None and (filtered or after.step == place.step) else None


def _step_summary(place: StreamPlace, found: StepPage) -> str:
    """Return where in the stream the samples are: `48 samples, at positions 96–143 of the stream, in epoch 1`."""
    total, shown = place.shard.count, len(found.samples)
    samples = count(total, "sample")
    if shown < total:
        samples = f"{span(place.number, place.number + shown - 1, 'row')} of {samples}"
    first, last = found.samples[0], found.samples[-1]
    where = f"at {span(first.place.position, last.place.position, 'position')} of the stream"
    return f"{samples}, {where}, in {span(first.key.epoch, last.key.epoch, 'epoch')}"


def _search_summary(place: StreamPlace, found: StepPage) -> str:
    """Return how many samples were searched, and where: `31 of 4,096 samples in steps 9,500–9,585 match`."""
    matching = len(found.samples)
    where = span(place.step, found.last_step, "step")
    number, verb = str(matching) if matching else "None", "matches" if matching < 2 else "match"
    return f"{number} of {count(found.searched, 'sample')} in {where} {verb}"


def _contents(samples: Sequence[StepSample]) -> list[Total]:
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


def _tile(links: StepLinks, sample: StepSample, row: Mapping[str, Any], search: str | None) -> Tile:
    """Return the thumbnail of a sample. search: the query of the search that found it, if any."""
    facts = joined(
        [
            count(sample.objects, "object") if sample.objects else "no objects",
            f"{sample.ignored} ignored" if sample.ignored else "",
            f"{sample.untagged} untagged" if sample.untagged else "",
            "" if sample.matching is None else f"{count(sample.matching, 'box', 'boxes')} found",
            f"substitute {sample.image}" if sample.image != sample.key.index else "",
        ]
    )
    prefix = "" if search is None else f"step {sample.place.step} · "
    position = f"{prefix}row {sample.place.number}"
    return Tile(
        links.sample(sample, search), links.thumbnail(sample), f"Crop of sample {sample.key.index}", position,
        row["file_name"], sample.key.index, facts,
    )  # fmt: skip
