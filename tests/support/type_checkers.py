"""mypy and pyright, run on code of users. basedpyright is pyright as a Python package that needs no network."""

import json
import os
import re
import sys
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.paths import ROOT
from tests.support.processes import run_python

SECONDS = 240
"""For a checker; mypy without a cache reads PyTorch's types first."""


class Finding(NamedTuple):
    """An error that a type checker reports."""

    path: Path
    line: int
    message: str


def mypy(paths: Iterable[Path]) -> list[Finding]:
    """Return the errors of `mypy --strict`. It uses the project's configuration and cache, as `make lint` does."""
    done = run_python("-m", "mypy", "--no-error-summary", "--hide-error-context", *paths, check=False, timeout=SECONDS)
    found = re.findall(r"^(.+?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    assert found or done.returncode == 0, done.stdout + done.stderr
    return [Finding(ROOT / path, int(line), f"mypy: {message}") for path, line, message in found]


def pyright(paths: Iterable[Path], folder: Path) -> list[Finding]:
    """Return the errors of pyright in the mode "standard".

    Args:
        paths: Files to check.
        folder: The one from which they import each other, and where the configuration is written.
    """
    files = [str(path) for path in paths]
    config = {"extraPaths": [str(ROOT)], "typeCheckingMode": "standard", "include": files}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    report = _basedpyright("--project", folder, "--pythonpath", sys.executable)
    assert report["summary"]["filesAnalyzed"] == len(files), report
    return [
        Finding(Path(error["file"]), error["range"]["start"]["line"] + 1, f"pyright: {error['message']}")
        for error in report["generalDiagnostics"]
        if error["severity"] == "error"
    ]


def public_symbols(package: str, folder: Path) -> list[dict[str, Any]]:
    """Return pyright's report on each symbol that the public names of a package lead to.

    Args:
        package: Its name.
        folder: An empty one for an environment in which the package is installed. Its dependencies are not, because
            their symbols would be checked, too.
    """
    venv.create(folder)
    site_packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    (Path(site_packages) / "installed.pth").write_text(str(ROOT), encoding="utf-8")
    # This check looks for a Python on the path and takes no option for it.
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    report = _basedpyright("--verifytypes", package, variables={"PATH": path})
    symbols: list[dict[str, Any]] = report["typeCompleteness"]["symbols"]
    return symbols


def _basedpyright(*arguments: object, **options: Any) -> Any:
    done = run_python("-m", "basedpyright", "--outputjson", *arguments, check=False, timeout=SECONDS, **options)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: there are errors
    return json.loads(done.stdout)
