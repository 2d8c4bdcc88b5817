"""The page with statistics, as a person uses it."""

import re

from tests.browser.playwright import expect
from tests.browser.visits import Visits

STATISTICS = "/stats?dataset=demo&seed=7&samples=300"


def test_a_bar_leads_to_the_samples_that_it_counts(visit: Visits) -> None:
    page = visit(STATISTICS)
    page.get_by_role("group", name="Longer side").locator("a").nth(3).click()
    page.wait_for_url(
        re.compile(
            r"/steps/0\?dataset=demo&seed=7&augment=true&positions=0-\d+&state=object"
            r"&min_side=[\d.]+&side_below=[\d.]+$"
        )
    )
    expect(page.locator("main")).to_contain_text("match")


def test_a_plot_has_its_numbers_in_a_table_with_the_same_links(visit: Visits) -> None:
    page = visit(STATISTICS)
    page.get_by_text("Table of Box size by area").click()
    page.get_by_role("region", name="Box size by area as a table").get_by_role("link", name="small").click()
    page.wait_for_url(re.compile("size=small$"))


def test_the_form_asks_for_other_samples(visit: Visits) -> None:
    page = visit(STATISTICS)
    page.locator("select[name=augment]").select_option("off")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("augment=false"))
    expect(page.locator("main")).not_to_contain_text("Draws against theory")
