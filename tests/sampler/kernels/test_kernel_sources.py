"""Which sources compiled code depends on: those that are looked at when kept code is taken from disk, and no others."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT

FILES = sorted((ROOT / "sampler/kernels/compiled").glob("*.py"))


def borrowed(tree: ast.Module) -> set[str]:
    """The names that a module imports from outside `sampler/kernels/compiled`."""
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    modules = [one.module or "" for one in imports]
    foreign = [
        one
        for one, name in zip(imports, modules, strict=True)
        if name.startswith("sampler.") and not name.startswith("sampler.kernels.compiled.")
    ]
    return {alias.asname or alias.name for one in foreign for alias in one.names}


def compiled(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions that Numba compiles."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(one) for one in node.decorator_list):
            yield node


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_kernel_takes_a_value_from_a_file_whose_change_would_not_show(file: Path) -> None:
    tree = ast.parse(file.read_text())
    for kernel in compiled(tree):
        used = {node.id for line in kernel.body for node in ast.walk(line) if isinstance(node, ast.Name)}
        assert not used & borrowed(tree), f"{file.name}, {kernel.name}: expected an argument in place of a global"


def test_there_are_kernels_to_look_at() -> None:
    found = [kernel.name for file in FILES for kernel in compiled(ast.parse(file.read_text()))]
    assert len(found) > 20
