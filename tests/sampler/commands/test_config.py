"""The command `config` shows every value of a config and where it comes from."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sampler.config.cornernet_lite import config_of
from sampler.config.parsing import config_from_dict
from sampler.config.presets import PRESETS
from sampler.config_schema import SamplerConfig
from tests.support.coco_files import write_json
from tests.support.commands import app

FIELDS = {field.name for field in dataclasses.fields(SamplerConfig)}
DB = {"rand_crop": True, "input_size": [255, 255], "gaussian_iou": 0.4}


def run(*arguments: object, **variables: str) -> Result:
    environment = {"COLUMNS": "160", "SAMPLER_CONFIG": None, "SAMPLER_KEEP_CROWD": None, **variables}
    return CliRunner().invoke(app, ["config", *map(str, arguments)], env=environment)


def document(*arguments: object, **variables: str) -> Any:
    return json.loads(run(*arguments, "--json", **variables).stdout)


def rows(shown: Result) -> dict[str, list[str]]:
    """The rows of the table, by field; lines that continue a row are left out."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.stdout.splitlines() if "│" in line]
    return {field: values for field, *values in cells if field}


def test_the_table_has_every_field_with_its_value_and_origin(tmp_path: Path) -> None:
    shown = run(write_json(tmp_path / "mine.json", DB))
    assert shown.exit_code == 0
    table = rows(shown)
    assert set(table) == FIELDS
    assert table["gaussian_iou"] == ["0.4", "file"]
    assert table["input_size"] == ["[255, 255]", "file"]
    assert table["border"] == ["64", "published default"]
    assert table["rand_color"] == ["false", "published default"]
    assert table["rand_center"] == ["true", "family"]
    assert table["name"] == ["mine", "file"]
    assert table["categories"] == ["as many as the annotations have", "annotations"]
    assert "published default: not in the file: CornerNet-Lite's default" in shown.stdout
    assert "SAMPLER_KEEP_CROWD" not in shown.stdout, "only the origins in the table are explained"


def test_attention_maps_have_a_line_each() -> None:
    lines = [line for line in run("cornernet_saccade").stdout.splitlines() if "longest" in line]
    assert [line.split("│")[2].strip() for line in lines] == [
        "size [16, 16], ratio 16, longest [96, 256]",
        "size [32, 32], ratio 8, longest [32, 96]",
        "size [64, 64], ratio 4, longest [0, 32]",
    ]


def test_as_json_the_config_is_complete_and_has_the_origins(tmp_path: Path) -> None:
    printed = document(write_json(tmp_path / "mine.json", DB | {"categories": 7}))
    assert config_from_dict(printed["config"]) == config_of(DB | {"categories": 7}, "mine")
    assert set(printed["origins"]) == set(printed["config"]) == FIELDS
    assert printed["origins"]["categories"] == "file"


def test_the_config_and_the_crowd_boxes_are_those_of_the_servers_variables() -> None:
    assert config_from_dict(document()["config"]) == PRESETS["cornernet_saccade"]
    printed = document(SAMPLER_CONFIG="cornernet_squeeze", SAMPLER_KEEP_CROWD="false")
    assert config_from_dict(printed["config"]) == dataclasses.replace(PRESETS["cornernet_squeeze"], keep_crowd=False)
    assert printed["origins"]["keep_crowd"] == "setting"
    assert document("cornernet", SAMPLER_CONFIG="cornernet_squeeze")["config"]["name"] == "cornernet"


def test_ignored_keys_are_a_warning_on_stderr(tmp_path: Path) -> None:
    shown = run(write_json(tmp_path / "mine.json", DB | {"top_k": 100}), "--json")
    assert shown.stderr == "warning: config keys that no sample depends on are ignored: top_k\n"
    assert json.loads(shown.stdout)["config"]["name"] == "mine"


@pytest.mark.parametrize(("name", "cause"), [
    ("nothing", "error: config = 'nothing': expected one of cornernet_saccade, "),
    ("nowhere.json", "error: nowhere.json: cannot be read: No such file"),
])  # fmt: skip
def test_a_config_that_cannot_be_used_is_one_line_on_stderr(name: str, cause: str) -> None:
    shown = run(name)
    assert shown.exit_code == 2
    assert shown.stderr.startswith(cause)
    assert len(shown.stderr.splitlines()) == 1
