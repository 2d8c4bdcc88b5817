"""The page of guarantees names tests that exist, for every promise and for every public issue."""

import ast
import re
from functools import cache

import pytest

from tests.support.docs import PAGES, table
from tests.support.paths import ROOT

PAGE = "docs/guarantees.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::([\w:]+)`")
NAMED = sorted(set(TEST.findall(PAGES[PAGE])))


@cache
def defined_in(file: str) -> frozenset[str]:
    """Return the tests of a file; those of a class as `Class::test`."""
    names = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
    return frozenset(name for name in names if name.rpartition("::")[2].startswith("test_"))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: str(part).rpartition("/")[2])
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    assert (ROOT / file).is_file()
    assert name in defined_in(file)


def test_every_promise_names_its_tests() -> None:
    rows = table(PAGE, "promises")
    assert len(rows) >= 20
    for promise, tests in rows:
        assert promise.endswith(".")
        assert TEST.findall(tests), promise


def test_every_issue_has_a_link_and_names_tests_that_show_it_cannot_happen() -> None:
    rows = table(PAGE, "issues")
    links = [re.search(r"\]\((https://github\.com/[\w-]+/[\w.-]+/(?:issues|pull)/\d+)\)", row[0]) for row in rows]
    assert all(links)
    assert len({link[1] for link in links if link}) == len(rows) >= 12
    for issue, happened, here, tests in rows:
        assert [happened[-1], here[-1]] == [".", "."], issue
        assert TEST.findall(tests), issue


def test_every_cited_source_is_listed() -> None:
    text = PAGES[PAGE]
    cited = {int(number) for found in re.findall(r"\[([\d, ]+)\]", text) for number in found.split(",")}
    listed = {int(number) for number in re.findall(r"^\| (\d+) \| \[", text, re.MULTILINE)}
    assert cited == listed == set(range(1, len(listed) + 1))
