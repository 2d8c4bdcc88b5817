"""The page of one sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT, SampleKey
from sampler.stream.places import StreamPlace
from sampler.wire.spec import ServiceSpec
from service.access.paths import root_of
from service.explorer.sample.contents import PICTURE_NAMES, PictureName
from service.explorer.sample.links import SampleLinks
from service.explorer.sample.overlay import Rectangle, box_shapes, classes_of, meaning_of, view_of
from service.explorer.shell.templates import page

LEGEND = {
    "objects": ("object", "objects"), "ignored": ("ignored", "ignored"), "outside": ("outside", "outside the crop"),
    "untagged": ("object untagged", "untagged"),
}  # fmt: skip
"""Classes and words of each count of a sample."""

TITLES = {"original": "Original", "crop": "Crop"}

KEYS = {"boxes": "b", "names": "n", "window": "w", "corners": "c", "input": "i"}
"""Keys of the toggles. Those of the target arrays are the digits from 1."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The sample that a page shows.

    Attributes:
        spec: Of the dataset.
        title: Of the dataset, for people.
        key: Of the sample.
        augment: False for the fixed recipe.
        place: In the stream, if the page was opened with one.
        search: The query of the page of steps that found the sample, if it was found.
        datasets: The specs of all datasets of the server.
    """

    spec: ServiceSpec
    title: str
    key: SampleKey
    augment: bool
    place: StreamPlace | None = None
    search: str | None = None
    datasets: tuple[ServiceSpec, ...] = ()


def sample_page(request: Request, shown: Shown, facts: Mapping[str, Any]) -> HTMLResponse:
    """Return the page. facts: those of `SampleContents`."""
    links = _links(request, shown)
    pictures = [_picture(facts, links, place) for place in PICTURE_NAMES]
    return _page(
        request, shown, links, problem=None, facts=facts, pictures=pictures, toggles=_toggles(facts),
        legend=[(*LEGEND[name], count) for name, count in facts["counts"].items()],
        rows=[(box, classes_of(box), meaning_of(box)) for box in facts["boxes"]],
    )  # fmt: skip


def problem_page(request: Request, shown: Shown, problem: str, status: int) -> HTMLResponse:
    """Return the page of a sample that cannot be made. It still leads to others."""
    return _page(request, shown, _links(request, shown), problem=problem, status=status)


def _links(request: Request, shown: Shown) -> SampleLinks:
    return SampleLinks(root_of(request.scope), shown.spec, shown.key, shown.augment, shown.place, shown.search)


def _page(request: Request, shown: Shown, links: SampleLinks, status: int = 200, **values: Any) -> HTMLResponse:
    return page(
        request, "sample/page.html", title=f"Sample {shown.key.index} · {shown.title}", status=status,
        scripts=("sample/page.js",), styles=("sample/boxes.css", "sample/page.css"), spec=shown.spec,
        dataset_name=shown.title, key=shown.key, augment=shown.augment, place=shown.place, links=links,
        last_seed=SEED_LIMIT - 1, last_epoch=EPOCH_LIMIT - 1,
        datasets=[(spec.dataset_name, links.in_dataset(spec), spec is shown.spec) for spec in shown.datasets], **values,
    )  # fmt: skip


def _picture(facts: Mapping[str, Any], links: SampleLinks, place: PictureName) -> dict[str, Any]:
    """Return what the template needs to draw one of the pictures."""
    view = _view(facts, place)
    layers = [layer for layer in facts["layers"] if layer["place"] == place]
    shapes = box_shapes(facts["boxes"], place, view)
    return {
        "name": place,
        "title": TITLES[place],
        "caption": layers[0]["caption"],
        "view": view,
        "layers": [layer | {"url": links.file(f"/explore/{{}}/layers/{layer['name']}")} for layer in layers],
        "shapes": shapes,
        "window": facts["window"] if place == "original" else None,
        "corners": [shape for shape in shapes if "object" in shape.classes.split()]
        if place == "crop" and facts["has_corners"]
        else [],
    }


def _view(facts: Mapping[str, Any], place: PictureName) -> Rectangle:
    if place == "crop":
        return 0.0, 0.0, facts["side"], facts["side"]
    return view_of(facts["image"]["width"], facts["image"]["height"], facts["window"])


def _toggles(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the layers that can be shown and hidden, with their keys."""
    fixed = [("boxes", "Boxes", True), ("names", "Names", False), ("window", "Crop window", True)]
    if facts["has_corners"]:
        fixed.append(("corners", "Corners", False))
    toggles = [
        {"name": name, "title": title, "key": KEYS[name], "shown": shown, "swatch": "", "caption": ""}
        for name, title, shown in fixed
    ]
    number = 0
    for layer in facts["layers"]:
        if layer["kind"] == "base":
            continue
        number += layer["kind"] == "tint"
        key = str(number) if layer["kind"] == "tint" else KEYS["input"]
        toggles.append(layer | {"key": key if len(key) == 1 else None, "shown": False})
    return toggles
