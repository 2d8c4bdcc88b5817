"""Studies: table, chart and JSON of what was measured at growing loads."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.growth.chart import draw
from benchmarks.growth.studies import section
from benchmarks.growth.study import Curve, Panel, Study

RATE = Panel("samples/s", (Curve("a", (100.0, 1500.0), (100.0, 2000.0)), Curve("b", (90.0, 95.0))))
LATENCY = Panel("ms", (Curve("c", (1.5, 150.0), (1.5, 96.0)),), logarithmic=True)
STUDY = Study("growth-requests", "Requests", "requests", (1, 64), (RATE, LATENCY), "each waits its turn")


def test_the_table_has_a_line_for_each_load_and_the_model_in_brackets() -> None:
    assert STUDY.head == ("requests", "a, samples/s", "b, samples/s", "c, ms")
    assert STUDY.lines == [
        ("1", "100 (100)", "90.00", "1.50 (1.50)"),
        ("64", "1,500 (2,000)", "95.00", "150 (96.00)"),
    ]


def test_a_study_survives_a_json_round_trip() -> None:
    assert Study.of(json.loads(json.dumps(STUDY.as_dict()))) == STUDY


def test_a_curve_has_a_value_for_each_load() -> None:
    with pytest.raises(ValueError, match="a has 2 values for 3 loads"):
        replace(STUDY, loads=(1, 2, 3))
    with pytest.raises(ValueError, match="c: 2 values, but 1 of the model"):
        Curve("c", (1.0, 2.0), (1.0,))


def test_the_chart_shows_each_curve(tmp_path: Path) -> None:
    draw(STUDY, "machine", tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
        assert picture.width > 1.5 * picture.height  # two panels
    assert {(0x2F, 0x7D, 0x6D), (0xC4, 0x51, 0x3A)} <= colours


def test_the_section_of_the_page_has_model_table_and_chart_of_each_study() -> None:
    text = section([STUDY, STUDY])
    assert text.count("### Requests\n") == 2
    assert "Model: each waits its turn.\n\n| requests | a, samples/s |" in text
    assert "(growth-requests.png)\n" in text
