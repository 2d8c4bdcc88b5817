"""Colours and text of the debug picture.

The colours are Okabe and Ito's, which people with any common kind of colour blindness can tell apart.
"""

import unicodedata
from functools import cache

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]

PAGE: Colour = (238, 241, 245)
CARD: Colour = (255, 255, 255)
CARD_EDGE: Colour = (214, 220, 228)
EMPTY: Colour = (226, 230, 236)
"""Around an image that does not fill its panel."""
INK: Colour = (23, 28, 36)
SOFT_INK: Colour = (91, 101, 115)
CASING: Colour = (16, 18, 22)
"""Dark edge that keeps a coloured line visible on any photograph."""

OBJECT: Colour = (0, 190, 136)
IGNORED: Colour = (232, 98, 10)
OUTSIDE: Colour = (176, 183, 193)
REFERENCE: Colour = (250, 232, 60)
WINDOW: Colour = (255, 255, 255)
PLANES: tuple[Colour, ...] = ((86, 196, 250), (232, 134, 190))
"""Colours of plane arrays, repeated if there are more."""
ATTENTION: Colour = (255, 176, 0)

TITLE_SIZE = 26
HEADING_SIZE = 17
TEXT_SIZE = 14
LABEL_SIZE = 13


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    loaded = ImageFont.load_default(size=size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType and cannot draw text; install a Pillow wheel")
    return loaded


@cache
def _has_glyph(character: str) -> bool:
    # Pillow's font draws a missing character like the noncharacter U+FFFF.
    mask, missing = (_font(TEXT_SIZE).getmask(text) for text in (character, "\uffff"))
    return mask.size != missing.size or bytes(mask) != bytes(missing)


def drawable(text: str) -> str:
    """Return `text` on one line with only characters that the font has: accents dropped, others as question marks."""
    return "".join(c if _has_glyph(c) else _without_accents(c) for c in " ".join(text.split()))


def _without_accents(character: str) -> str:
    letters = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    return "".join(letter if _has_glyph(letter) else "?" for letter in letters)


def width_of(text: str, size: int) -> int:
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
