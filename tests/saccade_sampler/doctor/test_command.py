"""`saccade-sampler doctor` makes all checks that this installation can make, and says what to do."""

import json
import os
from pathlib import Path
from typing import Any

from tests.support.docs import names_in_entries, names_in_json
from tests.support.processes import run_python
from tests.support.scripted_server import scripted

START = "from saccade_sampler.cli.main import main; main()"
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (70, 70))\n"
WITHOUT_SERVER = 'import sys; sys.modules |= dict.fromkeys(["fastapi", "starlette", "msgspec", "platformdirs"])\n'


def findings(text: str) -> dict[str, dict[str, Any]]:
    return {finding["check"]: finding for finding in json.loads(text)["findings"]}


def test_a_sound_host_has_status_0_and_a_summary(scenes: tuple[Path, Path], tmp_path: Path) -> None:
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": tmp_path}
    done = run_python("-c", START, "doctor", "--workers", "1", settings=settings)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("0 problems, ")


def test_too_few_descriptors_are_a_problem_with_status_1(tmp_path: Path) -> None:
    settings = {"cache_dir": tmp_path}
    done = run_python("-c", LIMIT + START, "doctor", "--json", settings=settings, check=False, coverage=False)
    assert done.returncode == 1, done.stderr
    found = findings(done.stdout)
    assert found["descriptors"]["status"] == "problem"
    assert "may open 70 files" in found["descriptors"]["found"]
    assert "ulimit -n" in found["descriptors"]["remedy"]
    assert found["descriptors of a trainer"]["status"] == "warning"


def test_invalid_settings_are_a_problem_each(tmp_path: Path) -> None:
    settings = {"cache_dir": tmp_path, "worker": 3, "workers": "many"}
    done = run_python("-c", START, "doctor", settings=settings, check=False)
    assert done.returncode == 1, done.stderr
    problems = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert len(problems) == 2
    assert "SAMPLER_WORKER: no such setting; did you mean SAMPLER_WORKERS?" in problems[0]
    assert "SAMPLER_WORKERS = 'many'" in problems[1]


def test_a_training_node_checks_all_but_the_server(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef")
    file.chmod(0o644)
    options = ("doctor", "--json", "--batch-size", "7")
    with scripted() as server:
        done = run_python("-c", WITHOUT_SERVER + START, *options, server.url, settings={"token_file": file})
    found = findings(done.stdout)
    tokens = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "token"]
    assert [(token["status"], token["remedy"]) for token in tokens] == [("warning", f"chmod o-r {file}"), ("ok", "")]
    assert found["settings"]["status"] == "skipped"
    assert "pip install 'saccade-sampler[server]'" in found["settings"]["found"]
    assert found["server"]["status"] == found["digest"]["status"] == "ok"
    assert "7 rendered samples" in found["memory of a loader"]["found"]


def test_a_token_file_that_cannot_be_used_is_reported_once(tmp_path: Path) -> None:
    file = tmp_path / "none"
    cases: list[tuple[dict[str, object], tuple[object, ...]]] = [
        ({}, ("--token-file", file)),
        ({"token_file": file}, ()),
        ({"token_file": file, "workers": "many"}, ()),
    ]
    for settings, options in cases:
        with scripted() as server:
            done = run_python(
                "-c", START, "doctor", "--json", *options, server.url,
                settings={"cache_dir": tmp_path, **settings}, check=False,
            )  # fmt: skip
        problems = [one for one in json.loads(done.stdout)["findings"] if str(file) in one["found"]]
        assert [(one["check"], one["status"]) for one in problems] == [("token", "problem")], done.stdout
        assert "SAMPLER_TOKEN_FILE" not in str(problems)
        assert findings(done.stdout)["server"]["status"] == "skipped"
        assert server.asked == []


def test_a_fifo_is_a_problem_and_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    settings = dict.fromkeys(("annotations", "subset", "token_file", "tls_cert", "config"), tmp_path / "fifo")
    settings |= {"images": tmp_path, "cache_dir": tmp_path}
    done = run_python("-c", START, "doctor", "--json", settings=settings, check=False)
    found = findings(done.stdout)
    for check in ("annotations", "subset", "token", "certificate", "config"):
        assert found[check]["status"] == "problem", check
        assert "Not a regular file" in found[check]["found"]


def test_the_documented_names_are_those_of_the_document(tmp_path: Path) -> None:
    done = run_python("-c", START, "doctor", "--json", settings={"cache_dir": tmp_path}, check=False)
    assert set(json.loads(done.stdout)) == names_in_json("doctor")
    assert {name for finding in findings(done.stdout).values() for name in finding} == names_in_entries("doctor")


def test_a_command_line_that_is_wrong_has_status_2() -> None:
    assert run_python("-c", START, "doctor", "--batch-size", "none", check=False).returncode == 2
