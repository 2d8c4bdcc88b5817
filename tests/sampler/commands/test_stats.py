"""The command that shows statistics of recipes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.demo.dataset import DemoDataset
from tests.support.commands import app


@pytest.fixture
def dataset(demo: DemoDataset, tmp_path: Path) -> list[str]:
    return ["--annotations", str(demo.annotations), "--cache-dir", str(tmp_path)]


def stats(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["stats", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_tables_say_that_every_decision_fits(dataset: list[str]) -> None:
    shown = stats(*dataset, "--samples", "600", "--seed", "5")
    assert "600 samples" in shown
    for name in ("too small", "mostly outside the crop", "small", "person", "aspect ratio", "longer side", "scale"):
        assert name in shown
    assert shown.count(" fits ") == 11
    assert "does not fit" not in shown


def test_without_augmentation_nothing_is_random(dataset: list[str]) -> None:
    shown = stats(*dataset, "--samples", "20", "--no-augment")
    assert "theory" not in shown
    assert json.loads(stats(*dataset, "--samples", "20", "--no-augment", "--json"))["decisions"] == []


def test_the_samples_are_the_first_of_the_epoch_and_the_next_ones(dataset: list[str]) -> None:
    whole = json.loads(stats(*dataset, "--samples", "512", "--epoch", "3", "--json"))
    assert whole["outcomes"]["boxes"] % 2 == 0
    once = json.loads(stats(*dataset, "--samples", "256", "--epoch", "3", "--json"))
    assert whole["outcomes"]["boxes"] == 2 * once["outcomes"]["boxes"]


def test_an_epoch_out_of_range_is_named(dataset: list[str]) -> None:
    done = CliRunner().invoke(app, ["stats", *dataset, "--epoch", "-1"])
    assert (done.exit_code, "epoch" in done.output) == (2, True)
