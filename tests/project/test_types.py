"""Code that uses the public names passes `mypy --strict` and pyright: on the pages, in the examples, in programs."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.docs import Block, blocks
from tests.support.paths import ROOT
from tests.support.type_checkers import Finding, mypy, public_symbols, pyright

READERS = {
    "train_step": """
from typing import Any

def train_step(xs: list[Any], ys: list[Any]) -> Any: ...
""",
    "system_config": """
from saccade_sampler.cornernet_lite import SystemConfig

system_config: SystemConfig
""",
    "args": """
from saccade_sampler.cornernet_lite import Arguments

args: Arguments
""",
}
"""Names that the pages leave to the reader, and a module that defines each."""

OURS = ("saccade_sampler.", "client.", "sampler.")
"""Packages whose names are public by way of `saccade_sampler`."""

pytestmark = pytest.mark.timeout(600)  # of two CPUs with other work


class Code(NamedTuple):
    """The code blocks of the pages as files, in one folder with what they import, and the page of each."""

    folder: Path
    pages: dict[Path, str]

    def shown(self, finding: Finding) -> str:
        """Return a finding with its place on the page, which has the same line numbers as the file."""
        return f"{self.pages.get(finding.path, finding.path)}:{finding.line}: {finding.message}"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Code:
    """The Python blocks of all pages."""
    folder = tmp_path_factory.mktemp("code")
    for name, module in READERS.items():
        (folder / f"readers_{name}.py").write_text(module, encoding="utf-8")
    pages: dict[Path, str] = {}
    for block in blocks("python"):
        path = folder / f"{_identifier(block)}.py"
        path.write_text(_readers_imports(block.code) + "\n" * (block.line - 1) + block.code, encoding="utf-8")
        if _has_its_imports(path):
            pages[path] = block.page
    return Code(folder, pages)


def _identifier(block: Block) -> str:
    return f"{Path(block.page).with_suffix('')}_{block.line}".replace("/", "_").replace("-", "_")


def _readers_imports(code: str) -> str:
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    return "; ".join(f"from readers_{name} import {name}" for name in READERS if name in used)


def _has_its_imports(path: Path) -> bool:
    """Return whether the packages that a file imports are installed; some are optional."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return all((path.parent / f"{name}.py").is_file() or importlib.util.find_spec(name) for name in names)


def test_mypy_accepts_the_code_on_the_pages(code: Code) -> None:
    # The examples and the program of a user belong to the project, which `make lint` checks.
    assert [code.shown(finding) for finding in mypy(code.pages)] == []


def test_pyright_accepts_the_code_on_the_pages_and_in_the_examples(code: Code) -> None:
    scripts = [*(ROOT / "examples").rglob("*.py"), ROOT / "tests" / "support" / "user_program.py"]
    others = [path for path in scripts if _has_its_imports(path)]
    assert [code.shown(finding) for finding in pyright([*code.pages, *others], code.folder)] == []


def test_every_public_symbol_has_a_declared_type(tmp_path: Path) -> None:
    symbols = public_symbols("saccade_sampler", tmp_path)
    ours = [symbol for symbol in symbols if symbol["name"].startswith(OURS)]
    untyped = [
        f"{error['file']}:{error['range']['start']['line'] + 1}: {symbol['name']}: {error['message'].splitlines()[0]}"
        for symbol in ours
        for error in symbol["diagnostics"]
        if re.search(r"annotation.* is missing|missing type annotation", error["message"])
    ]
    assert untyped == []
    assert len(ours) > 500
