"""Paths in environment variables."""

from pathlib import Path

import pytest

from sampler.path_lists import parse_paths


@pytest.mark.parametrize("text", ["a.json", "/data/a b/ü.json", "a,b", "[a].json", "[1] a/b.json", "{x}"])
def test_plain_text_is_one_path(text: str) -> None:
    assert parse_paths(text) == (Path(text),)


@pytest.mark.parametrize("text", ['["a", "/b c/d"]', ' [\n"a",\n"/b c/d"]\n'])
def test_a_json_list_is_several_paths(text: str) -> None:
    assert parse_paths(text) == (Path("a"), Path("/b c/d"))


@pytest.mark.parametrize("text", ["[]", "[1]", '["a", null]', '["a", ""]', '["a", "b"', '["a" "b"]'])
def test_a_list_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected one path, or a JSON list of paths"):
        parse_paths(text)
