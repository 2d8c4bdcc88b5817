"""Errors of commands are one line on stderr."""

import pytest
import typer
from typer.testing import CliRunner

from sampler.cli.group import app_of
from sampler.cli.table import Command, Program
from sampler.errors import SamplerError

RAISED: list[Exception] = []


def fail() -> None:
    raise RAISED.pop()


def command_that_raises(error: Exception) -> typer.Typer:
    """A program whose command `fail` raises an error."""
    RAISED.append(error)
    return app_of(Program("program", "A program.", {"fail": Command(__name__, "fail", "Fail.", "server")}))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SamplerError("two\nlines"), "error: two lines"),
        (OSError(24, "Too many open files"), "raise the limit (ulimit -n"),
        (RuntimeError("can't start new thread"), "the limit of processes may be reached"),
    ],
)
def test_an_error_that_is_expected_is_one_line(error: Exception, words: str) -> None:
    done = CliRunner().invoke(command_that_raises(error), ["fail"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert words in line


@pytest.mark.parametrize("error", [RuntimeError("a fault of the program"), OSError(5, "Input/output error")])
def test_any_other_error_is_a_traceback(error: Exception) -> None:
    done = CliRunner().invoke(command_that_raises(error), ["fail"])
    assert done.exception is error


def test_the_exit_status_of_a_command_stays() -> None:
    assert CliRunner().invoke(command_that_raises(typer.Exit(7)), ["fail"]).exit_code == 7
