"""Text on pictures."""

import pytest

from sampler.drawing.text import drawable, fitted, width_of

LONG = "a name that is too long for any label and goes on and on " * 20


def test_characters_that_the_font_lacks_are_replaced_visibly() -> None:
    assert drawable("café naïve") == "cafe naive"
    assert drawable("自転車 bike") == "??? bike"
    assert drawable("cafe\u0301") == "cafe"
    assert drawable("a\tb\n c") == "a b c"
    assert drawable("🐈\u0000") == "??"
    assert drawable("person") == "person"
    assert drawable("771 × 513 px") == "771 x 513 px"


@pytest.mark.parametrize("text", [LONG, "自" * 500, "short", "", "…"])
@pytest.mark.parametrize("width", [20, 100, 132])
def test_fitted_text_is_never_wider_than_its_space(text: str, width: int) -> None:
    assert width_of(fitted(text, 13, width), 13) <= width


def test_shortened_text_keeps_both_ends() -> None:
    shown = fitted("train2017/subfolder/000000123456.jpg" * 9, 14, 200)
    assert shown.startswith("train2017")
    assert shown.endswith(".jpg")
    assert "…" in shown
