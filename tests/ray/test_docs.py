"""The section "Ray" of the documentation: its commands and its example are possible ones."""

import ast
import importlib
import inspect
import shlex

import pytest

from tests.support.docs import blocks, shell_lines

rows = pytest.importorskip("saccade_sampler.ray", reason="ray is not installed", exc_type=ImportError)

PROGRAMS = {"serve": ("ray.serve.scripts", "cli"), "ray": ("ray.scripts.scripts", "cli")}
"""The module of each program, and its group of commands."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray's own, when its programs are imported
def test_every_option_of_a_ray_command_exists() -> None:
    commands = [shlex.split(line, comments=True) for line in shell_lines("serve ", "ray ")]
    assert {tuple(words[:2]) for words in commands} >= {("serve", "run"), ("serve", "deploy"), ("ray", "start")}
    for program, command, *others in commands:
        module, group = PROGRAMS[program]
        parameters = getattr(importlib.import_module(module), group).commands[command].params
        known = {option for parameter in parameters for option in parameter.opts}
        assert {word for word in others if word.startswith("--")} <= known


def test_the_example_calls_what_there_is() -> None:
    [block] = [block for block in blocks("python") if "saccade_sampler.ray" in block.code]
    calls = [node for node in ast.walk(ast.parse(block.code)) if isinstance(node, ast.Call)]
    [made] = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "dataset"]
    arguments = {one.arg: one.value for one in made.keywords if one.arg}
    assert inspect.signature(rows.dataset).bind(*made.args, **arguments)
