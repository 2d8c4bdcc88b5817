"""The screens and colour schemes in which pages are looked at."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Look:
    """A screen and its colour scheme.

    Attributes:
        width: In CSS pixels, like `height`.
        phone: Whether the screen is touched and has two device pixels for one of CSS.
        dark: Whether the reader prefers a dark page.
    """

    name: str
    width: int
    height: int
    phone: bool = False
    dark: bool = False

    def options(self) -> dict[str, Any]:
        """Return the options of a Playwright context with this look."""
        return {
            "viewport": {"width": self.width, "height": self.height},
            "device_scale_factor": 2 if self.phone else 1,
            "is_mobile": self.phone,
            "has_touch": self.phone,
            "color_scheme": "dark" if self.dark else "light",
            "reduced_motion": "reduce",  # a screenshot must not catch the middle of a transition
        }


DESKTOP = Look("desktop", 1280, 900)
DARK = Look("dark", 1280, 900, dark=True)
PHONE = Look("phone", 390, 844, phone=True)
PHONE_DARK = Look("phone-dark", 390, 844, phone=True, dark=True)

LOOKS = (DESKTOP, DARK, PHONE, PHONE_DARK)
