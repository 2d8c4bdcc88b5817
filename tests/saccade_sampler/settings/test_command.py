"""`saccade-sampler settings` shows what `serve` would use, where each value comes from, and all that is wrong."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from saccade_sampler.cli.table import PROGRAM
from saccade_sampler.settings.rows import plain
from sampler.cli.group import app_of
from service.server import run
from service.settings.server import Settings
from tests.support.docs import names_in_entries, names_in_json
from tests.support.processes import run_python

TOKEN = "0123456789abcdef"

app = app_of(PROGRAM)


def shown(*options: object) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the settings that the command shows, by group and name."""
    done = CliRunner().invoke(app, ["settings", "--json", *map(str, options)])
    assert done.exit_code == 0, done.output
    return {(row["group"], row["name"]): row for row in json.loads(done.stdout)["settings"]}


def used_by_serve(monkeypatch: pytest.MonkeyPatch, options: Sequence[str]) -> Settings:
    """Return the settings that `serve` starts a server with."""
    used: list[Settings] = []
    monkeypatch.setattr(run, "_serve", lambda *given: used.append(given[1]))
    done = CliRunner().invoke(app, ["serve", "--port", "0", *options])
    assert done.exit_code == 0, done.output
    return used[0]


@pytest.mark.parametrize(
    ("variables", "file", "options"),
    [
        ({}, "", []),
        ({"SAMPLER_WORKERS": "3", "SAMPLER_OPEN": "true", "SAMPLER_DAMAGED": ""}, "", []),
        ({"SAMPLER_WORKERS": "3", "SAMPLER_TOKEN": TOKEN}, "workers = 5\nidle_seconds = 7\n", ["--workers", "2"]),
        ({"SAMPLER_IMAGES": '["a", "s3://b/c"]'}, 'annotations = ["~/a.json", "b.json"]', ["--log-level", "debug"]),
    ],
)
def test_it_shows_what_serve_uses(
    variables: dict[str, str], file: str, options: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if file:
        (tmp_path / "settings.toml").write_text(file)
        options = [*options, "--settings", str(tmp_path / "settings.toml")]
    used, rows = used_by_serve(monkeypatch, options), shown(*options)
    names = [name for group, name in rows if group != "client"]
    assert names == [name for name in Settings.model_fields if name != "datasets"]
    for (group, name), row in rows.items():
        if group != "client" and name not in ("worker_memory_mb", "max_connections"):
            assert row["value"] == plain(getattr(used, name)), name
    assert rows["limits", "worker_memory_mb"]["value"] == used.worker_memory >> 20


def test_each_value_has_its_origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("max_batch = 7\nworkers = 5\nretry_after = 3\n")
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    monkeypatch.setenv("SAMPLER_RETRY_AFTER", "4")
    monkeypatch.setenv("SAMPLER_WORKERS", "6")
    rows = {name: (row["value"], row["origin"], row["source"]) for (_, name), row in shown("--workers", 2).items()}
    assert rows["workers"] == (2, "option", "--workers")
    assert rows["retry_after"] == (4, "variable", "SAMPLER_RETRY_AFTER")
    assert rows["max_batch"] == (7, "file", f"{file}: max_batch")
    assert rows["log_level"] == ("info", "default", "")
    assert rows["worker_memory_mb"][1] == rows["max_connections"][1] == "derived"


def test_a_dataset_shows_which_settings_it_inherits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    paths = 'annotations = "a.json"\nimages = "x"\n'
    file.write_text(f'config = "cornernet"\n[datasets.train]\n{paths}[datasets.val]\n{paths}keep_crowd = false\n')
    monkeypatch.setenv("SAMPLER_DAMAGED", "refuse")
    rows = {key: (row["value"], row["origin"], row["source"]) for key, row in shown("--settings", file).items()}
    assert rows["datasets.val", "keep_crowd"] == (False, "file", f"{file}: datasets.val.keep_crowd")
    assert rows["datasets.train", "keep_crowd"] == (True, "default", "")
    assert rows["datasets.train", "config"] == ("cornernet", "inherited", f"{file}: config")
    assert rows["datasets.train", "damaged"] == ("refuse", "inherited", "SAMPLER_DAMAGED")
    assert rows["datasets.train", "annotations"] == ("a.json", "file", f"{file}: datasets.train.annotations")
    assert ("dataset", "annotations") not in rows


def test_it_hides_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_TOKEN", TOKEN)
    monkeypatch.setenv("SAMPLER_URL", "http://cpu-a:8000, https://user:password@cpu-b")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:word@proxy:3128")
    for options in ([], ["--json"]):
        text = CliRunner().invoke(app, ["settings", *options]).output
        assert TOKEN not in text
        assert "(hidden)" in text
        assert "password" not in text
        assert "me:word" not in text
        assert "http://proxy:3128" in text


def test_it_shows_what_clients_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLER_URL", "http://cpu-host:8000")
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(tmp_path / "token"))
    (tmp_path / "token").write_text(TOKEN)
    rows = shown()
    assert rows["client", "url"]["value"] == "http://cpu-host:8000"
    assert rows["client", "token"]["value"] is None
    assert rows["client", "token_file"]["source"] == "SAMPLER_TOKEN_FILE"


def test_everything_that_is_wrong_is_one_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"SAMPLER_WORKER": "3", "SAMPLER_OPEN": "perhaps", "SAMPLER_URL": "cpu-host:8000", "SAMPLER_TOKEN": "short"}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["settings", "--workers", "0"])
    lines = done.stderr.splitlines()
    assert done.exit_code == 2
    assert all(line.startswith("error: ") for line in lines)
    named = sorted(line.removeprefix("error: ").split()[0].rstrip(":") for line in lines)
    assert named == ["--workers", *sorted(wrong)]
    assert "did you mean SAMPLER_WORKERS?" in done.stderr
    assert json.loads(CliRunner().invoke(app, ["settings", "--json", "--workers", "0"]).stdout)["problems"] == [
        line.removeprefix("error: ") for line in lines
    ]


def invoked(*options: object) -> Result:
    return CliRunner().invoke(app, ["settings", *map(str, options)])


def test_a_token_file_that_cannot_be_used_is_reported_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(tmp_path / "none"))
    for options in ([], ["--workers", "0"]):
        lines = [line for line in invoked("--quiet", *options).stderr.splitlines() if "TOKEN" in line]
        assert lines == [f"error: SAMPLER_TOKEN_FILE = {tmp_path / 'none'}: no such file"]
    file = tmp_path / "settings.toml"
    file.write_text(f'token_file = "{tmp_path / "short"}"')
    (tmp_path / "short").write_text("short")
    monkeypatch.delenv("SAMPLER_TOKEN_FILE")
    done = invoked("--settings", file, "--quiet")
    assert done.exit_code == 2
    assert "5 characters" in done.stderr


def test_a_token_that_clients_refuse_for_a_server_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_TOKEN", TOKEN)
    monkeypatch.setenv("SAMPLER_URL", "http://cpu-host:8000")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    done = invoked("--quiet")
    assert done.exit_code == 2
    assert "through the proxy http://proxy:3128 (HTTP_PROXY)" in done.stderr


def test_a_certificate_that_serve_refuses_is_a_problem(tmp_path: Path) -> None:
    done = invoked("--tls-cert", tmp_path / "none.pem", "--quiet")
    assert (done.exit_code, done.stderr.count("error: ")) == (2, 1)
    assert f"--tls-cert {tmp_path / 'none.pem'}: No such file" in done.stderr


def test_one_invalid_setting_hides_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('max_batch = 7\nretry_after = 2026-01-01\n[datasets.val]\nannotations = ["a.json"]\nimages = "x"\n')
    monkeypatch.setenv("SAMPLER_WORKERS", "many")
    monkeypatch.setenv("SAMPLER_TOKEN", TOKEN)
    monkeypatch.setenv("SAMPLER_URL", "cpu-host:8000")
    done = invoked("--json", "--settings", file)
    assert done.exit_code == 2
    rows = {(row["group"], row["name"]): (row["value"], row["source"]) for row in json.loads(done.stdout)["settings"]}
    assert rows["server", "workers"] == ("many", "SAMPLER_WORKERS")
    assert rows["limits", "max_batch"] == (7, f"{file}: max_batch")
    assert rows["limits", "retry_after"] == ("2026-01-01", f"{file}: retry_after")
    assert rows["limits", "steps_ahead"] == (2, "")
    assert rows["access", "token"] == ("(hidden)", "SAMPLER_TOKEN")
    assert rows["datasets.val", "annotations"] == (["a.json"], f"{file}: datasets.val.annotations")
    assert rows["client", "url"] == ("cpu-host:8000", "SAMPLER_URL")
    monkeypatch.setenv("SAMPLER_URL", "user:secret@cpu-host")
    assert "secret" not in invoked("--json").stdout


def test_the_documented_names_are_those_of_the_document() -> None:
    document = json.loads(invoked("--json").stdout)
    assert set(document) == names_in_json("settings")
    assert {name for row in document["settings"] for name in row} == names_in_entries("settings")


WITHOUT_SERVER = """
import sys
sys.modules |= dict.fromkeys(["fastapi", "starlette", "msgspec", "platformdirs"])
from saccade_sampler.cli.table import PROGRAM
from sampler.cli.start import start
start(PROGRAM, ["settings", *sys.argv[1:]])
"""


def test_a_training_node_shows_the_settings_of_clients_only() -> None:
    variables = {"SAMPLER_URL": "http://cpu-host:8000"}
    reason = r"a server needs \w+, which is not installed: pip install 'saccade-sampler\[server\]'"
    text = run_python("-c", WITHOUT_SERVER, variables=variables).stdout
    assert "http://cpu-host:8000" in text
    assert re.search(rf"note: .*{reason}", text)
    document = json.loads(run_python("-c", WITHOUT_SERVER, "--json", variables=variables).stdout)
    assert {row["group"] for row in document["settings"]} == {"client"}
    assert re.search(reason, " ".join(document["notes"]))
    refused = run_python("-c", WITHOUT_SERVER, "--workers", "3", variables=variables, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: a server needs ")
