"""What importing the client loads into a fresh interpreter, and what the loader's process loads before its job."""

import json

import pytest

import client
from tests.support.processes import output_of, run_python

ELSEWHERE = ["cv2", "numba", "fastapi", "starlette", "pydantic", "torch", "typer", "msgspec", "pycocotools",
             "simplejpeg", "uvicorn", "scipy", "PIL", "service"]  # fmt: skip
"""What no client needs."""

TRANSPORT = ["httpx", "stamina", "rich", "ssl"]
"""What only requests need."""


def loaded(code: str) -> set[str]:
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    return set(json.loads(run_python("-W", "error", "-c", script).stdout))


def assert_absent(modules: set[str], *unwanted: str) -> None:
    assert modules.isdisjoint(unwanted), sorted(modules & set(unwanted))


@pytest.mark.parametrize("package", ["client", "saccade_sampler"])
def test_importing_the_package_loads_nothing_else(package: str) -> None:
    assert_absent(loaded(f"import {package}"), *ELSEWHERE, *TRANSPORT, "numpy", "msgpack", "asyncio")


@pytest.mark.parametrize("package", ["client", "saccade_sampler"])
def test_importing_and_making_a_loader_loads_no_transport(package: str) -> None:
    code = f"from {package} import ClientError, Batch, loader; loader('http://cpu-host:8000', seed=1, batch_size=8)"
    modules = loaded(code)
    assert_absent(modules, *ELSEWHERE, *TRANSPORT, "asyncio", "llvmlite")
    assert {"client", "sampler", "numpy", "msgpack"} <= modules


def test_importing_the_clients_loads_nothing_of_the_server() -> None:
    modules = loaded("from client import AsyncSamplerClient, SamplerClient")
    assert_absent(modules, *ELSEWHERE)
    assert {"client", "sampler", "numpy", "msgpack", "httpx"} <= modules


def test_the_process_of_a_loader_has_its_transport_before_its_job_and_no_kernels() -> None:
    modules = loaded("import client.loading.worker.main")
    assert_absent(modules, *ELSEWHERE, "llvmlite", "sampler.kernels.compiled.kernels")
    assert "httpx" in modules


def test_the_client_itself_does_not_import_rich() -> None:
    # httpx loads rich for its command line where rich is installed; nothing of ours needs it.
    modules = loaded("import sys; sys.modules['rich'] = None; from client import *; del sys.modules['rich']")
    assert not [name for name in modules if name.split(".")[0] == "rich"]


def test_importing_the_client_is_quick() -> None:
    script = "import time; t = time.process_time(); from client import *; print(time.process_time() - t)"
    assert float(output_of(script)) < 3.0


def test_modules_of_the_package_are_reachable_once_it_is_imported() -> None:
    code = "import client; print(client.errors.ClientError is client.ClientError, client.protocol.__doc__ is None)"
    assert output_of(code) == "True False"
    assert not hasattr(client, "nothing")
    assert not hasattr(client, "__wrapped__")
