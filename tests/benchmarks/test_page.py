"""The performance page shows what was published: tables, charts, and the machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as rows
from benchmarks.growth import __main__ as growth
from benchmarks.growth.studies import section
from benchmarks.growth.study import Study
from benchmarks.page import PAGE, put_into
from benchmarks.pages import __main__ as pages
from benchmarks.pages.browsing import Browsing
from benchmarks.pages.times import PageTimes
from benchmarks.preparations import Preparation, preparations_markdown
from benchmarks.row import Row
from benchmarks.table import rows_markdown


def published(file: Path) -> dict[str, Any]:
    if not file.exists():
        pytest.skip(f"no measurement was published in {file.name} yet")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def test_a_page_takes_a_section_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- rows -->\nold\n<!-- /rows -->\n<!-- more -->\n<!-- /more -->\n", encoding="utf-8")
    put_into(page, "rows", "new\n")
    put_into(page, "more", "also new\n")
    text = "before\n<!-- rows -->\nnew\n<!-- /rows -->\n<!-- more -->\nalso new\n<!-- /more -->\n"
    assert page.read_text(encoding="utf-8") == text


def test_a_page_without_the_section_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="add the lines <!-- rows --> and <!-- /rows -->"):
        put_into(page, "rows", "text")


def test_the_page_shows_the_published_rows_and_names_the_machine() -> None:
    document = published(rows.PUBLISHED)
    page = PAGE.read_text(encoding="utf-8")
    assert rows_markdown([Row.of(fields) for fields in document["rows"]]) in page
    assert document["machine"] in page
    assert "(performance.png)" in page


def test_the_page_shows_the_published_preparations_and_decoders() -> None:
    document = published(rows.PUBLISHED)
    if "preparations" not in document:
        pytest.skip("no measurement of the preparations was published yet")
    page = PAGE.read_text(encoding="utf-8")
    assert preparations_markdown([Preparation(**fields) for fields in document["preparations"]]) in page
    assert document["decoders"] in page


def test_the_page_shows_the_published_studies_with_their_charts() -> None:
    document = published(growth.PUBLISHED)
    studies = [Study.of(fields) for fields in document["studies"]]
    assert section(studies) in PAGE.read_text(encoding="utf-8")
    for study in studies:
        assert (PAGE.parent / f"{study.name}.png").stat().st_size > 0


def test_the_page_shows_the_published_times_of_pages_and_what_browsing_costs() -> None:
    document = published(pages.PUBLISHED)
    times = [PageTimes.of(fields) for fields in document["pages"]]
    trained = [Browsing.of(fields) for fields in document["trained"]]
    assert pages.section(times, trained) in PAGE.read_text(encoding="utf-8")
