"""Links of a comparison and of a changed config show the same again; the changed config can be downloaded."""

import json
import re
from pathlib import Path

from tests.browser.playwright import Page, expect
from tests.browser.visits import Visits

COMPARE = "/compare?index=5&seed=7"
WHAT_IF = "/what-if?index=5&seed=7"


def counts(page: Page) -> list[str]:
    return page.locator("#samples .counts").all_inner_texts()


def test_another_seed_another_image_and_back(visit: Visits) -> None:
    page = visit(COMPARE)
    left, right = counts(page)
    page.keyboard.press("s")
    expect(page).to_have_url(re.compile("right_seed=8"))
    expect(page.locator("#samples .counts").nth(1)).not_to_have_text(right)
    assert counts(page)[0] == left
    page.keyboard.press("x")
    expect(page).to_have_url(re.compile("left_seed=8"))
    swapped = counts(page)
    assert swapped[1] == left
    page.reload()
    assert counts(page) == swapped
    page.keyboard.press("ArrowRight")
    expect(page.locator("#subject")).to_contain_text("sample 6")
    page.go_back()
    page.go_back()
    expect(page.locator("#subject")).to_contain_text("sample 5")
    expect(page).to_have_url(re.compile("right_seed=8"))


def test_a_slider_changes_the_sample_and_the_file_to_download(visit: Visits, tmp_path: Path) -> None:
    page = visit(WHAT_IF)
    served = counts(page)[0]
    slider = page.locator("input[type=range][data-for=min_scale]")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    expect(page).to_have_url(re.compile(r"min_scale=\d+"))
    expect(page.locator("#samples .counts").nth(1)).not_to_have_text(served)
    assert counts(page)[0] == served
    expect(slider).to_be_focused()
    changed = page.get_by_label("least object", exact=True).input_value()

    with page.expect_download() as download:
        page.locator("#download").click()
    file = tmp_path / "config.json"
    download.value.save_as(file)
    assert json.loads(file.read_text())["db"]["min_scale"] == int(changed)

    page.reload()
    assert page.get_by_label("least object", exact=True).input_value() == changed
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile("min_scale"))
    expect(page.locator("#samples .counts").nth(1)).to_have_text(served)


def test_layers_that_are_hidden_stay_hidden_while_the_config_changes(visit: Visits) -> None:
    page = visit(f"{WHAT_IF}&layers=boxes")
    shown = page.locator("[id^=layer-][aria-current=true]")
    page.locator("#layer-boxes").click()
    expect(shown).to_have_count(0)
    page.get_by_label("least object", exact=True).fill("64")
    expect(page).to_have_url(re.compile("min_scale=64"))
    expect(shown).to_have_count(0)
    page.go_back()
    expect(page).not_to_have_url(re.compile("min_scale=64"))
    expect(shown).to_have_count(0)
    page.go_back()
    expect(page.locator("#layer-boxes")).to_have_attribute("aria-current", "true")


def test_both_pages_work_without_scripts(visit: Visits) -> None:
    page = visit(COMPARE, java_script_enabled=False)
    page.get_by_role("link", name="Next seed").click()
    expect(page).to_have_url(re.compile("right_seed=8"))
    visit.go(page, WHAT_IF)
    page.get_by_label("least object", exact=True).fill("64")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("min_scale=64"))
    expect(page.get_by_role("link", name=re.compile("Download"))).to_be_visible()
    expect(page.locator("#layer-input[aria-current=true]")).to_be_visible()
