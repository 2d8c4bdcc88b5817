"""Errors of commands are one line on stderr."""

import pytest
import typer
from typer.testing import CliRunner

from sampler.cli import group
from sampler.cli.group import app_of
from sampler.cli.start import start
from sampler.cli.table import Command, Program
from sampler.errors import InvalidRequestError, SamplerError

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
        (SamplerError("two  spaces.jpg: missing"), "error: two  spaces.jpg: missing"),
        (InvalidRequestError("batch_size", -1, "more"), "error: --batch-size = -1: expected more"),
        (InvalidRequestError("batch_size", None, "a number"), "error: --batch-size is not given: expected a number"),
        (OSError(28, "No space left on device"), "make space or write the output elsewhere"),
        (OSError(5, "Input/output error"), "write the output elsewhere"),
        (OSError(24, "Too many open files"), "raise the limit (ulimit -n"),
        (RuntimeError("can't start new thread"), "the limit of processes may be reached"),
    ],
)
def test_an_error_that_is_expected_is_one_line(error: Exception, words: str) -> None:
    done = CliRunner().invoke(command_that_raises(error), ["fail"])
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert words in line


@pytest.mark.parametrize("error", [RuntimeError("a fault of the program"), OSError(22, "Invalid argument")])
def test_any_other_error_is_a_traceback(error: Exception) -> None:
    done = CliRunner().invoke(command_that_raises(error), ["fail"])
    assert done.exception is error


def test_the_exit_status_of_a_command_stays() -> None:
    assert CliRunner().invoke(command_that_raises(typer.Exit(7)), ["fail"]).exit_code == 7


def test_ctrl_c_before_a_command_runs_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_program: Program) -> typer.Typer:
        raise KeyboardInterrupt

    monkeypatch.setattr(group, "app_of", interrupted)
    with pytest.raises(SystemExit) as ended:
        start(Program("program", "A program.", {}), ["--help"])
    assert ended.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_a_command_that_cannot_be_loaded_completes_nothing_instead_of_failing() -> None:
    program = Program("program", "A program.", {"absent": Command("no_such_module", "absent", "Absent.", "server")})
    variables = {"_PROGRAM_COMPLETE": "complete_bash", "COMP_WORDS": "program absent --", "COMP_CWORD": "2"}
    done = CliRunner().invoke(app_of(program), [], env=variables, prog_name="program")
    assert (done.exit_code, done.stderr) == (0, "")
    assert CliRunner().invoke(app_of(program), ["absent"]).exit_code == 2
