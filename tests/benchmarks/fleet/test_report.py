"""Tables and chart of the simulation, and what the page shows of it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.fleet.__main__ import CHART, PAGE, PUBLISHED, TIMES
from benchmarks.fleet.chart import draw
from benchmarks.fleet.measured import read_service_times, write_service_times
from benchmarks.fleet.real import Comparison
from benchmarks.fleet.report import CHECK_HEAD, HEAD, check_cells, lines, section
from benchmarks.fleet.scenario import Fault, ServiceTimes, at_load
from benchmarks.fleet.studies import Case, Result, base, run_study, studies


def test_a_scenario_asks_for_its_load() -> None:
    times = ServiceTimes(0.002, 0.0001, 0.001, 200_000.0)
    scenario = at_load(base(times, 10, 40), 0.7)
    asked = 40 * 12 / scenario.step_seconds
    assert asked == pytest.approx(0.7 * 10 * 2 / 0.001)  # two workers of 1,000 samples/s each


def test_the_process_of_a_server_may_be_its_limit() -> None:
    times = ServiceTimes(request=0.012, sending=0.001, making=0.001, sample_bytes=1.0)
    assert times.capacity(workers=1, samples=12) == pytest.approx(500)
    assert times.capacity(workers=64, samples=12) == pytest.approx(500)
    assert times.capacity(workers=1, samples=1000) == pytest.approx(988, rel=0.01)


@pytest.mark.parametrize("change", [{"request": -1.0}, {"ratios": (0.5, 0.6)}, {"ratios": (-1.0, 3.0)}])
def test_impossible_service_times_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must not be negative|expected 1"):
        replace(ServiceTimes(0.002, 0.0001, 0.001, 200_000.0), **change)  # type: ignore[arg-type] # on purpose


def test_the_scenarios_reach_a_thousand_trainers_and_two_hundred_servers() -> None:
    cases = list(studies(read_service_times(TIMES)))
    assert max(case.scenario.trainers for case in cases) == 1000
    assert max(case.scenario.servers for case in cases) == 200
    for case in cases:
        assert case.study != "rack" or isinstance(case.scenario.faults[0], Fault)


def test_measured_times_are_read_as_they_were_kept(tmp_path: Path) -> None:
    times = read_service_times(TIMES)
    write_service_times(tmp_path / "times.json", times)
    assert read_service_times(tmp_path / "times.json") == times
    assert len(times.ratios) >= 100


def test_results_are_tables_and_a_chart(tmp_path: Path) -> None:
    times = ServiceTimes(0.002, 0.0001, 0.001, 200_000.0)
    small = replace(base(times, 2, 4), steps=20)
    found = [run_study(Case(study, "all is well", at_load(small, 0.5))) for study in ("load", "stutter")]
    rack = run_study(Case("rack", "a rack hangs", at_load(small, 0.5)))
    assert len(rack.timeline) == 40
    draw([*found, rack], tmp_path / "fleet.png")
    with Image.open(tmp_path / "fleet.png") as chart:
        assert chart.width > 2 * chart.height
    for line in lines([*found, rack]):
        assert len(line) == len(HEAD)
    assert lines(found)[0][:5] == ("all is well", "2", "4", "0.5", "yes")
    assert len(check_cells(Comparison(1, 1, 0.3, 20.0, 19.0, 30.0, 31.0))) == len(CHECK_HEAD)
    assert Result.of(json.loads(json.dumps(asdict(rack)))) == rack


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no simulation was published yet")
def test_the_page_shows_what_was_published() -> None:
    content = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    results = [Result.of(fields) for fields in content["results"]]
    checks = [Comparison(**fields) for fields in content["checks"]]
    assert section(results, checks) in PAGE.read_text(encoding="utf-8")
    assert CHART.stat().st_size > 0
