"""The cost of `import client` in a fresh interpreter."""

import json

from tests.support.processes import output_of, run_python

ELSEWHERE = ["cv2", "numba", "fastapi", "starlette", "pydantic", "torch", "typer", "msgspec", "pycocotools",
             "simplejpeg", "uvicorn", "scipy", "PIL", "service"]  # fmt: skip


def loaded(code: str) -> set[str]:
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    return set(json.loads(run_python("-W", "error", "-c", script).stdout))


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    modules = loaded("import client")
    assert modules.isdisjoint(ELSEWHERE), sorted(modules & set(ELSEWHERE))
    assert {"client", "sampler", "numpy", "msgpack", "httpx"} <= modules


def test_the_client_itself_does_not_import_rich() -> None:
    # httpx loads rich for a command of its own where rich is installed; nothing of ours needs it.
    modules = loaded("import sys; sys.modules['rich'] = None; import client; del sys.modules['rich']")
    assert not [name for name in modules if name.split(".")[0] == "rich"]


def test_importing_the_client_is_quick() -> None:
    script = "import time; t = time.process_time(); import client; print(time.process_time() - t)"
    assert float(output_of(script)) < 3.0
