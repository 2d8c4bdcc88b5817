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
from service.explorer.steps.ranges import around, preceding
from service.explorer.steps.search import StepPage
from service.explorer.steps.stream import StepSample
from service.image_folders import NO_FOLDERS, ImageFolders
from service.lifespan.state import ServedDataset
from service.words import count, joined, span

STATE_NAMES: dict[State, str] = {"object": "object", "ignored": "ignored", "outside": "outside the crop"}

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Tile:
    """One thumbnail with its text. name: of the file; its whole path if the dataset has several folders."""

    link: str
    picture: str
    alt: str
    position: str
    name: str
    path: str
    index: int
    facts: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A sample from which a search found no match, with what the page says about it."""

    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Total:
    """A number of boxes or samples with its noun."""

    number: int
    text: str
    kind: str  # class of its mark


def steps_page(
    request: Request, dataset: ServedDataset, links: StepLinks, place: StreamPlace, found: StepPage, rows: Rows
) -> HTMLResponse:
    """Return the page of a dataset. The others are those of `step_values`."""
    return page(
        request, "steps/page.html", title=f"Step {place.step} · {dataset.title}", scripts=("shell/tiles.js",),
        styles=("shell/tiles.css",), dataset_title=dataset.title,
        **step_values(links, place, found, rows, dataset.folders),
    )  # fmt: skip


def step_values(
    links: StepLinks, place: StreamPlace, found: StepPage, rows: Rows, folders: ImageFolders = NO_FOLDERS
) -> dict[str, Any]:
    """Return the values of the template.

    Args:
        links: The links of the page, with spec and parameters.
        place: Where the page begins.
        found: Its samples.
        rows: The `image_row` of each sample's image, in the same order.
        folders: Of the images.
    """
    own, spec, filtered = links.parameters, links.spec, links.parameters.is_search
    search = links.search(place) if filtered else None
    start = StreamPlace(place.step, place.shard, 0)
    return {
        "spec": spec,
        "parameters": own,
        "place": place,
        "last_step": last_step(place.shard),
        "filtered": filtered,
        "summary": _search_summary(place, found) if filtered else _step_summary(place, found),
        "contents": _contents(found.samples),
        "tiles": [_tile(links, sample, row, search, folders) for sample, row in zip(found.samples, rows, strict=True)],
        "side": min(THUMBNAIL_SIDE, spec.config.input_side),
        "chips": chips(own, lambda name: links.page(start, **{name: None})),
        "without_filters": links.page(start, **dict.fromkeys(_filters(own))),
        **_steps_around(links, place),
        "previous_match": _previous_match(links, place, search),
        "sought_from": _sought_from(links, place, found),
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


def _steps_around(links: StepLinks, place: StreamPlace) -> dict[str, Any]:
    """Return the links to the first, previous and next step to which the search is limited, None if there is none."""
    shard, own = place.shard, links.parameters
    numbers = around(place, one_step=False, within=own.within(links.spec.size))
    first, last = numbers.start // shard.count, (numbers.stop - 1) // shard.count

    def page(step: int) -> str:
        return links.page(StreamPlace(step, shard, 0))

    return {
        "first_step": page(first) if place.samples_before > numbers.start else None,
        "first_number": first,
        "previous_step": page(place.step - 1) if place.step > first else None,
        "next_step": page(place.step + 1) if place.step < last else None,
    }


def _sought_from(links: StepLinks, place: StreamPlace, found: StepPage) -> Neighbour | None:
    """Return the sample from which a match was sought in vain; None if none was, or if there are matches."""
    missing = links.parameters.missing
    if missing is None or found.samples:
        return None
    sample = place.before if missing == "next" else place.after(found.searched)
    if sample is None:
        return None
    where = "after" if missing == "next" else "before"
    return Neighbour(f"No match {where} row {sample.number} of step {sample.step:,}", links.back(sample))


def _previous_match(links: StepLinks, place: StreamPlace, search: str | None) -> str | None:
    """Return the link to the match before the page of a search; None if there is no sample to search."""
    own = links.parameters
    if search is None or not preceding(place, one_step=own.one_step, within=own.within(links.spec.size)):
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


def _tile(
    links: StepLinks, sample: StepSample, row: Mapping[str, Any], search: str | None, folders: ImageFolders
) -> Tile:
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
    prefix = "" if search is None else f"epoch {sample.key.epoch} · step {sample.place.step} · "
    position = f"{prefix}row\u00a0{sample.place.number}"
    return Tile(
        links.sample(sample, search), links.thumbnail(sample), f"Crop of sample {sample.key.index}", position,
        folders.label(row["file_name"]), folders.path(row["file_name"]), sample.key.index, facts,
    )  # fmt: skip
