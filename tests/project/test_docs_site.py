"""The documentation as a site: links lead somewhere, the build has no warning, and no page loads from another host."""

import html
import importlib.util
import inspect
import pkgutil
import re
import shutil
from pathlib import Path

import pytest

import saccade_sampler
from tests.support.docs import PAGES, anchors, section
from tests.support.paths import ROOT
from tests.support.processes import run_python

PACKAGES = r"saccade_sampler|sampler|service|client|tests|benchmarks|docker|docs"
NOT_DOCUMENTED = {"LAYOUTS", "PRESETS", "SAMPLER_VERSION", "VERSION", "Layout", "__version__"}
"""Public constants and a type alias, which have no docstring."""


def documented_objects() -> list[str]:
    """The dotted names of the objects on the API page."""
    return re.findall(r"^::: (\S+)$", PAGES["docs/api.md"], re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_or_heading_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / page).parent / name if name else ROOT / page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_folder_that_is_named_exists(page: str) -> None:
    for name in re.findall(rf"`((?:{PACKAGES})/[\w./*-]*)`", PAGES[page]):
        assert list(ROOT.glob(name)), name


@pytest.mark.parametrize("page", PAGES)
def test_prose_keeps_to_lines_that_a_terminal_shows(page: str) -> None:
    prose = PAGES[page]
    if page == "docs/performance.md":
        for name in ("preparations", "benchmarks", "growth", "peers"):  # made by `make bench`, with the machine's name
            prose = prose.replace(section(page, name), "")
    assert [line for line in prose.splitlines() if len(line) > 120 and not line.startswith(("|", "!["))] == []


def test_the_architecture_page_covers_the_common_changes() -> None:
    headings = re.findall(r"^### (.*)$", PAGES["docs/architecture.md"], re.MULTILINE)
    assert set(headings) >= {
        "Config field", "Detector family", "Kernel", "Image source", "Layout", "Wire field", "Endpoint", "Metric",
        "Dashboard", "Setting", "Command", "Client error",
    }  # fmt: skip


def test_the_readme_is_short_and_its_picture_loads_quickly() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 180
    assert (ROOT / "docs" / "sample.jpg").stat().st_size < 600_000


def test_every_page_is_in_the_navigation() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^  - [\w -]+: (\S+\.md)$", configuration, re.MULTILINE)
    assert sorted(f"docs/{name}" for name in listed) == sorted(page for page in PAGES if page.startswith("docs/"))


def test_the_api_page_has_every_public_name() -> None:
    documented = documented_objects()
    assert len(documented) == len(set(documented))
    names = {name.rpartition(".")[2] for name in documented}
    assert set(dir(saccade_sampler)) - names == NOT_DOCUMENTED


# --- the built site ---


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    if importlib.util.find_spec("zensical") is None:
        pytest.skip("the docs extra is not installed: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs", folder / "docs")
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    (folder / "mkdocs.yml").write_text(configuration.replace("paths: [.]", f"paths: ['{ROOT}']"), encoding="utf-8")
    run_python("-m", "zensical", "build", "--strict", cwd=folder, timeout=150)
    return folder / "site"


def test_every_page_is_built(site: Path) -> None:
    names = {Path(page).stem for page in PAGES if page.startswith("docs/")}
    assert names <= {file.stem for file in site.glob("*.html")}


def test_no_page_or_style_sheet_loads_anything_from_another_host(site: Path) -> None:
    elsewhere = r"(?:https?:)?//"
    loads = [
        rf"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?{elsewhere}",
        rf"<link\b[^>]*\bhref=[\"']?{elsewhere}",
        rf"url\([\"']?{elsewhere}",
        rf"@import\s+[\"']{elsewhere}",
        r"class=[\"']?mermaid",  # drawn by a script that the theme loads from another host
    ]
    files = [file for suffix in ("html", "css", "svg") for file in site.rglob(f"*.{suffix}")]
    assert len(files) > len(PAGES)
    for file in files:
        text = file.read_text(encoding="utf-8")
        for load in loads:
            found = re.search(load, text)
            assert found is None, f"{file.relative_to(site)}: {found and found[0]}"


def test_the_api_page_shows_every_object_with_its_docstring(site: Path) -> None:
    page = (site / "api.html").read_text(encoding="utf-8")
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())
    for name in documented_objects():
        assert f'id="{name}"' in page, name
        summary = (inspect.getdoc(pkgutil.resolve_name(name)) or "").partition("\n\n")[0]
        assert summary, f"{name} has no docstring"
        assert " ".join(summary.replace("`", "").split()) in text, name
    assert ":::" not in page
