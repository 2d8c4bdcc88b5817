"""The words of the debug picture: counts, recipe, legend."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from service.explorer.inspection import BoxFate, Inspection, State
from service.explorer.picture import style
from service.explorer.picture.marks import STATE_COLOURS, label_text, outline, ring
from service.explorer.picture.panels import HATCH_STEP, TINT_POWER
from service.explorer.picture.style import Colour

LINE = 25
NAME_WIDTH = 92
SWATCH = 30
NAME_COLUMN = SWATCH + 12
SIZE_COLUMN = 230
FATE_COLUMN = 350
MAX_TABLE = 7
"""Lines of the table of boxes: what fits beside a large panel."""
SECTION_GAP = 22

Draw = ImageDraw.ImageDraw
Swatch = Callable[[Draw, int, int], None]
"""Draws a sample of a mark, 30 × 16 pixels, with its top left at x, y."""


def counts_strip(seen: Inspection) -> Image.Image:
    """Return how many boxes became what, in large figures."""
    colours: dict[str, Colour] = {
        "objects": STATE_COLOURS["object"],
        "ignored": STATE_COLOURS["ignored"],
        "outside": STATE_COLOURS["outside"],
        "untagged": style.INK,
    }
    widths = {
        name: max(style.width_of(str(count), style.TITLE_SIZE), style.width_of(name, style.TEXT_SIZE)) + 40
        for name, count in seen.counts.items()
    }
    strip = Image.new("RGB", (sum(widths.values()) - 18, 58), style.PAGE)
    draw = ImageDraw.Draw(strip)
    x = 0
    for name, count in seen.counts.items():
        draw.rectangle((x, 3, x + 5, 52), fill=colours[name])
        style.write(draw, (x + 15, 6), str(count), style.TITLE_SIZE)
        style.write(draw, (x + 15, 41), name, style.TEXT_SIZE, style.SOFT_INK)
        x += widths[name]
    return strip


def stacked(width: int, sections: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Return bodies below each other, each below its heading where it has one."""
    heights = [body.height + (SECTION_GAP + LINE + 6 if heading else 0) for heading, body in sections]
    whole = Image.new("RGB", (width, sum(heights)), style.CARD)
    draw = ImageDraw.Draw(whole)
    top = 0
    for (heading, body), height in zip(sections, heights, strict=True):
        if heading:
            style.write(draw, (0, top + SECTION_GAP), heading, style.HEADING_SIZE)
        whole.paste(body, (0, top + height - body.height))
        top += height
    return whole


def recipe_body(seen: Inspection, width: int) -> Image.Image:
    """Return the key and the recipe, one line a decision."""
    lines = recipe_lines(seen)
    body = Image.new("RGB", (width, LINE * len(lines)), style.CARD)
    draw = ImageDraw.Draw(body)
    for number, (name, value) in enumerate(lines):
        style.write(draw, (0, number * LINE + 6), name, style.TEXT_SIZE, style.SOFT_INK)
        style.write(
            draw, (NAME_WIDTH, number * LINE + 6), style.fitted(value, style.TEXT_SIZE, width - NAME_WIDTH),
            style.TEXT_SIZE,
        )  # fmt: skip
    return body


def recipe_lines(seen: Inspection) -> list[tuple[str, str]]:
    """Return (name, value) of the key and of each decision."""
    recipe, key = seen.recipe, seen.key
    reference = next((box for box in seen.boxes if box.is_reference), None)
    jitter = ", then ".join(f"{name} {gain:.3f}" for name, gain in recipe.jitter)
    return [
        ("key", f"seed {key.seed} · epoch {key.epoch} · index {key.index}"),
        ("scale", _scale_line(seen)),
        (
            "reference",
            "none" if reference is None else f"{label_text(reference)}, box {reference.row} of the image's list",
        ),
        ("centre", _centre_line(seen)),
        ("flip", "left and right swapped" if recipe.flip else "no"),
        ("jitter", jitter or "none"),
        ("lighting", ", ".join(f"{normal:+.3f}" for normal in recipe.lighting) if any(recipe.lighting) else "none"),
    ]


def _scale_line(seen: Inspection) -> str:
    recipe = seen.recipe
    height, width = seen.image.shape[:2]
    if seen.plan.canvas is not None:
        canvas_y, canvas_x = seen.plan.canvas
        return f"{recipe.scale:.4g}: {canvas_x} x {canvas_y} px of the image fill the crop"
    reference = next((box.original for box in seen.boxes if box.is_reference), None)
    if reference is None:
        scaled_y, scaled_x = seen.plan.size
        return f"{recipe.scale:.4g}: the image becomes {scaled_x} x {scaled_y} px"
    x0, y0, x1, y1 = np.clip(np.array(reference), 0, [width - 1, height - 1] * 2)
    longest = max(x1 - x0, y1 - y0)
    return f"{recipe.scale:.4g}: the reference's {longest:.4g} px become {longest * recipe.scale:.0f} px"


def _centre_line(seen: Inspection) -> str:
    y, x = seen.recipe.center
    if seen.plan.canvas is not None:
        return f"x {x}, y {y} of the image"
    scaled_y, scaled_x = seen.plan.size
    return f"x {x}, y {y} of the scaled image, {scaled_x} x {scaled_y} px"


def boxes_body(seen: Inspection, width: int) -> Image.Image:
    """Return a table of the largest boxes in the crop: what they are, how large, and what became of them."""
    inside = [box for box in seen.boxes if box.cropped is not None]
    inside.sort(key=lambda box: (not box.is_reference, -_longest(box)))
    shown = inside if len(inside) <= MAX_TABLE else inside[: MAX_TABLE - 1]
    body = Image.new("RGB", (width, LINE * MAX_TABLE), style.CARD)
    draw = ImageDraw.Draw(body)
    for number, box in enumerate(shown):
        top = number * LINE
        _box(box.state)(draw, 0, top + 2)
        name = style.fitted(label_text(box), style.TEXT_SIZE, SIZE_COLUMN - NAME_COLUMN - 16)
        x0, y0, x1, y1 = box.cropped or (0.0,) * 4
        words = (name, f"{_whole(x1 - x0)} x {_whole(y1 - y0)} px", _fate(box, seen))
        for x, text in zip((NAME_COLUMN, SIZE_COLUMN, FATE_COLUMN), words, strict=True):
            style.write(draw, (x, top + 5), text, style.TEXT_SIZE)
    rest = len(inside) - len(shown)
    last = "none" if not inside else f"and {rest} smaller" if rest else ""
    style.write(draw, (NAME_COLUMN if inside else 0, len(shown) * LINE + 5), last, style.TEXT_SIZE, style.SOFT_INK)
    return body


def _whole(length: float) -> str:
    return f"{length:.0f}" if length >= 1 else "<1"


def _longest(box: BoxFate) -> float:
    x0, y0, x1, y1 = box.cropped or (0.0,) * 4
    return max(x1 - x0, y1 - y0)


def _fate(box: BoxFate, seen: Inspection) -> str:
    words: str = box.state
    if box.state == "ignored" and box.cropped is not None:
        x0, y0, x1, y1 = (math.floor(end) for end in box.cropped)
        words += ", too small" if max(x1 - x0, y1 - y0) < seen.config.min_scale else ", cut off"
    return words + (", reference" if box.is_reference else "") + (", crowd" if box.crowd else "")


def legend_body(seen: Inspection, width: int) -> Image.Image:
    """Return the meaning of every mark that this config's pictures can show."""
    entries = _legend(seen)
    body = Image.new("RGB", (width, LINE * len(entries)), style.CARD)
    draw = ImageDraw.Draw(body)
    for number, (swatch, words) in enumerate(entries):
        swatch(draw, 0, number * LINE + 4)
        text = style.fitted(words, style.TEXT_SIZE, width - NAME_COLUMN)
        style.write(draw, (NAME_COLUMN, number * LINE + 7), text, style.TEXT_SIZE)
    return body


def _legend(seen: Inspection) -> list[tuple[Swatch, str]]:
    ignores = seen.ignores_boxes
    objects = (
        f"object: over half in view, {seen.config.min_scale} px or longer" if ignores else "object: box in the crop"
    )
    entries: list[tuple[Swatch, str]] = [(_box("object"), objects)]
    if ignores:
        entries.append((_box("ignored"), "ignored box: too small or too much cut off"))
    entries.append((_box("outside"), "box outside the crop"))
    if ignores:
        entries.append((_reference, "reference box, which sets the scale"))
    entries += [
        (_window, "crop window; the rest of the image is dimmed"),
        *(
            (_tint(colour), f"{plane.title[0].lower()}{plane.title[1:]}: 0 to 1, highest category")
            for plane, colour in zip(seen.planes, style.PLANES, strict=False)
        ),
    ]
    if ignores:
        entries.append((_hatched, "corner area of an ignored box: no loss here"))
    if seen.attentions:
        entries.append((_attention, "attention cell: centre of a box of that size"))
    return entries


def _box(state: State) -> Swatch:
    return lambda draw, x, y: outline(draw, (x + 1, y + 1, x + SWATCH - 2, y + 14), state)


def _reference(draw: Draw, x: int, y: int) -> None:
    inner = (x + 5, y + 4, x + SWATCH - 6, y + 11)
    outline(draw, inner, "object")
    ring(draw, inner, (x + SWATCH + 9, y + 40))


def _window(draw: Draw, x: int, y: int) -> None:
    draw.rectangle((x, y, x + SWATCH - 1, y + 15), fill=style.SOFT_INK)
    draw.rectangle((x + 6, y + 2, x + SWATCH - 7, y + 13), fill=style.OUTSIDE, outline=style.WINDOW, width=2)


def _tint(colour: Colour) -> Swatch:
    def draw_ramp(draw: Draw, x: int, y: int) -> None:
        for step in range(SWATCH):
            share = (step / (SWATCH - 1)) ** TINT_POWER
            shade = tuple(round(40 * (1 - share) + channel * share) for channel in colour)
            draw.line((x + step, y, x + step, y + 15), fill=shade)

    return draw_ramp


def _hatched(draw: Draw, x: int, y: int) -> None:
    for row in range(16):
        for column in range(SWATCH):
            on_line = (row + column) % HATCH_STEP < 2
            shade = style.IGNORED if on_line else tuple(round(40 * 0.7 + c * 0.3) for c in style.IGNORED)
            draw.point((x + column, y + row), fill=shade)


def _attention(draw: Draw, x: int, y: int) -> None:
    draw.rectangle((x, y, x + SWATCH - 1, y + 15), fill=(40, 40, 40))
    draw.rectangle((x + 8, y, x + 23, y + 15), fill=style.ATTENTION)
