"""Colours of pictures of samples.

They are Okabe and Ito's, which people with any common kind of colour blindness can tell apart.
"""

Colour = tuple[int, int, int]

OBJECT: Colour = (0, 190, 136)
IGNORED: Colour = (232, 98, 10)
CROWD: Colour = (216, 179, 60)
UNTAGGED: Colour = (214, 140, 232)
"""Of an object without a row of tags."""
TOP_LEFT: Colour = (86, 196, 250)
BOTTOM_RIGHT: Colour = (232, 134, 190)
INK: Colour = (23, 28, 36)
CASING: Colour = (16, 18, 22)
"""Dark edge that keeps a coloured line visible on any photograph."""
