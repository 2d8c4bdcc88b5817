"""The program `saccade-sampler`: all commands, each loading only what it needs."""

import json
import signal
from pathlib import Path

import httpx

from tests.support.processes import output_of, run_python, start_python

START = "from saccade_sampler.cli.main import main; import sys; sys.argv = ['saccade-sampler', *sys.argv[1:]]\n"
LOADED = "\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"


def test_it_has_the_commands_of_the_sampler_serve_and_plan() -> None:
    text = output_of(START + "main()", "--help")
    for command in ("index", "decode", "config", "recipe", "replay", "verify", "serve", "plan"):
        assert f" {command} " in text


def test_the_help_of_another_command_loads_nothing_of_the_server() -> None:
    code = f"import json\n{START}\ntry:\n    main()\nexcept SystemExit:\n    pass{LOADED}"
    loaded = set(json.loads(output_of(code, "index", "--help").splitlines()[-1]))
    assert not loaded & {"fastapi", "starlette", "uvicorn", "prometheus_client"}
    assert "service" in loaded


def test_serve_without_the_server_extra_says_what_to_install() -> None:
    for package in ("fastapi", "uvicorn", "cv2"):
        code = f"import sys; sys.modules[{package!r}] = None\n{START}main()"
        done = run_python("-c", code, "serve", "--port", "0", check=False)
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ")
        assert line.endswith("pip install 'saccade-sampler[server]'")
        assert package in line


def test_completion_knows_serve() -> None:
    code = START + "main()"
    variables = {"_SACCADE_SAMPLER_COMPLETE": "complete_bash", "COMP_WORDS": "saccade-sampler se", "COMP_CWORD": "1"}
    done = run_python("-c", code, variables=variables, check=False)
    assert "serve" in done.stdout


def test_serve_serves(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    options = ("--annotations", scenes[0], "--images", scenes[1], "--cache-dir", cache_dir, "--workers", "1")
    server = start_python("-c", START + "main()", "serve", "--port", "0", *options)
    assert server.stdout is not None
    url = server.stdout.readline().split()[2]
    assert httpx.get(f"{url}readyz").json() == {"status": "ok", "workers": 1}
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=30)
    assert "Traceback" not in log
