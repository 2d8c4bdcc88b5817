"""`service.explorer.picture.picture` and `service.explorer.page`: what people see of a sample."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from sampler.config.presets import PRESETS, preset
from sampler.config.schema import AttentionMap
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from service.explorer.inspection import Inspection, inspect_sample
from service.explorer.page import explorer_page, leap
from service.explorer.picture import style
from service.explorer.picture.marks import MAX_LABELS, label_text
from service.explorer.picture.panels import (
    attention_panel,
    crop_panel,
    crop_window,
    heat_panel,
    network_panel,
    original_panel,
)
from service.explorer.picture.picture import MARGIN, WIDTH, sample_picture
from service.explorer.picture.text import recipe_lines

SIDE = 408
SACCADE = preset("cornernet_saccade")
LONG_NAME = "a name that is far too long to stand on any label, and goes on and on without end " * 20
NAMES = ("person", "café – naïve", "自転車", LONG_NAME, "<script>alert(1)</script>", "", "tab\tand\nline")
Box = tuple[int, list[float]]


def texture(height: int, width: int) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [128 + 90 * np.sin(rows / a + columns / b) for a, b in ((31, 57), (83, 23), (47, 41))]
    return np.stack(waves, axis=-1).astype(np.uint8)


def crowded(count: int) -> list[Box]:
    places = [(37 * i % 560, 53 * i % 400, 12 + 7 * i % 60, 10 + 11 * i % 70) for i in range(count)]
    return [(1 + i % len(NAMES), list(place)) for i, place in enumerate(places)]


PICTURES: dict[str, tuple[int, int, list[Box]]] = {
    "mixed": (480, 640, [(1, [40, 30, 200, 260]), (2, [300, 200, 20, 14]), (3, [310, 330, 6, 5]),
                         (4, [500, 10, 130, 300]), (5, [0, 380, 640, 90]), (7, [250, 180, 90, 120])]),
    "empty": (480, 640, []),
    "one pixel": (1, 1, [(1, [0, 0, 1, 1])]),
    "tall": (3000, 20, [(1, [2, 100, 16, 80]), (2, [0, 1500, 20, 100])]),
    "wide": (20, 3000, [(1, [100, 2, 80, 16]), (6, [2990, 0, 30, 20])]),
    "crowded": (480, 640, crowded(200)),
    "names": (480, 640, [(i + 1, [20.0 + 80 * i, 20.0 + 55 * i, 90, 80]) for i in range(len(NAMES))]),
    "speck": (600, 800, [(1, [400, 300, 0.01, 0.004])]),
}  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pictures")
    images, annotations = [], []
    for number, (name, (height, width, boxes)) in enumerate(PICTURES.items()):
        assert cv2.imwrite(str(folder / f"{name}.png"), texture(height, width))
        images.append({"id": number, "file_name": f"{name}.png", "height": height, "width": width})
        annotations += [{"image_id": number, "category_id": category, "bbox": box} for category, box in boxes]
    document = {
        "images": images,
        "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations)],
    }
    (folder / "boxes.json").write_text(json.dumps(document))
    return open_dataset(folder / "boxes.json", folder, folder / "cache")


Look = Callable[..., Inspection]


@pytest.fixture
def look(dataset: Dataset) -> Look:
    def inspect(picture: str, seed: int = 0, config: str = "cornernet_saccade", augment: bool = True) -> Inspection:
        key = SampleKey(seed, 0, list(PICTURES).index(picture))
        return inspect_sample(dataset, preset(config), key, augment=augment)

    return inspect


def colours(panel: Pillow.Image) -> set[object]:
    return {colour for _, colour in panel.getcolors(maxcolors=panel.width * panel.height) or ()}


def pixels_of(png: bytes) -> NDArray[np.uint8]:
    picture = Pillow.open(io.BytesIO(png))
    picture.load()
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    return np.asarray(picture)


@pytest.mark.parametrize("config", PRESETS)
@pytest.mark.parametrize("name", PICTURES)
def test_every_kind_of_image_gives_a_picture_of_one_width_with_nothing_in_its_margins(
    dataset: Dataset, config: str, name: str
) -> None:
    key = SampleKey(2**64 - 1, 2**63 - 1, list(PICTURES).index(name))
    pixels = pixels_of(sample_picture(dataset, preset(config), key))
    assert pixels.shape[1] == WIDTH
    assert 1000 < pixels.shape[0] < 1600
    margins = (pixels[: MARGIN - 4], pixels[-MARGIN:], pixels[:, :MARGIN], pixels[:, -MARGIN:])
    assert all((margin == style.PAGE).all() for margin in margins)


def test_the_same_key_gives_the_same_file_and_another_epoch_another(dataset: Dataset) -> None:
    first, again, other = (sample_picture(dataset, SACCADE, SampleKey(3, epoch, 0)) for epoch in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_sample_without_augmentation_has_a_picture_of_its_own(dataset: Dataset) -> None:
    key = SampleKey(3, 0, 0)
    assert sample_picture(dataset, SACCADE, key) != sample_picture(dataset, SACCADE, key, augment=False)


def test_an_unknown_index_is_refused_and_not_drawn(dataset: Dataset) -> None:
    with pytest.raises(InvalidRequestError, match="index"):
        sample_picture(dataset, SACCADE, SampleKey(0, 0, len(PICTURES)))


@pytest.mark.parametrize("maps", [0, 1, 5])
def test_any_number_of_attention_maps_fits(dataset: Dataset, maps: int) -> None:
    config = replace(SACCADE, attention=tuple(AttentionMap((16, 16), 16, (0, 50 * i + 50)) for i in range(maps)))
    pixels = pixels_of(sample_picture(dataset, config, SampleKey(0, 0, 0)))
    assert (pixels == style.ATTENTION).all(axis=-1).any() == (maps > 0)


@pytest.mark.parametrize("seed", range(12))
def test_the_crop_shows_the_colour_of_a_state_exactly_when_a_box_has_it(look: Look, seed: int) -> None:
    seen = look("mixed", seed)
    drawn = colours(crop_panel(seen, SIDE).image)
    assert (style.IGNORED in drawn) == (seen.count("ignored") > 0)
    assert (style.OBJECT in drawn) == (seen.count("object") > 0)
    assert style.OUTSIDE not in drawn
    assert (style.OUTSIDE in colours(original_panel(seen, (560, SIDE)).image)) == (seen.count("outside") > 0)


@pytest.mark.parametrize("config", PRESETS)
def test_a_reference_is_ringed_in_crop_and_original_and_only_saccade_has_one(look: Look, config: str) -> None:
    seen = look("mixed", config=config)
    panels = (crop_panel(seen, SIDE).image, original_panel(seen, (560, SIDE)).image)
    has_reference = config == "cornernet_saccade"
    assert [style.REFERENCE in colours(panel) for panel in panels] == [has_reference] * 2


def test_without_boxes_nothing_is_marked(look: Look) -> None:
    seen = look("empty")
    marks = {style.OBJECT, style.IGNORED, style.OUTSIDE, style.REFERENCE}
    assert not marks & colours(crop_panel(seen, SIDE).image)
    assert not marks & colours(original_panel(seen, (560, SIDE)).image)
    assert ("reference", "none") in recipe_lines(seen)


@pytest.mark.parametrize("config", PRESETS)
@pytest.mark.parametrize("seed", range(5))
def test_the_crop_window_frames_in_the_original_what_the_crop_shows(look: Look, config: str, seed: int) -> None:
    seen = look("mixed", seed, config)
    x0, y0, x1, y1 = crop_window(seen)
    side = seen.config.input_side
    rows, columns = (
        (np.linspace(start, end, side, endpoint=False) + (end - start) / side / 2 - 0.5).astype(np.float32)
        for start, end in ((y0, y1), (x0, x1))
    )
    framed = cv2.remap(seen.image, *np.meshgrid(columns, rows), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    expected = framed[:, ::-1] if seen.recipe.flip else framed
    difference = np.abs(expected.astype(int) - seen.crop)
    assert np.median(difference) <= 2
    assert difference.mean() < 6


def test_the_original_is_dimmed_outside_the_window_and_not_inside(look: Look) -> None:
    seen = look("empty", 1)
    assert crop_window(seen)[2] < 600
    shown = np.asarray(original_panel(seen, (560, SIDE)).image)
    frame = np.argwhere((shown == style.WINDOW).all(axis=-1))
    (top, left), (bottom, right) = frame.min(axis=0), frame.max(axis=0)
    brightest = seen.image.max()
    assert shown[top + 4 : bottom - 4, left + 4 : right - 4].max() > brightest * 0.9
    assert shown[10:-10, right + 6 : 530].max() < brightest * 0.6


@pytest.mark.parametrize(("number", "corner"), [(0, "tl"), (1, "br")])
@pytest.mark.parametrize("seed", range(4))
def test_each_object_has_the_full_tint_at_its_corner_cell(look: Look, number: int, corner: str, seed: int) -> None:
    seen = look("mixed", seed)
    shown = np.asarray(heat_panel(seen, number, SIDE).image)
    height, width = seen.config.output_size
    for cell in seen.dense[f"{corner}_tags"][seen.dense["tag_masks"] == 1].tolist():
        y, x = (
            int((place + 0.5) * SIDE / extent) for place, extent in ((cell // width, height), (cell % width, width))
        )
        assert tuple(shown[y, x]) == style.PLANES[number]


@pytest.mark.parametrize("seed", range(8))
def test_heatmaps_are_hatched_exactly_where_a_valid_mask_is_zero(look: Look, seed: int) -> None:
    seen = look("mixed", seed)
    hatched = style.IGNORED in colours(heat_panel(seen, 0, SIDE).image)
    assert hatched == (seen.dense["tl_valids"].min() == 0)


@pytest.mark.parametrize("number", range(3))
def test_an_attention_map_lights_its_cells_and_no_others(look: Look, number: int) -> None:
    seen = look("crowded", 4)
    shown = np.asarray(attention_panel(seen, number, 256).image)
    lit = (shown == style.ATTENTION).all(axis=-1)
    attention = seen.config.attention[number]
    cells = seen.dense[f"attentions_{number}"][0]
    assert cells.any()
    middle = (np.arange(256) + 0.5) * 255 / 256 / attention.ratio
    expected = cells[np.ix_(middle.astype(int), middle.astype(int))] == 1
    assert (lit == expected).mean() > 0.99


def test_the_network_panel_undoes_the_normalisation(look: Look) -> None:
    plain = look("mixed", augment=False)
    expected = Pillow.fromarray(np.ascontiguousarray(plain.crop[:, :, ::-1])).resize(
        (SIDE, SIDE), Pillow.Resampling.BICUBIC
    )
    np.testing.assert_array_equal(np.asarray(network_panel(plain, SIDE).image), np.asarray(expected))


def test_a_crowded_panel_names_only_a_few_boxes(look: Look) -> None:
    seen = look("crowded", config="cornernet")
    assert seen.count("object") > 60
    assert 0 < crop_panel(seen, SIDE).labels <= MAX_LABELS


def test_what_the_font_lacks_is_replaced_and_seen() -> None:
    assert style.drawable("café – naïve × 2") == "cafe - naive x 2"
    assert style.drawable("自転車 bike") == "??? bike"
    assert style.drawable("cafe\u0301") == "cafe"
    assert style.drawable("a\tb\n c") == "a b c"
    assert style.drawable("🐈\u0000") == "??"
    assert style.drawable("person") == "person"


def test_a_label_says_the_number_of_a_category_it_cannot_name(look: Look) -> None:
    labels = [label_text(box) for box in look("names").boxes]
    assert labels[:3] == ["person", "cafe - naive", "3: ???"]
    assert labels[5:] == ["category 6", "tab and line"]


@pytest.mark.parametrize("text", [LONG_NAME, "自" * 500, "short", "", "…"])
@pytest.mark.parametrize("width", [20, 100, 132])
def test_fitted_text_never_exceeds_its_place(text: str, width: int) -> None:
    assert style.width_of(style.fitted(text, style.LABEL_SIZE, width), style.LABEL_SIZE) <= width


def test_shortened_text_keeps_both_ends() -> None:
    shown = style.fitted("train2017/subfolder/000000123456.jpg" * 9, style.TEXT_SIZE, 200)
    assert shown.startswith("train2017")
    assert shown.endswith(".jpg")
    assert "…" in shown


def page(**changed: object) -> str:
    values: dict[str, object] = {
        "index": 3, "seed": 7, "epoch": 1, "augment": True, "total": 10, "config": "cornernet_saccade",
        "dataset_name": "demo", "category_names": ("cat", "dog"),
    }  # fmt: skip
    return explorer_page(**{**values, **changed})  # type: ignore[arg-type] # values of the right types, by name


class Elements(HTMLParser):
    """Every start tag of a page, with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_the_page_shows_the_picture_and_links_to_neighbours_and_facts() -> None:
    elements = Elements(page())
    query = "?seed=7&epoch=1&augment=true"
    assert elements.all("img")[0]["src"] == f"/debug/samples/3.png{query}"
    targets = {link["href"] for link in elements.all("a")}
    assert {f"/explore/2{query}", f"/explore/4{query}", f"/debug/samples/3{query}"} <= targets
    assert {"/docs", "/metrics", "/v1/spec", "/explore/3?seed=7&epoch=2&augment=true"} <= targets
    assert "/explore/3?seed=7&epoch=1&augment=false" in targets


@pytest.mark.parametrize(("index", "previous", "following"), [(0, 9, 1), (9, 8, 0)])
def test_leafing_past_an_end_starts_over_at_the_other(index: int, previous: int, following: int) -> None:
    links = {link["rel"]: link["href"] for link in Elements(page(index=index)).all("a") if "rel" in link}
    assert str(links["prev"]).startswith(f"/explore/{previous}?")
    assert str(links["next"]).startswith(f"/explore/{following}?")


@pytest.mark.parametrize("total", [1, 2, 3, 10, 36, 256, 5000])
def test_leaping_visits_every_sample_before_it_comes_back(total: int) -> None:
    assert len({step * leap(total) % total for step in range(total)}) == total


@pytest.mark.parametrize("field", ["dataset_name", "config", "category_names"])
def test_names_cannot_bring_markup_into_the_page(field: str) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'{{ 7 * 7 }}"
    html = page(**{field: (evil,) if field == "category_names" else evil})
    dirty = Elements(html)
    plain = Elements(page(category_names=("cat",)) if field == "category_names" else page())
    assert [tag for tag, _ in dirty.found] == [tag for tag, _ in plain.found]
    assert not any("onerror" in attributes for _, attributes in dirty.found)
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html


def test_the_page_loads_nothing_from_elsewhere() -> None:
    html = page()
    assert "http://" not in html
    assert "https://" not in html
    assert all("src" not in script for script in Elements(html).all("script"))


def test_every_input_has_a_label_and_the_picture_a_description() -> None:
    elements = Elements(page())
    labelled = {label["for"] for label in elements.all("label")}
    assert {field["id"] for field in (*elements.all("input"), *elements.all("select"))} == labelled
    assert "seed 7" in str(elements.all("img")[0]["alt"])


def test_real_photographs_give_pictures(shared: Path, tmp_path: Path) -> None:
    folder = shared / "coco-tiny"
    dataset = open_dataset(folder / "annotations/instances_val2017.json", folder / "images/val2017", tmp_path)
    for config in PRESETS:
        assert pixels_of(sample_picture(dataset, preset(config), SampleKey(7, 0, 0))).shape[1] == WIDTH
