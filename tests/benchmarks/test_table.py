"""The benchmark shows what it measured: table and chart."""

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.plot import draw
from benchmarks.row import NO_LIMIT, Row
from benchmarks.table import cells, rows_markdown

MET = Row("quick", "ms", 1.0, "limit", 2.0, 1.5)
MISSED = Row("slow", "MB/s", 100.0, "limit", 400.0, 0.5, at_most=False, spread=(0.2, 0.3))
COUNTED = Row("many", "samples/s", 6000.0, NO_LIMIT, 1.0, 5000, at_most=False)


@pytest.mark.parametrize("row", [MET, MISSED, COUNTED])
def test_a_row_survives_a_json_round_trip(row: Row) -> None:
    assert Row.of(json.loads(json.dumps(row.as_dict()))) == row


@pytest.mark.parametrize(("row", "use"), [(MET, 1 / 3), (MISSED, 2.0), (COUNTED, 5 / 6)])
def test_a_row_uses_at_most_all_of_its_bound_if_it_is_met(row: Row, use: float) -> None:
    assert row.use == pytest.approx(use)
    assert row.met is (row.use <= 1)


def test_the_table_shows_measurement_and_verdict() -> None:
    assert cells(MISSED) == ("slow", "100 MB/s", "limit: 400", "0.25 (0.20–0.30)", "≥ 0.5", "missed")
    assert cells(COUNTED) == ("many", "6,000 samples/s", NO_LIMIT, "6,000", "≥ 5,000", "met")


def test_the_chart_has_bars_for_met_and_missed_rows(tmp_path: Path) -> None:
    draw([MET, MISSED, COUNTED], "title", tmp_path / "table.png")
    with Image.open(tmp_path / "table.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    assert {(0x2F, 0x7D, 0x6D), (0xC4, 0x51, 0x3A)} <= colours


def test_the_table_is_markdown_with_a_line_for_each_row() -> None:
    head, rule, *lines = rows_markdown([MET, MISSED]).splitlines()
    assert head == "| row | measured | limit in the same run | ratio | must be |  |"
    assert rule == "| --- | --- | --- | --- | --- | --- |"
    assert lines == [
        "| quick | 1.00 ms | limit: 2.00 | 0.50 | ≤ 1.5 | met |",
        "| slow | 100 MB/s | limit: 400 | 0.25 (0.20–0.30) | ≥ 0.5 | missed |",
    ]
