"""Code that uses the public names passes `mypy --strict` and pyright: on the pages, in the examples, in programs."""

import ast
import importlib.util
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.docs import Block, blocks
from tests.support.paths import ROOT
from tests.support.type_checkers import Finding, mypy, public_symbols, pyright

PRELUDE = '''"""What the pages leave to the reader."""
from typing import Any

def train_step(xs: list[Any], ys: list[Any]) -> Any: ...
'''
NAMES = "from prelude import train_step"

OURS = ("saccade_sampler.", "client.", "sampler.")
"""Packages whose names are public by way of `saccade_sampler`."""

pytestmark = pytest.mark.timeout(600)  # of two CPUs with other work


class Code(NamedTuple):
    """Files to check, the folder of those from pages, and the page of each."""

    folder: Path
    paths: list[Path]
    pages: dict[Path, str]

    def shown(self, finding: Finding) -> str:
        """Return a finding with its place on the page, which has the same line numbers as the file."""
        return f"{self.pages.get(finding.path, finding.path)}:{finding.line}: {finding.message}"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Code:
    """The Python blocks of all pages, the scripts in examples/ and a program of a user."""
    folder = tmp_path_factory.mktemp("code")
    pages = {folder / f"{_identifier(block)}.py": block for block in blocks("python") if _is_importable(block.code)}
    for path, block in pages.items():
        path.write_text(NAMES + "\n" * (block.line - 1) + block.code, encoding="utf-8")
    prelude = folder / "prelude.py"
    prelude.write_text(PRELUDE, encoding="utf-8")
    scripts = [*(ROOT / "examples").rglob("*.py"), ROOT / "tests" / "support" / "user_program.py"]
    others = [path for path in scripts if _is_importable(path.read_text(encoding="utf-8"))]
    return Code(folder, [*pages, prelude, *others], {path: block.page for path, block in pages.items()})


def _identifier(block: Block) -> str:
    return f"{Path(block.page).with_suffix('')}_{block.line}".replace("/", "_").replace("-", "_")


def _is_importable(code: str) -> bool:
    """Return whether the packages that code imports are installed; some are optional."""
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = [name for node in imports for name in _modules(node)]
    return all(importlib.util.find_spec(name.partition(".")[0]) for name in modules)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""]


def test_mypy_accepts_all_code_of_users(code: Code) -> None:
    assert [code.shown(finding) for finding in mypy(code.paths)] == []


def test_pyright_accepts_all_code_of_users(code: Code) -> None:
    assert [code.shown(finding) for finding in pyright(code.paths, code.folder)] == []


def test_every_public_symbol_has_a_declared_type(tmp_path: Path) -> None:
    symbols = public_symbols("saccade_sampler", tmp_path)
    ours = [symbol for symbol in symbols if symbol["name"].startswith(OURS)]
    untyped = [
        f"{error['file']}:{error['range']['start']['line'] + 1}: {symbol['name']}: {error['message'].splitlines()[0]}"
        for symbol in ours
        for error in symbol["diagnostics"]
        if "annotation" in error["message"]
    ]
    assert untyped == []
    assert len(ours) > 500
