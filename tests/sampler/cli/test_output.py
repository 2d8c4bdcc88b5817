"""What commands print: tables that keep every value in one piece, JSON, or nothing."""

import json

import pytest
from rich.console import Console
from rich.table import Column, Table

from sampler.cli.output import Output, errors_by_kind
from sampler.errors import ImageError

PATH = "/a/very/long/path/" + "folder/" * 30 + "file with spaces.jpg"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 40 columns."""
    monkeypatch.setenv("COLUMNS", "40")


def test_a_long_value_is_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    Output().facts("facts", [("images", "3"), ("folder", PATH)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "folder" in line]
    assert f"│ folder │ {PATH} │" in line


def test_a_narrow_terminal_wraps_rows_without_a_frame(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Console, "is_terminal", True)
    Output().facts("facts", [("images", "3"), ("folder", PATH)])
    assert capsys.readouterr().out == f" images  3\n folder  {PATH}\n"
    Output(quiet=True).facts("facts", [("folder", PATH)])
    assert capsys.readouterr().out == ""


def test_prose_wraps_at_its_width_and_other_columns_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("file", Column("meaning", max_width=20))
    table.add_row(PATH, "words " * 10)
    Output().table(table)
    lines = capsys.readouterr().out.splitlines()
    assert sum(PATH in line for line in lines) == 1
    assert sum("words words words" in line for line in lines) == 3
    assert all("…" not in line for line in lines)


def test_a_line_is_in_one_piece_and_its_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    Output().line(f"[red]{PATH}\n")
    assert capsys.readouterr().out == f"[red]{PATH}\\n\n"


@pytest.mark.parametrize(("as_json", "quiet", "printed"), [
    (False, False, "3 images\n"), (True, False, '{"images": 3}'), (True, True, '{"images": 3}'), (False, True, ""),
])  # fmt: skip
def test_text_json_or_nothing(as_json: bool, quiet: bool, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json, quiet)
    output.line("3 images")
    output.document({"images": 3})
    text = capsys.readouterr().out
    assert (json.dumps(json.loads(text)) if as_json else text) == printed


def test_quiet_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Output(quiet=True).progress_bar("reading", 1) as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_errors_are_counted_by_kind_and_shown_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    errors = [ImageError(f"{number}.jpg", kind, f"cause {number}") for number, kind in enumerate("abb")]
    assert errors_by_kind(errors, 1) == {
        "b": {"count": 2, "examples": [{"file": "1.jpg", "cause": "cause 1"}]},
        "a": {"count": 1, "examples": [{"file": "0.jpg", "cause": "cause 0"}]},
    }
    Output().errors(errors, 1)
    assert capsys.readouterr().out == "b 1.jpg: cause 1\nb … and 1 more\na 0.jpg: cause 0\n"
