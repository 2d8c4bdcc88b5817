"""The section "Ray" of the documentation: its commands and its example are possible ones."""

import ast
import inspect
import re
import shlex

import pytest

from tests.support.docs import blocks, shell_lines
from tests.support.processes import run_python

rows = pytest.importorskip("saccade_sampler.ray", reason="ray is not installed", exc_type=ImportError)

PROGRAMS = {"serve": "ray.serve.scripts", "ray": "ray.scripts.scripts"}


def test_every_option_of_a_ray_command_exists() -> None:
    commands = [shlex.split(line) for line in shell_lines("serve ", "ray ")]
    assert {(program, command) for program, command, *_ in commands} >= {("serve", "run"), ("ray", "start")}
    for program, command in dict.fromkeys((program, command) for program, command, *_ in commands):
        known = run_python("-m", PROGRAMS[program], command, "--help").stdout
        given = {word for words in commands if words[:2] == [program, command] for word in words if word[:2] == "--"}
        assert [option for option in given if not re.search(rf"{option}\b", known)] == []


def test_the_example_calls_what_there_is() -> None:
    [block] = [block for block in blocks("python") if "saccade_sampler.ray" in block.code]
    calls = [node for node in ast.walk(ast.parse(block.code)) if isinstance(node, ast.Call)]
    [made] = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "dataset"]
    arguments = {one.arg: one.value for one in made.keywords if one.arg}
    assert inspect.signature(rows.dataset).bind(*made.args, **arguments)
