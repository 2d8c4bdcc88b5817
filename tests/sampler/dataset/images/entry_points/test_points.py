"""Recorded entry points that are damaged are refused, whatever is wrong with them."""

import dataclasses
import random
from typing import Any

import pytest

from sampler.dataset.images.entry_points.errors import EntryPointsError
from sampler.dataset.images.entry_points.find import find_entry_points
from sampler.dataset.images.entry_points.points import EntryPoints
from sampler.dataset.images.entry_points.window import window_jpeg
from sampler.image_part import Region
from tests.support.jpegs import ENCODERS, damaged, draw

DATA = ENCODERS["Pillow 2, optimised"](draw("mixed", 100, 120, 1), 80)
POINTS = find_entry_points(DATA)
RECORD = POINTS.encode()


def test_a_record_is_a_function_of_the_file() -> None:
    assert find_entry_points(DATA).encode() == RECORD
    assert EntryPoints.decode(RECORD) == POINTS


@pytest.mark.parametrize("length", [0, 1, 30, 60, 200, len(RECORD) - 1])
def test_a_record_that_is_cut_off_is_refused(length: int) -> None:
    with pytest.raises(EntryPointsError):
        EntryPoints.decode(RECORD[:length])


def test_a_longer_record_is_refused() -> None:
    with pytest.raises(EntryPointsError, match="of the wrong length"):
        EntryPoints.decode(RECORD + b"\0")


def test_a_record_of_another_version_is_refused() -> None:
    with pytest.raises(EntryPointsError, match="of version 9; this version reads 2"):
        EntryPoints.decode(b"\x09" + RECORD[1:])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", (0, 120)), ("mcu", (0, 16)), ("components", 2), ("step", 0), ("restart_at", 0), ("restart_at", 9999),
        ("widths", (57, 9, 9, 9, 9)), ("scan", (0, 50)), ("scan", (60, 50)), ("scan", (POINTS.scan[0], len(DATA) - 1)),
        ("scan", (POINTS.scan[0], POINTS.scan[0] + 20)), ("codes", POINTS.codes[4:]), ("codes", b"\xff" * 144),
        ("table", POINTS.table[1:]), ("table", b"\xff" * len(POINTS.table)), ("table", bytes(len(POINTS.table))),
    ],
)  # fmt: skip
def test_contradictions_are_refused(field: str, value: Any) -> None:
    with pytest.raises(EntryPointsError):
        EntryPoints.decode(dataclasses.replace(POINTS, **{field: value}).encode())


def test_a_damaged_record_gives_a_window_or_an_error() -> None:
    rng = random.Random(1)
    outcomes = set()
    for _ in range(1000):
        try:
            points = EntryPoints.decode(damaged(RECORD, rng))
            window_jpeg(DATA, points, Region((0, 1), (0, 1)))
            outcomes.add("window")
        except EntryPointsError as error:
            outcomes.add(str(error).split(" of a file")[0])
    assert {"window", "entry points of another file", "entry points of the wrong length"} <= outcomes
