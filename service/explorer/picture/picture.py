"""One picture that explains a sample at a glance."""

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sampler.config.schema import SamplerConfig
from sampler.stream.keys import SampleKey
from service.explorer.inspection import DebugSource, Inspection, inspect_sample
from service.explorer.picture import style
from service.explorer.picture.panels import (
    Panel,
    attention_panel,
    crop_panel,
    heat_panel,
    network_panel,
    original_panel,
)
from service.explorer.picture.text import boxes_body, counts_strip, legend_body, recipe_body, stacked

MARGIN = 32
GUTTER = 20
PADDING = 14
CAPTION_TOP = 38
BODY_TOP = 62
HEADER = 74
RADIUS = 8

SMALL = 256
"""Side of a small panel. Five cards with small panels fill a row; every other width follows from that."""
SMALL_CARD = SMALL + 2 * PADDING
WIDTH = 5 * SMALL_CARD + 4 * GUTTER + 2 * MARGIN
WIDE = 2 * SMALL_CARD + GUTTER - 2 * PADDING
"""Width of a panel in a card as wide as two small ones."""
LARGE = (3 * SMALL_CARD + 2 * GUTTER - GUTTER) // 2 - 2 * PADDING
"""Side of a panel of which two fill the place of three small cards."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card of the picture: heading, caption, and what is shown."""

    heading: str
    caption: str
    body: Image.Image


def sample_picture(dataset: DebugSource, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> bytes:
    """Return a PNG file, `WIDTH` pixels wide, that shows what a sample is and how it was made.

    The original with the crop window and what became of each box; the crop; the crop in the network's colours; both
    heatmaps; the attention maps; the recipe. Raises as `service.explorer.inspection.inspect_sample` does.
    """
    seen = inspect_sample(dataset, config, key, augment=augment)
    rows = _rows(seen)
    heights = [BODY_TOP + max(card.body.height for card in row) + PADDING for row in rows]
    page = Image.new("RGB", (WIDTH, 2 * MARGIN + HEADER + sum(heights) + GUTTER * (len(rows) - 1)), style.PAGE)
    _draw_header(page, seen)
    top = MARGIN + HEADER
    for row, height in zip(rows, heights, strict=True):
        left = MARGIN
        for card in row:
            _draw_card(page, card, (left, top), height)
            left += card.body.width + 2 * PADDING + GUTTER
        top += height + GUTTER
    file = io.BytesIO()
    page.save(file, "PNG", compress_level=6)
    return file.getvalue()


def _rows(seen: Inspection) -> list[list[Card]]:
    heats = [_heat_card(seen, number) for number in range(len(seen.planes[:2]))]
    first = [_original_card(seen), _crop_card(seen), _network_card(seen)]
    if not seen.attentions:
        words = stacked(WIDE, [("", recipe_body(seen, WIDE)), ("Legend", legend_body(seen, WIDE))])
        return [first, [_recipe_card(words), *heats]]
    words = stacked(WIDE, [("", recipe_body(seen, WIDE)), ("Boxes in the crop", boxes_body(seen, WIDE))])
    maps = [_attention_card(seen, number) for number in range(len(seen.attentions))]
    last = [Card("Legend", "what the marks mean", legend_body(seen, WIDE)), *maps[:3]]
    more = [maps[start : start + 5] for start in range(3, len(maps), 5)]
    return [first, [_recipe_card(words), *heats], last, *more]


def _recipe_card(body: Image.Image) -> Card:
    return Card("Recipe", "every random decision of this sample", body)


def _original_card(seen: Inspection) -> Card:
    height, width = seen.image.shape[:2]
    panel = original_panel(seen, (WIDE, LARGE))
    return Card("Original", f"{width} x {height} px · {_labelled(panel, len(seen.boxes))}", panel.image)


def _crop_card(seen: Inspection) -> Card:
    height, width = seen.config.input_size
    panel = crop_panel(seen, LARGE)
    inside = sum(box.cropped is not None for box in seen.boxes)
    flipped = " · flipped" if seen.recipe.flip else ""
    return Card("Crop", f"{width} x {height} px{flipped} · {_labelled(panel, inside)}", panel.image)


def _labelled(panel: Panel, boxes: int) -> str:
    count = _plural(boxes, "box", "boxes") if boxes else "no boxes"
    return count if panel.labels in (0, boxes) else f"{count}, {panel.labels} named"


def _network_card(seen: Inspection) -> Card:
    caption = "jitter and lighting applied, normalisation undone to view it"
    if not seen.recipe.jitter and not any(seen.recipe.lighting):
        caption = "no jitter, no lighting; normalisation undone to view it"
    return Card("Network input", caption, network_panel(seen, LARGE).image)


def _heat_card(seen: Inspection, number: int) -> Card:
    height, width = seen.config.output_size
    caption = f"{width} x {height} cells, highest of {_plural(seen.category_count, 'category', 'categories')}"
    return Card(seen.planes[number].title, caption, heat_panel(seen, number, LARGE).image)


def _attention_card(seen: Inspection, number: int) -> Card:
    attention = seen.config.attention[number]
    marked = int(seen.dense[seen.attentions[number]].sum())
    low, high = attention.longest
    caption = f"longer side {low:g} to {high:g} px: {_plural(marked, 'cell', 'cells')}"
    height, width = attention.size
    return Card(f"Attention {width} x {height}", caption, attention_panel(seen, number, SMALL).image)


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _draw_header(page: Image.Image, seen: Inspection) -> None:
    draw = ImageDraw.Draw(page)
    strip = counts_strip(seen)
    page.paste(strip, (WIDTH - MARGIN - strip.width, MARGIN - 4))
    room = WIDTH - 2 * MARGIN - strip.width - 2 * GUTTER
    title = style.fitted(f"Sample {seen.key.index} · {seen.config.name}", style.TITLE_SIZE, room)
    style.write(draw, (MARGIN, MARGIN + 2), title, style.TITLE_SIZE)
    key = f"seed {seen.key.seed} · epoch {seen.key.epoch}{'' if seen.augment else ' · not augmented'}"
    image = f"image {seen.image_id} · {seen.file_name}"
    end = f" · {key}"
    room -= style.width_of(end, style.TEXT_SIZE)
    line = style.fitted(image, style.TEXT_SIZE, room) + end
    style.write(draw, (MARGIN, MARGIN + 37), line, style.TEXT_SIZE, style.SOFT_INK)


def _draw_card(page: Image.Image, card: Card, place: tuple[int, int], height: int) -> None:
    x, y = place
    width = card.body.width + 2 * PADDING
    page.paste(_rounded(width, height), place)
    draw = ImageDraw.Draw(page)
    style.write(draw, (x + PADDING, y + 15), card.heading, style.HEADING_SIZE)
    caption = style.fitted(card.caption, style.TEXT_SIZE, card.body.width)
    style.write(draw, (x + PADDING, y + CAPTION_TOP), caption, style.TEXT_SIZE, style.SOFT_INK)
    page.paste(card.body, (x + PADDING, y + BODY_TOP))


def _rounded(width: int, height: int) -> Image.Image:
    """Return an empty card. Pillow draws hard edges, so the corners are drawn large and reduced."""
    large = Image.new("RGB", (4 * width, 4 * height), style.PAGE)
    box = (0, 0, 4 * width - 1, 4 * height - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, 4 * RADIUS, fill=style.CARD, outline=style.CARD_EDGE, width=4)
    return large.reduce(4)
