"""Colours and sizes of text of the debug picture, besides those of all pictures of samples."""

from sampler.drawing.colours import BOTTOM_RIGHT, TOP_LEFT, Colour

PAGE: Colour = (238, 241, 245)
CARD: Colour = (255, 255, 255)
CARD_EDGE: Colour = (214, 220, 228)
EMPTY: Colour = (226, 230, 236)
"""Around an image that does not fill its panel."""
SOFT_INK: Colour = (91, 101, 115)

OUTSIDE: Colour = (176, 183, 193)
REFERENCE: Colour = (250, 232, 60)
WINDOW: Colour = (255, 255, 255)
PLANES: tuple[Colour, ...] = (TOP_LEFT, BOTTOM_RIGHT)
"""Colours of plane arrays, repeated if there are more."""
ATTENTION: Colour = (255, 176, 0)

TITLE_SIZE = 26
HEADING_SIZE = 17
TEXT_SIZE = 14
