"""A Python that is too old gets one clear line. None is needed here: the version is given."""

import ast
import sys
import tomllib

import pytest

from sampler.old_python import refuse
from tests.support.paths import ROOT
from tests.support.processes import run_python

PACKAGES = ("saccade_sampler", "sampler", "service", "client")
OLD = """
import runpy, sys
sys.version_info = (3, 9, 18)
{}
"""
"""Code that an interpreter runs as if it were Python 3.9."""


@pytest.mark.parametrize("file", ["sampler/old_python.py", *(f"{package}/__init__.py" for package in PACKAGES)])
def test_the_files_that_say_so_parse_on_old_versions(file: str) -> None:
    ast.parse((ROOT / file).read_text(encoding="utf-8"), feature_version=(3, 7))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_so_before_it_does_anything_else(package: str) -> None:
    body = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    assert [ast.unparse(statement).splitlines()[0] for statement in body[1:3]] == [
        "import sys", "if sys.version_info < (3, 11):"
    ]  # fmt: skip


def test_the_least_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"


@pytest.mark.parametrize("program", ["-m", "/usr/bin/saccade-sampler", "saccade-client"])
def test_a_program_ends_with_one_line(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        refuse((3, 9, 2), [program, "fetch"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: saccade-sampler needs Python 3.11 or newer; this is Python 3.9, {sys.executable}\n"
    )


@pytest.mark.parametrize("command_line", [["train.py"], [""], []])
def test_an_import_elsewhere_is_an_import_error(command_line: list[str]) -> None:
    with pytest.raises(ImportError, match=r"needs Python 3\.11 or newer; this is Python 3\.9"):
        refuse((3, 9, 2), command_line)


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_says_so(package: str) -> None:
    done = run_python("-c", OLD.format(f"import {package}"), coverage=False, check=False)
    assert done.stderr.splitlines()[-1].startswith("ImportError: saccade-sampler needs Python 3.11 or newer")


@pytest.mark.parametrize("package", PACKAGES)
def test_running_a_package_says_so_in_one_line(package: str) -> None:
    code = f"sys.argv[:] = ['-m', '--help']; runpy.run_module('{package}', run_name='__main__')"
    done = run_python("-c", OLD.format(code), coverage=False, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: saccade-sampler needs Python 3.11 or newer; this is Python 3.9")
