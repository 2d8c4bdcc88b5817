"""The JSON of the dataset commands has the names that the page of commands lists; --quiet prints nothing."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.coco_files import write_faulty_dataset
from tests.support.commands import app
from tests.support.docs import names_in_json

FAULTS = 1


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options that name a dataset with faults."""
    folder = tmp_path_factory.mktemp("faulty")
    annotations, images = write_faulty_dataset(folder)
    return ["--annotations", str(annotations), "--images", str(images), "--cache-dir", str(folder / "cache")]


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code in (0, FAULTS), done.output
    return done


@pytest.mark.parametrize(("command", "options", "status"), [
    ("index", (), 0), ("verify", (), FAULTS), ("decode", (), FAULTS), ("decode", ("--entry-points",), FAULTS),
])  # fmt: skip
def test_json_has_the_documented_names_and_quiet_prints_nothing(
    command: str, options: tuple[str, ...], status: int, faulty: list[str]
) -> None:
    done = run(command, *faulty, *options, "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == status
    assert set(document) == names_in_json(" ".join((command, *options)))
    if errors := document.get("errors"):
        assert sum(entry["count"] for entry in errors.values()) == document["not_decodable"]
    quiet = run(command, *faulty, *options, "--quiet")
    assert (quiet.exit_code, quiet.output) == (status, "")


def test_index_shows_recorded_hashes_in_json(faulty: list[str]) -> None:
    done = run("index", *faulty, "--hash-images", "--json")
    hashes = json.loads(done.stdout)["image_hashes"]
    assert done.exit_code == (FAULTS if hashes["errors"] else 0)
    assert set(hashes) == {
        "images", "bytes", "errors", "pixels_digest", "recorded_before", "changed", "file", "seconds"
    }  # fmt: skip


def test_config_and_replay_have_the_documented_names(faulty: list[str], tmp_path: Path) -> None:
    assert set(json.loads(run("config", "--json").stdout)) == names_in_json("config")
    assert run("config", "--quiet").output == ""
    case = run("recipe", *faulty[:2], *faulty[4:], "--index", "0", "--json").stdout
    (tmp_path / "case.json").write_text(case)
    replayed = run("replay", str(tmp_path / "case.json"), *faulty[2:4], "--out", str(tmp_path / "out"), "--json", "-q")
    assert json.loads(replayed.output) == {"cases": 1, "folder": str(tmp_path / "out")}
    assert names_in_json("replay") == {"cases", "folder"}


def test_stats_has_the_documented_names(faulty: list[str]) -> None:
    dataset = [*faulty[:2], *faulty[4:]]
    document = json.loads(run("stats", *dataset, "--samples", "40", "--seed", "3", "--json").stdout)
    assert set(document) == names_in_json("stats")
    assert document["outcomes"]["samples"] == 40
    assert run("stats", *dataset, "--samples", "40", "--quiet").output == ""
