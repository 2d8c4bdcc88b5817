"""Colours and type of the debug picture.

The hues are those of Okabe and Ito's palette, which stay apart for every common kind of colour blindness; where two
meanings could still be confused, the line style differs as well.
"""

import unicodedata
from functools import cache

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont

PAGE: Colour = (238, 241, 245)
CARD: Colour = (255, 255, 255)
CARD_EDGE: Colour = (214, 220, 228)
BEYOND: Colour = (226, 230, 236)
"""Behind an image that does not fill its panel."""
INK: Colour = (23, 28, 36)
SOFT_INK: Colour = (91, 101, 115)
CASING: Colour = (16, 18, 22)
"""Thin dark edges that keep a coloured line visible on any photograph."""

OBJECT: Colour = (0, 190, 136)
IGNORED: Colour = (232, 98, 10)
OUTSIDE: Colour = (176, 183, 193)
REFERENCE: Colour = (250, 232, 60)
WINDOW: Colour = (255, 255, 255)
PLANES: tuple[Colour, ...] = ((86, 196, 250), (232, 134, 190))
"""Tints of plane arrays, in their order."""
ATTENTION: Colour = (255, 176, 0)

TITLE_SIZE = 26
HEADING_SIZE = 17
TEXT_SIZE = 14
LABEL_SIZE = 13

_STANDINS = str.maketrans(
    {"×": "x", "–": "-", "—": "-", "−": "-", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)
_UNDRAWABLE = "?"


@cache
def font(size: int) -> Font:
    """Return Pillow's own scalable font. Raises `RuntimeError` for a Pillow built without FreeType."""
    loaded = ImageFont.load_default(size=size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow has no FreeType support: install a Pillow wheel to draw pictures")
    return loaded


@cache
def _has_glyph(character: str) -> bool:
    # Pillow's font draws what it lacks as the glyph of a code point that is no character.
    mask, missing = (font(TEXT_SIZE).getmask(text) for text in (character, "\uffff"))
    return mask.size != missing.size or bytes(mask) != bytes(missing)


def drawable(text: str) -> str:
    """Return `text` as the font can draw it, on one line.

    Letters lose accents the font lacks; everything else it lacks becomes a question mark, so that nothing vanishes
    unseen.
    """
    return "".join(_drawable_character(character) for character in " ".join(text.split()))


def _drawable_character(character: str) -> str:
    if _has_glyph(character):
        return character
    plain = unicodedata.normalize("NFKD", character.translate(_STANDINS))
    base = "".join(part for part in plain if not unicodedata.combining(part))
    if not base:
        return ""
    return base if all(_has_glyph(part) for part in base) else _UNDRAWABLE


def width_of(text: str, size: int) -> int:
    """Return how many pixels wide `text` is drawn."""
    return round(font(size).getlength(text))


def fitted(text: str, size: int, width: int) -> str:
    """Return `text` as it can be drawn in `width` pixels, with its middle left out where it is too long."""
    text = drawable(text[:1000])
    if width_of(text, size) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if width_of(_shortened(text, kept), size) <= width else (low, kept - 1)
    return _shortened(text, low)


def _shortened(text: str, kept: int) -> str:
    tail = kept // 2
    return text[: kept - tail].rstrip() + "…" + (text[-tail:].lstrip() if tail else "")


def write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: Colour = INK) -> None:
    """Draw one line of drawable text whose capitals' top left is at `place` (x, y)."""
    top = font(size).getbbox("H")[1]
    draw.text((place[0], place[1] - top), text, font=font(size), fill=colour)
