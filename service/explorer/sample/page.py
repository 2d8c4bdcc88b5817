"""The page of one sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.stream.keys import SampleKey
from sampler.stream.places import StreamPlace
from sampler.wire.spec import ServiceSpec
from service.access.paths import root_of
from service.explorer.sample.contents import ORIGINAL, PICTURE_NAMES, PictureName
from service.explorer.sample.layer_choice import text_of_layers
from service.explorer.sample.links import DEFAULT_LAYERS, SampleLinks
from service.explorer.sample.overlay import Rectangle, box_shapes, classes_of, meaning_of, view_of
from service.explorer.shell.templates import page
from service.image_folders import NO_FOLDERS, ImageFolders

LEGEND = {
    "objects": ("object", "objects"), "ignored": ("ignored", "ignored"), "outside": ("outside", "outside the crop"),
    "untagged": ("object untagged", "untagged"),
}  # fmt: skip
"""Classes and words of each count of a sample."""

TITLES = {"original": "Original", "crop": "Crop"}

KEYS = {"boxes": "b", "names": "n", "window": "w", "corners": "c", "input": "i"}
"""Keys of the toggles. Those of the target arrays are the digits from 1."""


@dataclass(frozen=True, slots=True)
class Toggle:
    """A link that shows or hides a layer.

    Attributes:
        name: Of the layer.
        title: For people.
        caption: What the layer shows.
        swatch: Name of the colour of a tint, "" for other layers.
        key: The key that follows the link, if there is one.
        shown: Whether the layer is shown.
        target: The page with the layer hidden or shown.
    """

    name: str
    title: str
    caption: str
    swatch: str
    key: str | None
    shown: bool
    target: str


@dataclass(frozen=True, slots=True)
class SamplePageState:
    """What the page shows.

    Attributes:
        spec: Of the dataset.
        title: Of the dataset, for people.
        key: Of the sample.
        augment: False for the fixed recipe.
        place: In the stream, if the page was opened with one.
        search: The query of the page of steps that found the sample, if it was found.
        layers: Names of the layers that are shown; None for the usual ones.
        datasets: The specs of all datasets of the server.
        folders: Of the dataset's images.
    """

    spec: ServiceSpec
    title: str
    key: SampleKey
    augment: bool
    place: StreamPlace | None = None
    search: str | None = None
    layers: tuple[str, ...] | None = None
    datasets: tuple[ServiceSpec, ...] = ()
    folders: ImageFolders = NO_FOLDERS


def sample_page(request: Request, state: SamplePageState, facts: Mapping[str, Any]) -> HTMLResponse:
    """Return the page. facts: those of `SampleContents`."""
    links = _links(request, state)
    pictures = [_picture(facts, links, name) for name in PICTURE_NAMES]
    return _page(
        request, state, links, problem=None, facts=facts,
        path=state.folders.path(facts["image"]["file_name"]), pictures=pictures, toggles=_toggles(facts, links),
        legend=[(*LEGEND[name], count) for name, count in facts["counts"].items()],
        rows=[(box, classes_of(box), meaning_of(box)) for box in facts["boxes"]],
    )  # fmt: skip


def problem_page(request: Request, state: SamplePageState, problem: str, status: int) -> HTMLResponse:
    """Return the page of a sample that cannot be made. It still leads to others."""
    return _page(request, state, _links(request, state), problem=problem, status=status)


def _links(request: Request, state: SamplePageState) -> SampleLinks:
    return SampleLinks(
        root_of(request.scope), state.spec, state.key, state.augment, state.place, state.search, state.layers
    )  # fmt: skip


def _page(
    request: Request, state: SamplePageState, links: SampleLinks, status: int = 200, **values: Any
) -> HTMLResponse:
    return page(
        request, "sample/page.html", title=f"Sample {state.key.index} · {state.title}", status=status,
        scripts=("sample/page.js",), styles=("sample/boxes.css", "sample/page.css"), spec=state.spec,
        dataset_name=state.title, key=state.key, augment=state.augment, place=state.place, links=links,
        shown_layers=text_of_layers(links.shown_layers), usual_layers=text_of_layers(DEFAULT_LAYERS),
        datasets=[(spec.dataset_name, links.in_dataset(spec), spec is state.spec) for spec in state.datasets], **values,
    )  # fmt: skip


def _picture(facts: Mapping[str, Any], links: SampleLinks, picture: PictureName) -> dict[str, Any]:
    """Return what the template needs to draw one of the pictures."""
    view = _view(facts, picture)
    layers = [_shown_layer(layer, links) for layer in facts["layers"] if layer["place"] == picture]
    shapes = box_shapes(facts["boxes"], picture, view)
    has_corners = picture == "crop" and facts["has_corners"]
    return {
        "name": picture,
        "title": TITLES[picture],
        "caption": layers[0]["caption"],
        "view": view,
        "layers": layers,
        "shown_layers": links.shown_layers,
        "tinted": any(layer["kind"] == "tint" and layer["shown"] for layer in layers),
        "shapes": shapes,
        "window": facts["window"] if picture == "original" else None,
        "corners": [shape for shape in shapes if "object" in shape.classes.split()] if has_corners else [],
    }


def _shown_layer(layer: dict[str, Any], links: SampleLinks) -> dict[str, Any]:
    """Return a layer of the facts with its URL, and whether it is shown; the original always is."""
    name = layer["name"]
    return layer | {
        "url": links.file(f"/explore/{{}}/layers/{name}"),
        "shown": name == ORIGINAL or name in links.shown_layers,
    }


def _view(facts: Mapping[str, Any], picture: PictureName) -> Rectangle:
    if picture == "crop":
        return 0.0, 0.0, facts["side"], facts["side"]
    return view_of(facts["image"]["width"], facts["image"]["height"], facts["window"])


def _toggles(facts: Mapping[str, Any], links: SampleLinks) -> list[Toggle]:
    """Return the layers that can be shown and hidden: all but the original."""
    drawn = [("boxes", "Boxes"), ("names", "Names"), ("window", "Crop window"), ("corners", "Corners")]
    layers = [{"name": name, "title": title, "caption": "", "swatch": ""} for name, title in drawn]
    if not facts["has_corners"]:
        layers.pop()
    layers += [layer for layer in facts["layers"] if layer["name"] != ORIGINAL]
    numbers = {layer["name"]: str(number) for number, layer in enumerate(_tints(facts), 1) if number < 10}
    return [
        Toggle(
            name := layer["name"], layer["title"], layer["caption"], layer["swatch"], (KEYS | numbers).get(name),
            name in links.shown_layers, links.toggle(name),
        )
        for layer in layers
    ]  # fmt: skip


def _tints(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [layer for layer in facts["layers"] if layer["kind"] == "tint"]
