"""Text on pictures, in the font that Pillow has. Needs Pillow."""

import unicodedata
from functools import cache

from PIL import ImageDraw, ImageFont

from sampler.drawing.colours import INK, Colour

ANY_SIZE = 14
"""A font has the same characters in every size."""

ALIKE = {"×": "x"}
"""What is drawn for characters that the font lacks and that are no letters with accents."""


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    loaded = ImageFont.load_default(size=size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType and cannot draw text; install a Pillow wheel")
    return loaded


@cache
def _has_glyph(character: str) -> bool:
    # Pillow's font draws a missing character like the noncharacter U+FFFF.
    mask, missing = (_font(ANY_SIZE).getmask(text) for text in (character, "\uffff"))
    return mask.size != missing.size or bytes(mask) != bytes(missing)


def drawable(text: str) -> str:
    """Return `text` on one line with only characters that the font has: accents dropped, others as question marks."""
    return "".join(c if _has_glyph(c) else _without_accents(c) for c in " ".join(text.split()))


def _without_accents(character: str) -> str:
    parts = unicodedata.normalize("NFKD", ALIKE.get(character, character))
    letters = [part for part in parts if not unicodedata.combining(part)]
    return "".join(letter if _has_glyph(letter) else "?" for letter in letters)


def width_of(text: str, size: int) -> int:
    """Return the width of drawable text in pixels."""
    return round(_font(size).getlength(text))


def fitted(text: str, size: int, width: int) -> str:
    """Return `text` as it can be drawn in `width` pixels; the middle of longer text is left out."""
    text = drawable(text[:1000])
    shown, kept = text, min(len(text), width // 2)  # no character is narrower than 2 pixels
    while kept and width_of(shown, size) > width:
        kept -= 1
        shown = text[: kept - kept // 2].rstrip() + "…" + text[len(text) - kept // 2 :].lstrip()
    return shown


def write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
    """Draw one line of drawable text; the top left of its capital letters is at `place` (x, y)."""
    top = _font(size).getbbox("H")[1]
    draw.text((place[0], place[1] - top), text, font=_font(size), fill=colour)
