"""What the page of images shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.dataset.images.notes import NoteKind
from sampler.survey.sample_filter import SIZES
from service.explorer.images.links import ImageLinks
from service.explorer.images.parameters import REMARKS, ImageListParameters
from service.explorer.shell.categories import category_choices
from service.explorer.shell.chips import LABELS, chips
from service.explorer.shell.links import chosen
from service.explorer.shell.templates import page
from service.explorer.shell.thumbnails import THUMBNAIL_SIDE
from service.image_folders import ImageFolders
from service.lifespan.state import ServedDataset
from service.words import count, joined, span

_TOTALS = (("images", "image", "images"), ("boxes", "box", "boxes"))


@dataclass(frozen=True, slots=True)
class Tile:
    """One thumbnail with its text. name: of the file; its whole path if the dataset has several folders."""

    link: str
    picture: str
    alt: str
    width: int
    height: int
    name: str
    path: str
    index: int
    identity: int | str
    facts: str


@dataclass(frozen=True, slots=True)
class Share:
    """A number of images of the dataset, with a link that shows them."""

    text: str
    link: str


def images_page(
    request: Request, dataset: ServedDataset, links: ImageLinks, listing: Mapping[str, Any],
    noted: Mapping[NoteKind, int],
) -> HTMLResponse:  # fmt: skip
    """Return the page of the images of a dataset. The others are those of `image_values`."""
    return page(
        request, "images/page.html", title=f"Images · {dataset.title}", scripts=("shell/tiles.js",),
        styles=("shell/tiles.css",), dataset_title=dataset.title,
        **image_values(links, listing, noted, dataset.folders),
    )  # fmt: skip


def image_values(
    links: ImageLinks, listing: Mapping[str, Any], noted: Mapping[NoteKind, int], folders: ImageFolders
) -> dict[str, Any]:
    """Return the values of the template.

    Args:
        links: The links of the page, with spec and parameters.
        listing: The document of `image_page`.
        noted: Number of images of the dataset that were noted, by remark.
        folders: Of the images.
    """
    own, spec = links.parameters, links.spec
    filtered = bool(_filters(own))
    return {
        "spec": spec,
        "parameters": own,
        "filtered": filtered,
        "summary": _summary(listing, filtered),
        "begins_late": not listing["rows"] and listing["before"] > 0,
        "counts": joined([count(listing["counts"][name], one, several) for name, one, several in _TOTALS]),
        "shares": _shares(links, listing["counts"], noted),
        "folders": list(dict.fromkeys(name for name in folders.names if name)),
        "tiles": [_tile(links, row, folders) for row in listing["rows"]],
        "chips": chips(own, lambda name: links.page(**{name: None}) or ""),
        "without_filters": links.page(**dict.fromkeys(_filters(own))),
        "first_page": links.page() if listing["before"] else None,
        "previous_page": links.page(listing["previous"]),
        "next_page": links.page(listing["next"]),
        "last_page": links.page(listing["last"]) if listing["next"] is not None else None,
        "categories": category_choices(spec),
        "size_choices": [(size, size) for size in SIZES],
        "remarks": REMARKS,
    }


def _filters(parameters: ImageListParameters) -> set[str]:
    return set(chosen(parameters)) & set(LABELS)


def _summary(listing: Mapping[str, Any], filtered: bool) -> str:
    """Return which images are shown: `Images 61–120 of 812 that match`."""
    shown, before, found = len(listing["rows"]), listing["before"], listing["found"]
    if not shown:
        return "No image matches" if not found else f"No image from here on; {count(found, 'image')} before"
    total = f"{span(before + 1, before + shown, 'image').capitalize()} of {found:,}"
    return f"{total} that match, of {listing['counts']['images']:,}" if filtered else total


def _shares(links: ImageLinks, counts: Mapping[str, int], noted: Mapping[NoteKind, int]) -> list[Share]:
    shares: list[tuple[int, str, Mapping[str, object]]] = [
        (counts["boxless"], "without boxes", {"max_boxes": 0}),
        (counts["crowded"], "with crowd boxes", {"crowd": True}),
        (counts["substituted"], REMARKS["substituted"], {"remark": "substituted"}),
        *((number, REMARKS[remark], {"remark": remark}) for remark, number in noted.items()),
    ]
    return [Share(f"{number:,} {text}", links.only(**one)) for number, text, one in shares if number]


def _tile(links: ImageLinks, row: Mapping[str, Any], folders: ImageFolders) -> Tile:
    index, width, height = row["index"], row["width"], row["height"]
    path = folders.path(row["file_name"])
    name = folders.label(row["file_name"])  # the heading names the only folder
    zoom = min(1.0, THUMBNAIL_SIDE / max(width, height))
    boxes = joined([count(row["boxes"], "box", "boxes") if row["boxes"] else "no boxes", _crowd(row["crowd"])])
    return Tile(
        links.sample(index), links.thumbnail(index), f"Image {index} with its boxes",
        max(1, round(width * zoom)), max(1, round(height * zoom)),
        name, path, index, row["id"], f"{width} × {height}, {boxes}",
    )  # fmt: skip


def _crowd(number: int) -> str:
    return f"{number}\u00a0crowd" if number else ""
