"""A stdout that cannot be written, because its reader has closed it or its disk is full, sets the exit status."""

import subprocess

import pytest

from tests.support.processes import run_python, start_python

PROGRAM = ("-m", "saccade_sampler")
OUTPUTS = [("--version",), ("config",), ("config", "--json")]
"""What Typer, Rich and this project print."""


@pytest.mark.parametrize("arguments", OUTPUTS)
def test_a_closed_pipe_is_neither_findings_nor_an_error(arguments: tuple[str, ...]) -> None:
    process = start_python(*PROGRAM, *arguments)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(60) == 141


@pytest.mark.parametrize("arguments", OUTPUTS)
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        done = run_python(*PROGRAM, *arguments, check=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "error: No space left on device; make space or write the output elsewhere\n"
