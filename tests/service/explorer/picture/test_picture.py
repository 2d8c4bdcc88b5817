"""The debug picture of a sample."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from sampler.config.presets import PRESETS, preset
from sampler.config_schema import AttentionMap
from sampler.dataset.dataset import Dataset, open_dataset
from sampler.drawing.boxes import label_text
from sampler.drawing.colours import IGNORED, OBJECT
from sampler.errors import InvalidRequestError
from sampler.stream.keys import SampleKey
from service.explorer.inspection import Inspection, inspect_sample
from service.explorer.picture import style
from service.explorer.picture.panels import SIDE, Panel, crop_panel, draw_panels, network_panel, original_panel
from service.explorer.picture.picture import MARGIN, WIDTH, recipe_lines, sample_picture

SACCADE = preset("cornernet_saccade")
LONG_NAME = "a name that is too long for any label and goes on and on " * 20
NAMES = ("person", "café naïve", "自転車", LONG_NAME, "<script>alert(1)</script>", "", "tab\tand\nline")
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


def colours(panel: Panel) -> set[object]:
    return {colour for _, colour in panel.image.getcolors(maxcolors=SIDE * SIDE) or ()}


def panel(seen: Inspection, heading: str) -> NDArray[np.uint8]:
    return np.asarray(next(panel.image for panel in draw_panels(seen) if panel.heading == heading))


def pixels_of(png: bytes) -> NDArray[np.uint8]:
    picture = Pillow.open(io.BytesIO(png))
    picture.load()
    assert (picture.format, picture.mode) == ("PNG", "RGB")
    return np.asarray(picture)


@pytest.mark.parametrize("config", PRESETS)
@pytest.mark.parametrize("name", PICTURES)
def test_all_images_give_pictures_of_the_same_width_with_empty_margins(
    dataset: Dataset, config: str, name: str
) -> None:
    key = SampleKey(2**64 - 1, 2**63 - 1, list(PICTURES).index(name))
    pixels = pixels_of(sample_picture(dataset, preset(config), key))
    assert pixels.shape[1] == WIDTH
    assert 1000 < pixels.shape[0] < 1700
    margins = (pixels[:MARGIN], pixels[-MARGIN:], pixels[:, :MARGIN], pixels[:, -MARGIN:])
    assert all((margin == style.PAGE).all() for margin in margins)


def test_equal_keys_give_equal_files_and_other_epochs_others(dataset: Dataset) -> None:
    first, again, other = (sample_picture(dataset, SACCADE, SampleKey(3, epoch, 0)) for epoch in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_sample_without_augmentation_has_another_picture(dataset: Dataset) -> None:
    key = SampleKey(3, 0, 0)
    assert sample_picture(dataset, SACCADE, key) != sample_picture(dataset, SACCADE, key, augment=False)


def test_an_unknown_index_is_refused(dataset: Dataset) -> None:
    with pytest.raises(InvalidRequestError, match="index"):
        sample_picture(dataset, SACCADE, SampleKey(0, 0, len(PICTURES)))


@pytest.mark.parametrize("maps", [0, 1, 5])
def test_there_may_be_any_number_of_attention_maps(dataset: Dataset, maps: int) -> None:
    config = replace(SACCADE, attention=tuple(AttentionMap((16, 16), 16, (0, 50 * i + 50)) for i in range(maps)))
    pixels = pixels_of(sample_picture(dataset, config, SampleKey(0, 0, 0)))
    assert (pixels == style.ATTENTION).all(axis=-1).any() == (maps > 0)


@pytest.mark.parametrize("seed", range(12))
def test_panels_show_the_colours_of_the_states_that_occur(look: Look, seed: int) -> None:
    seen = look("mixed", seed)
    in_crop, others = [box for box in seen.boxes if box.state != "outside"], seen.counts["outside"]
    states = {box.state for box in in_crop if not box.is_reference}
    drawn = colours(crop_panel(seen))
    assert (IGNORED in drawn) == ("ignored" in states)
    assert (OBJECT in drawn) == ("object" in states)
    assert style.OUTSIDE not in drawn
    assert (style.OUTSIDE in colours(original_panel(seen))) == (others > 0)


@pytest.mark.parametrize("config", PRESETS)
def test_the_reference_is_marked_in_crop_and_original(look: Look, config: str) -> None:
    seen = look("mixed", config=config)
    panels = (crop_panel(seen), original_panel(seen))
    has_reference = config == "cornernet_saccade"
    assert [style.REFERENCE in colours(panel) for panel in panels] == [has_reference] * 2


def test_without_boxes_nothing_is_marked(look: Look) -> None:
    seen = look("empty")
    marks = {OBJECT, IGNORED, style.OUTSIDE, style.REFERENCE}
    assert not marks & colours(crop_panel(seen))
    assert not marks & colours(original_panel(seen))
    assert ("reference", "none") in recipe_lines(seen)


@pytest.mark.parametrize("config", PRESETS)
@pytest.mark.parametrize("seed", range(5))
def test_the_crop_window_encloses_in_the_original_what_the_crop_shows(look: Look, config: str, seed: int) -> None:
    seen = look("mixed", seed, config)
    x0, y0, x1, y1 = seen.window
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


def test_the_original_is_dimmed_outside_the_window(look: Look) -> None:
    seen = look("empty", 1)
    assert seen.window[2] < 600
    shown = panel(seen, "Original")
    frame = np.argwhere((shown == style.WINDOW).all(axis=-1))
    (top, left), (bottom, right) = frame.min(axis=0), frame.max(axis=0)
    brightest = seen.image.max()
    assert shown[top + 4 : bottom - 4, left + 4 : right - 4].max() > brightest * 0.9
    rows, columns = SIDE * 4 // 10, SIDE * 6 // 10
    assert shown[rows:columns, right + 6 : -8].max() < brightest * 0.6


@pytest.mark.parametrize(("corner", "heading"), [("tl", "Top-left corners"), ("br", "Bottom-right corners")])
@pytest.mark.parametrize("seed", range(4))
def test_heatmaps_have_the_full_tint_at_corners_of_objects(look: Look, corner: str, heading: str, seed: int) -> None:
    seen = look("mixed", seed)
    shown = panel(seen, heading)
    height, width = seen.config.output_size
    for cell in seen.dense[f"{corner}_tags"][seen.dense["tag_masks"] == 1].tolist():
        y, x = (
            int((place + 0.5) * SIDE / extent) for place, extent in ((cell // width, height), (cell % width, width))
        )
        assert tuple(shown[y, x]) == style.PLANES[corner == "br"]


@pytest.mark.parametrize("seed", range(8))
def test_heatmaps_are_hatched_if_a_valid_mask_has_zeros(look: Look, seed: int) -> None:
    seen = look("mixed", seed)
    hatched = (panel(seen, "Top-left corners") == IGNORED).all(axis=-1).any()
    assert hatched == (seen.dense["tl_valids"].min() == 0)


@pytest.mark.parametrize("number", range(3))
def test_attention_maps_show_their_marked_cells_only(look: Look, number: int) -> None:
    seen = look("crowded", 4)
    attention = seen.config.attention[number]
    shown = panel(seen, f"Attention {attention.size[1]} × {attention.size[0]}")
    lit = (shown == style.ATTENTION).all(axis=-1)
    cells = seen.dense[f"attentions_{number}"][0]
    assert cells.any()
    middle = (np.arange(SIDE) + 0.5) * 255 / SIDE / attention.ratio
    expected = cells[np.ix_(middle.astype(int), middle.astype(int))] == 1
    assert (lit == expected).mean() > 0.99


def test_the_network_panel_undoes_the_normalisation(look: Look) -> None:
    plain = look("mixed", augment=False)
    expected = Pillow.fromarray(np.ascontiguousarray(plain.crop[:, :, ::-1])).resize(
        (SIDE, SIDE), Pillow.Resampling.BICUBIC
    )
    np.testing.assert_array_equal(np.asarray(network_panel(plain).image), np.asarray(expected))


def test_the_network_panel_names_the_colour_steps_that_were_applied(look: Look) -> None:
    assert network_panel(look("mixed")).caption == "after jitter and lighting; shown without normalisation"
    assert network_panel(look("mixed", augment=False)).caption == "the crop; shown without normalisation"


def test_labels_show_the_number_of_a_category_that_the_font_cannot_name(look: Look) -> None:
    labels = [label_text(box.name, box.category) for box in look("names").boxes]
    assert labels[:3] == ["person", "cafe naive", "3: ???"]
    assert labels[5:] == ["category 6", "tab and line"]


def test_photographs_give_pictures(shared: Path, tmp_path: Path) -> None:
    folder = shared / "coco-tiny"
    dataset = open_dataset(folder / "annotations/instances_val2017.json", folder / "images/val2017", tmp_path)
    for config in PRESETS:
        assert pixels_of(sample_picture(dataset, preset(config), SampleKey(7, 0, 0))).shape[1] == WIDTH
