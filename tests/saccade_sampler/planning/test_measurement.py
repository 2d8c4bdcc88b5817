"""A saved measurement is read back as it was, and anything else is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saccade_sampler.planning.demand import PlanError
from saccade_sampler.planning.measurement import read_measurement, write_measurement
from saccade_sampler.planning.measuring import Load, cost_of
from tests.saccade_sampler.planning.measurements import round_measurement


def test_a_measurement_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_measurement(tmp_path / "m.json", round_measurement())
    assert read_measurement(tmp_path / "m.json") == round_measurement()


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another format": lambda document: document.update(format=2),
    "a field is missing": lambda document: document.pop("memory"),
    "an unknown field": lambda document: document.update(colour="red"),
    "no samples": lambda document: document.update(images=0),
    "a negative size": lambda document: document["sample_bytes"].update(compact=-1),
    "a layout is missing": lambda document: document["sample_bytes"].pop("dense"),
    "an unknown layout": lambda document: document["sample_bytes"].update(png=1),
    "the costs of a layout are missing": lambda document: document["store"]["costs"].pop("sparse"),
    "text in place of a number": lambda document: document["entry_points"]["costs"]["dense"].update(workers="1 ms"),
    "a number too large": lambda document: document["memory"].update(server=1e300),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_refused(change: str, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    write_measurement(file, round_measurement())
    document = json.loads(file.read_text())
    CHANGES[change](document)
    file.write_text(json.dumps(document))
    with pytest.raises(PlanError, match=r"not a measurement: .*; measure again with `plan --save FILE`"):
        read_measurement(file)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b'{"format": 1'])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(PlanError, match="not a measurement"):
        read_measurement(tmp_path / "m.json")


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"none\.json: the measurement cannot be read: No such file"):
        read_measurement(tmp_path / "none.json")
    with pytest.raises(PlanError, match=r"m\.json: the measurement cannot be written"):
        write_measurement(tmp_path / "no folder" / "m.json", round_measurement())


def load(samples: int, server: float) -> Load:
    return Load(samples, server, 0.8 * samples, 0.4 * samples, 200_000.0 * samples)


def test_two_sizes_of_requests_tell_the_cost_of_a_sample_and_of_a_request() -> None:
    cost = cost_of(load(24, 2 + 24 * 0.2), load(2, 2 + 2 * 0.2))
    assert [cost.workers, cost.server] == pytest.approx([0.8, 0.2])
    assert [cost.request, cost.client] == pytest.approx([2.0, 0.4])


@pytest.mark.parametrize("small", [0.1, 99.0])
def test_noise_makes_no_cost_negative(small: float) -> None:
    cost = cost_of(load(24, 4.8), load(2, small))
    assert [cost.server, cost.request] == pytest.approx([0.2, 0])
