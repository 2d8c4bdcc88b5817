"""Version, changelog, classifiers and the pages agree."""

import re
import tomllib
from datetime import date

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from sampler.version import VERSION
from tests.support.docs import PAGES
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
RELEASES = [re.fullmatch(r"(\d+\.\d+\.\d+) – (\d{4}-\d\d-\d\d)", heading) for heading in HEADINGS]
PYTHONS = re.findall(r"Programming Language :: Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))


def test_the_changelog_has_every_version_with_its_date_the_newest_first() -> None:
    assert HEADINGS[0] == "Unreleased" or RELEASES[0] is not None
    found = [release for release in RELEASES if release is not None]
    assert len(found) == len(HEADINGS) - (HEADINGS[0] == "Unreleased")
    versions, dates = [Version(one[1]) for one in found], [date.fromisoformat(one[2]) for one in found]
    assert versions == sorted(versions, reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_the_version_is_that_of_the_newest_release() -> None:
    newest = next(release for release in RELEASES if release is not None)
    assert newest[1] == VERSION


def test_classifiers_list_the_pythons_that_the_project_requires() -> None:
    required = SpecifierSet(PROJECT["requires-python"])
    assert sorted(PYTHONS, key=Version) == PYTHONS
    assert all(required.contains(python) for python in PYTHONS)
    first, last = Version(PYTHONS[0]), Version(PYTHONS[-1])
    assert not required.contains(f"3.{first.minor - 1}")
    assert [Version(python).minor for python in PYTHONS] == list(range(first.minor, last.minor + 1))


def test_pages_makefile_and_image_name_pythons_of_the_classifiers() -> None:
    for page in ("README.md", "docs/releasing.md"):
        assert f"Python {PYTHONS[0]} or newer" in PAGES[page]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    tried = re.search(r"for python in \$\(or \$\(PYTHON\),python3 (.*?)\)", makefile)
    assert tried is not None
    assert tried[1].split() == [f"python{python}" for python in reversed(PYTHONS)]
    base = re.search(
        r"^ARG BASE=python:(3\.\d+)-", (ROOT / "docker/Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert base is not None
    assert base[1] in PYTHONS


def test_the_checklist_names_what_a_release_consists_of() -> None:
    page = PAGES["docs/releasing.md"]
    for part in ("sampler/version.py", "CHANGELOG.md", "make test", "make dist", "make lock", "make audit"):
        assert part in page
    assert "--platform linux/amd64,linux/arm64" in page
    for file in re.findall(r"`([a-z_]+(?:/[\w.]+)+|[A-Z]+\.md)`", page):
        assert (ROOT / file).exists() or file.startswith("dist/"), file
