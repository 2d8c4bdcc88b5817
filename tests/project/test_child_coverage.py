"""Coverage in processes that tests start: it costs much, so it is measured where it shows something."""

import os

import pytest

from tests.support.child_coverage import MEASURED, measured_as_needed
from tests.support.paths import ROOT

VARIABLE = "COVERAGE_PROCESS_CONFIG"


def test_only_measured_tests_pass_it_on_to_the_processes_that_they_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "config")
    seen = {}
    for test in (*MEASURED, "tests/client/test_live.py::test"):
        with measured_as_needed(test):
            seen[test] = VARIABLE in os.environ
        assert os.environ[VARIABLE] == "config"
    assert seen == {**dict.fromkeys(MEASURED, True), "tests/client/test_live.py::test": False}


def test_the_measured_folders_exist() -> None:
    assert all((ROOT / folder).is_dir() for folder in MEASURED)
