"""Tables, JSON and chart of what was measured."""

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.page import PAGE, put_into
from benchmarks.peers.__main__ import CHART, PUBLISHED
from benchmarks.peers.plot import COLOURS, OWN_COLOURS, draw
from benchmarks.peers.report import document, lines, section
from benchmarks.peers.results import LATER, OWN, ROUTE_TEXTS, TWINS, Contender, Result, Turn
from benchmarks.peers.rounds import Findings

PEER = Contender("SPDL", ROUTE_TEXTS["plain"])
OURS = Contender(OWN, LATER)
RESULTS = [
    Result(PEER, (Turn(100, 15), Turn(120, 16), Turn(110, 17))),
    Result(OURS, (Turn(1000, 1.5), Turn(1100, 1.4), Turn(1200, 1.6))),
    Result(Contender(OWN, LATER, TWINS), (Turn(1500, 1), Turn(1400, 1), Turn(1600, 1))),
]


def test_each_contender_has_a_line_with_its_median_and_spread() -> None:
    assert lines(RESULTS)[0] == ("SPDL", "JPEG, plain route", "1", "110 (100–120)", "16.00 ms")
    assert lines(RESULTS)[2][2] == "2, same seed"


def test_the_page_shows_the_tables_and_names_what_is_missing(tmp_path: Path) -> None:
    content = document(RESULTS, {"Grain": "No module named 'grain'"}, "machine", "images")
    page = tmp_path / "page.md"
    page.write_text("<!-- peers -->\n<!-- /peers -->\n", encoding="utf-8")
    put_into(page, "peers", section(json.loads(json.dumps(content))))
    text = page.read_text(encoding="utf-8")
    assert "Grain is missing: No module named 'grain'" in text
    assert "| SPDL | JPEG, plain route | 1 | 110 (100–120) | 16.00 ms |" in text
    assert "fastest peer with the plain route, SPDL: 110" in text
    assert "(peers.png)" in text


def test_a_peer_that_fails_in_one_round_is_left_out_of_all() -> None:
    findings = Findings()
    findings.add(PEER, Turn(100, 15))
    findings.add(OURS, Turn(1000, 2))
    findings.leave_out("SPDL", "it crashed")
    assert [result.contender for result in findings.results()] == [OURS]
    assert findings.left_out == {"SPDL": "it crashed"}


def test_the_chart_has_a_bar_for_each_contender(tmp_path: Path) -> None:
    draw(RESULTS, "title", tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 24) or []}
    for name in (COLOURS[ROUTE_TEXTS["plain"]], OWN_COLOURS[LATER]):
        assert tuple(bytes.fromhex(name[1:])) in colours


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no measurement of the peers was published yet")
def test_the_performance_page_shows_what_was_published() -> None:
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert section(content) in page
    assert content["machine"] in page
    assert CHART.exists()
