"""The program `saccade-sampler`: all commands, each loading only what it needs."""

import importlib
import inspect
import json
import re
import signal
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from saccade_sampler.cli.table import COMMANDS
from saccade_sampler.cli.table import PROGRAM as SAMPLER
from sampler.cli.exit_status import EXPLANATION
from sampler.cli.start import start
from sampler.version import VERSION
from tests.support.paths import ROOT
from tests.support.processes import run_python, start_python

PROGRAM = ("-m", "saccade_sampler")
SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
LIBRARIES = {"cv2", "numba", "fastapi", "starlette", "uvicorn", "prometheus_client", "torch", "httpx", "msgspec"}


def loaded_by(*arguments: str) -> set[str]:
    """Return the packages that a command line loads."""
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print('\\n', json.dumps(sorted({name.split('.')[0] for name in sys.modules}))))\n"
        "from saccade_sampler.cli.main import main; main()"
    )
    loaded: set[str] = set(json.loads(run_python("-c", code, *arguments, coverage=False).stdout.splitlines()[-1]))
    return loaded


def completed(shell: str, words: str) -> str:
    """Return what the program gives a shell that completes a command line."""
    variables = {
        "_SACCADE_SAMPLER_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": len(words.split(" ")) - 1,
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    code = "from saccade_sampler.cli.main import main; main()"
    return run_python("-c", code, variables=variables, check=False).stdout


def test_the_help_lists_all_commands_and_loads_none() -> None:
    text = run_python(*PROGRAM, "--help").stdout
    for name, command in COMMANDS.items():
        assert re.search(rf"│ {name} +{re.escape(command.help[:60])}", text), name
    assert EXPLANATION in text
    assert not loaded_by("--help") & (LIBRARIES | {"numpy", "msgpack"})


def test_the_help_of_a_command_loads_nothing_of_others() -> None:
    assert not loaded_by("index", "--help") & (LIBRARIES - {"cv2", "msgspec"})
    assert not loaded_by("serve", "--help") & LIBRARIES


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_list_is_that_of_the_command_s_own_help(name: str) -> None:
    command = COMMANDS[name]
    function = getattr(importlib.import_module(command.module), command.function)
    text = inspect.getdoc(function) or ""
    assert text.replace("\n", " ").startswith(command.help)


def test_the_version_is_that_of_the_distribution() -> None:
    for program in (PROGRAM, ("-m", "service")):
        assert run_python(*program, "--version").stdout == f"saccade-sampler {VERSION}\n"


@pytest.mark.parametrize(("command", "package", "extra"), [
    ("serve", "fastapi", "server"), ("index", "msgspec", "server"), ("plan", "msgspec", "server"),
    ("fetch", "rich", "cli"), ("verify", "typer", "server"), ("--help", "typer", "cli"),
])  # fmt: skip
def test_a_command_without_its_extra_says_what_to_install(command: str, package: str, extra: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\nfrom saccade_sampler.cli.main import main; main()"
    given = {"plan": ("--batch-size", "1", "--steps-per-second", "1"), "serve": ("--port", "0")}.get(command, ())
    done = run_python("-c", code, command, *given, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    name = "saccade-sampler" if package == "typer" else f"saccade-sampler {command}"
    assert line == f"error: {name} needs {package}, which is not installed: pip install 'saccade-sampler[{extra}]'"


@pytest.mark.parametrize(("words", "values"), [
    ("saccade-sampler se", {"serve", "settings"}),
    ("saccade-sampler fetch --lay", {"--layout"}),
    ("saccade-sampler fetch --layout ", {"compact", "sparse", "dense"}),
    ("saccade-sampler config cornernet_", {"cornernet_saccade", "cornernet_squeeze"}),
    ("saccade-sampler serve --log-level d", {"debug"}),
])  # fmt: skip
def test_shells_complete_commands_options_and_values(words: str, values: set[str]) -> None:
    assert set(completed("bash", words).split()) == values


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_complete_too(shell: str) -> None:
    assert "compact" in completed(shell, "saccade-sampler fetch --layout c")


@pytest.mark.parametrize(("arguments", "line"), [
    (("nothing",), "error: No such command 'nothing'; see `saccade-sampler --help`"),
    (("fetch", "--steq", "3"), "error: No such option: --steq (Possible options: --seed, --step); see "
     "`saccade-sampler fetch --help`"),
])  # fmt: skip
def test_a_wrong_command_line_is_one_line(
    arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        start(SAMPLER, arguments)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"{line}\n")


def test_a_shell_that_is_not_known_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("tcsh", "/bin/tcsh"))
    with pytest.raises(SystemExit) as ended:
        start(SAMPLER, ["--show-completion"])
    assert ended.value.code == 2
    assert "tcsh not supported" in capsys.readouterr().err


def test_serve_serves(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    options = ("--annotations", scenes[0], "--images", scenes[1], "--cache-dir", cache_dir, "--workers", "1")
    server = start_python(*PROGRAM, "serve", "--port", "0", *options)
    assert server.stdout is not None
    url = server.stdout.readline().split()[2]
    assert httpx.get(f"{url}readyz").json() == {"status": "ok", "workers": 1}
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=30)
    assert "Traceback" not in log


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_installed_script_prints_its_help(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, _, function = SCRIPTS[script].partition(":")
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as ended:
        getattr(importlib.import_module(module), function)()
    assert ended.value.code == 0
    assert f"Usage: {script} " in capsys.readouterr().out
