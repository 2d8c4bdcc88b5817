"""Tokens: which are valid, how they are read from files, and that no message quotes one."""

from pathlib import Path

import pytest

from sampler.access_token import check_token, read_token

GOOD = "0123456789abcdef"


@pytest.mark.parametrize("token", [GOOD, "A-z._~+/0123456789==", "x" * 512])
def test_a_token_of_16_to_512_letters_digits_and_header_safe_characters_is_valid(token: str) -> None:
    assert check_token(token) == token


@pytest.mark.parametrize(
    "token", ["", "short-token", "x" * 513, "0123456789 abcdef", "0123456789abcdé", f"{GOOD}\n", f'{GOOD}"', f"{GOOD},"]
)
def test_any_other_text_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(ValueError, match="expected 16 to 512 letters") as raised:
        check_token(token)
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_line_break_at_the_end_of_a_file_is_not_part_of_the_token(end: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes((GOOD + end).encode())
    assert read_token(file) == GOOD


@pytest.mark.parametrize("content", [b"", b"\n", GOOD.encode() + b"\nsecond line", b"\xff" * 20, b"x" * 5_000_000])
def test_a_file_with_anything_else_is_refused_without_being_quoted(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="expected 16 to 512 letters") as raised:
        read_token(file)
    assert len(str(raised.value)) < 200
    assert GOOD not in str(raised.value)
