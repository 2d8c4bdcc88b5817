"""One picture that explains a sample at a glance."""

import io

from PIL import Image, ImageDraw

from sampler.config_schema import SamplerConfig
from sampler.dataset.dataset import Dataset
from sampler.drawing.boxes import label_text
from sampler.drawing.colours import IGNORED, INK, OBJECT
from sampler.drawing.text import fitted, width_of, write
from sampler.stream.keys import SampleKey
from service.explorer.inspection import InspectedBox, Inspection, inspect_sample
from service.explorer.picture import style
from service.explorer.picture.panels import SIDE, Panel, draw_panels

MARGIN = 32
_GUTTER = 20
_PADDING = 14
_HEADER = 74
_CAPTION_TOP = 38
_IMAGE_TOP = 62
_COLUMNS = 3
_CARD_WIDTH = SIDE + 2 * _PADDING
_CARD_HEIGHT = SIDE + _IMAGE_TOP + _PADDING
WIDTH = _COLUMNS * _CARD_WIDTH + (_COLUMNS - 1) * _GUTTER + 2 * MARGIN
"""Width of every picture in pixels."""

_COUNT_COLOURS = {
    "objects": OBJECT, "ignored": IGNORED, "outside": style.OUTSIDE, "untagged": INK,
}  # fmt: skip


def sample_picture(dataset: Dataset, config: SamplerConfig, key: SampleKey, *, augment: bool = True) -> bytes:
    """Return a PNG file that shows a sample and how it was made, `WIDTH` pixels wide.

    The original with the crop's window and all boxes, the crop, the network input, the target arrays as tints on the
    crop, and the recipe as text. Raises as `inspect_sample`.
    """
    seen = inspect_sample(dataset, config, key, augment=augment)
    panels = [*draw_panels(seen), recipe_panel(seen)]
    rows = -(-len(panels) // _COLUMNS)
    height = 2 * MARGIN + _HEADER + rows * (_CARD_HEIGHT + _GUTTER) - _GUTTER
    page = Image.new("RGB", (WIDTH, height), style.PAGE)
    _draw_header(page, seen)
    for number, panel in enumerate(panels):
        row, column = divmod(number, _COLUMNS)
        x, y = MARGIN + column * (_CARD_WIDTH + _GUTTER), MARGIN + _HEADER + row * (_CARD_HEIGHT + _GUTTER)
        _draw_card(page, panel, x, y)
    file = io.BytesIO()
    page.save(file, "PNG", compress_level=3)  # 6 takes twice the time for a file that is 10 % smaller
    return file.getvalue()


def _draw_header(page: Image.Image, seen: Inspection) -> None:
    draw = ImageDraw.Draw(page)
    right = WIDTH - MARGIN
    for name, count in reversed(seen.counts.items()):
        right -= width_of(name, style.TEXT_SIZE) + 20
        draw.rectangle((right, MARGIN, right + 5, MARGIN + 49), fill=_COUNT_COLOURS[name])
        write(draw, (right + 15, MARGIN + 3), str(count), style.TITLE_SIZE)
        write(draw, (right + 15, MARGIN + 38), name, style.TEXT_SIZE, style.SOFT_INK)
        right -= 20
    title = f"Sample {seen.key.index}, {seen.config.name}"
    key = f", seed {seen.key.seed}, epoch {seen.key.epoch}{'' if seen.augment else ', not augmented'}"
    room = right - MARGIN - width_of(key, style.TEXT_SIZE)
    image = fitted(f"image {seen.image_id}, {seen.file_name}", style.TEXT_SIZE, room)
    write(draw, (MARGIN, MARGIN + 3), fitted(title, style.TITLE_SIZE, right - MARGIN), style.TITLE_SIZE)
    write(draw, (MARGIN, MARGIN + 38), image + key, style.TEXT_SIZE, style.SOFT_INK)


def _draw_card(page: Image.Image, panel: Panel, x: int, y: int) -> None:
    draw = ImageDraw.Draw(page)
    edges = (x, y, x + _CARD_WIDTH - 1, y + _CARD_HEIGHT - 1)
    draw.rectangle(edges, fill=style.CARD, outline=style.CARD_EDGE)
    caption = fitted(panel.caption, style.TEXT_SIZE, SIDE)
    heading = fitted(panel.heading, style.HEADING_SIZE, SIDE)
    write(draw, (x + _PADDING, y + 15), heading, style.HEADING_SIZE)
    write(draw, (x + _PADDING, y + _CAPTION_TOP), caption, style.TEXT_SIZE, style.SOFT_INK)
    page.paste(panel.image, (x + _PADDING, y + _IMAGE_TOP))


def recipe_panel(seen: Inspection) -> Panel:
    image = Image.new("RGB", (SIDE, SIDE), style.CARD)
    draw = ImageDraw.Draw(image)
    for number, (name, value) in enumerate(recipe_lines(seen)):
        write(draw, (0, 28 * number + 8), name, style.TEXT_SIZE, style.SOFT_INK)
        write(draw, (80, 28 * number + 8), fitted(value, style.TEXT_SIZE, SIDE - 80), style.TEXT_SIZE)
    return Panel("Recipe", "all random decisions of this sample", image)


def _reference_line(reference: InspectedBox) -> str:
    return f"{label_text(reference.name, reference.category)}, box {reference.row} (yellow)"


def recipe_lines(seen: Inspection) -> list[tuple[str, str]]:
    recipe, plan, reference = seen.recipe, seen.plan, seen.reference
    (plane_height, plane_width), (y, x) = plan.size, recipe.center
    if plan.canvas is None:
        scale = f"the image becomes {plane_width} × {plane_height} px"
    else:
        scale = f"{plan.canvas[1]} × {plan.canvas[0]} px of the image fill the crop"
    jitter = [(name, f"{gain:.3f}") for name, gain in recipe.jitter]
    unusable = (
        []
        if recipe.substitute is None
        else [("substitute", f"index {recipe.substitute}, because index {seen.key.index} is unusable")]
    )
    return [
        *unusable,
        ("scale", f"{recipe.scale:.4g}: {scale}"),
        ("reference", "none" if reference is None else _reference_line(reference)),
        ("centre", f"x {x}, y {y} of {plane_width} × {plane_height} px"),
        ("flip", "left and right swapped" if recipe.flip else "no"),
        *(jitter or [("jitter", "none")]),
        ("lighting", ", ".join(f"{normal:+.3f}" for normal in recipe.lighting) if any(recipe.lighting) else "none"),
    ]
