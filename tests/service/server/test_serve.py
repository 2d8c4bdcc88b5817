"""The command `serve`: what it checks before it opens a dataset, and how it starts and ends."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.support.coco_files import write_dataset
from tests.support.live_server import running, until
from tests.support.processes import run_python, start_python

NO_PORT = ("--port", "0")

# Runs `python -m service --port 0` and presses Ctrl-C when a module is imported.
PRESS_CTRL_C = """
import os, runpy, signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

module = sys.argv[1]
sys.argv[1:] = ["--port", "0"]
sys.meta_path.insert(0, Press())
runpy.run_module("service", run_name="__main__", alter_sys=True)
"""


def refusal(*arguments: object, **options: object) -> str:
    """The one line with which `serve` refuses to start."""
    done = run_python("-m", "service", *arguments, check=False, **options)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_in_use_is_reported_before_the_dataset_is_opened(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refusal("--port", port, "--annotations", tmp_path / "none.json", "--images", tmp_path)
    assert line == f"error: port {port} of 127.0.0.1 is in use by another program; stop it or choose another --port"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--workers", "0", *NO_PORT), "error: --workers = 0: expected a number greater than or equal to 1"),
        (("--tls-key", "key.pem", *NO_PORT), "error: SAMPLER_TLS_KEY is set without SAMPLER_TLS_CERT"),
        (("--fd", "77"), "error: --fd 77: not an inherited socket"),
    ],
)
def test_an_option_that_cannot_be_used_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    assert words in refusal(*arguments)


def test_options_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    annotations, images = write_dataset(tmp_path)
    (tmp_path / "settings.toml").write_text('workers = 3\nconfig = "cornernet"\nmax_batch = 5\n')
    variables = {"workers": 2, "config": "cornernet_saccade", "settings": tmp_path / "settings.toml"}
    given = ("--annotations", annotations, "--images", images, "--workers", 1, "--cache-dir", tmp_path / "cache")
    with running(tmp_path, variables, ("-m", "service", *map(str, given))) as server:
        spec = httpx.get(f"{server.url}/v1/spec").json()
        assert (server.metric("sampler_workers"), spec["config"]["name"]) == (1, "cornernet_saccade")
        assert httpx.get(f"{server.url}/v1/batches?indices=0,1,2,0,1,2").status_code == 422


def test_a_ready_server_prints_its_page_and_how_to_use_it(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1}
    server = start_python("-m", "service", *NO_PORT, settings=settings)
    assert server.stdout is not None
    printed = [server.stdout.readline()]
    while printed[-1].strip() != "...":
        printed.append(server.stdout.readline())
    url = printed[0].split()[2].rstrip("/")
    assert httpx.get(f"{url}/readyz").status_code == 200
    assert httpx.get(f"{url}/", follow_redirects=True).headers["content-type"].startswith("text/html")
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=30)
    assert server.returncode == -signal.SIGTERM
    assert f'    with loader("{url}", seed=7, batch_size=48) as batches:\n' in printed
    assert "nothing limits" not in log


def test_a_server_may_use_an_inherited_unix_socket(scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path) -> None:
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        inherited = listener.fileno()
        server = start_python("-m", "service", "--fd", inherited, settings=settings, pass_fds=[inherited])
    assert server.stdout is not None
    assert server.stdout.readline().startswith("Serving on the inherited socket ")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "s"))) as client:
        assert client.get("http://localhost/readyz").status_code == 200


def test_a_server_whose_announcement_nobody_reads_serves(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    settings = {"annotations": scenes[0], "images": scenes[1], "cache_dir": cache_dir, "workers": 1}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_python("-m", "service", "--port", port, settings=settings, stderr=None)
    assert server.stdout is not None
    server.stdout.close()
    until(lambda: _status(f"http://127.0.0.1:{port}/readyz") == 200, 60)


@pytest.mark.parametrize("module", ["sampler.cli.table", "typer", "service.settings", "uvicorn"])
def test_ctrl_c_while_the_server_is_imported_prints_no_traceback(module: str, tmp_path: Path) -> None:
    done = run_python(
        "-c", PRESS_CTRL_C, module, settings={"cache_dir": tmp_path}, coverage=False, check=False, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_dataset_that_cannot_be_served_exits_like_other_errors(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    dataset = ("--annotations", tmp_path / "broken.json", "--images", tmp_path)
    done = run_python("-m", "service", *NO_PORT, *dataset, settings={"cache_dir": tmp_path}, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "broken.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_several_uvicorn_processes_are_refused_in_one_line_each(tmp_path: Path) -> None:
    options = ("--workers", "2", *NO_PORT)
    done = run_python("-m", "uvicorn", "service.main:app", *options, settings={"cache_dir": tmp_path}, check=False)
    lines = [line for line in done.stderr.splitlines() if "cannot start" in line]
    assert 1 <= len(lines) <= 2
    assert all("uvicorn runs 2 copies of the server" in line and "SAMPLER_WORKERS" in line for line in lines)
    assert "Traceback" not in done.stderr


def test_uvicorn_may_reload_a_server_and_says_what_has_no_limit(scenes: tuple[Path, Path], cache_dir: Path) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ("service.main:app", "--reload", "--port", port)
    variables = {"WEB_CONCURRENCY": 3}
    reloader = start_python("-m", "uvicorn", *arguments, settings=settings, variables=variables)
    until(lambda: _status(f"http://127.0.0.1:{port}/readyz") == 200, 60)
    reloader.send_signal(signal.SIGTERM)
    _, log = reloader.communicate(timeout=30)
    (line,) = [line for line in log.splitlines() if "nothing limits" in line]
    assert "saccade-sampler serve" in line


def test_certificates_of_serve_are_refused_by_plain_uvicorn(tmp_path: Path) -> None:
    settings = {"cache_dir": tmp_path, "tls_cert": tmp_path / "cert.pem"}
    done = run_python("-m", "uvicorn", "service.main:app", *NO_PORT, settings=settings, check=False)
    assert done.returncode == 3
    assert "SAMPLER_TLS_CERT is only for `saccade-sampler serve`" in done.stderr


def _status(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0
