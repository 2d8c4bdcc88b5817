"""Text from outside cannot forge lines or control a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.printable import printable


@pytest.mark.parametrize("text", ["a.jpg", "été/日本.jpg", "a b.jpg", "x" * 1000, "👩.png", "back\\slash"])
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nERROR: fake", "a\\nERROR: fake"),
        ("\r\x1b[2J", "\\r\\x1b[2J"),
        ("line\u2028break\x85", "line\\u2028break\\x85"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\udcff", "\\udcff"),
        ("\0", "\\x00"),
    ],
)
def test_what_a_terminal_or_a_log_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode()
