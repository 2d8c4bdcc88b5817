"""What holds for every page, on large and small screens, light and dark."""

import os
from pathlib import Path

import pytest

from tests.browser.accessibility import assert_accessible, assert_fits_its_screen
from tests.browser.looks import DESKTOP, LOOKS, PHONE_DARK, Look
from tests.browser.places import PLACES, Place
from tests.browser.playwright import Page
from tests.browser.visits import Visits

FOLDER = os.environ.get("SCREENSHOTS")
"""Where each page is written as a picture, if set."""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_page_loads_without_errors_fits_the_screen_and_is_accessible(place: Place, visit: Visits) -> None:
    for look in looks_at(place):
        page = visit(place.path, look, place.status)
        write_screenshot(page, place, look)
        assert page.title().endswith("saccade-sampler")
        assert page.locator("h1:not(#viewer h1)").count() == 1
        assert_accessible(page, place.outside)
        assert_fits_its_screen(page)


def looks_at(place: Place) -> tuple[Look, ...]:
    """Return how a page is seen. Two looks have both widths and both colour schemes; each costs a second."""
    if FOLDER:
        return LOOKS
    return (PHONE_DARK,) if place.variant else (DESKTOP, PHONE_DARK)


def write_screenshot(page: Page, place: Place, look: Look) -> None:
    if FOLDER:
        load_all_pictures(page)
        page.screenshot(path=Path(FOLDER) / f"{place.name}-{look.name}.png", full_page=True)


def load_all_pictures(page: Page) -> None:
    """Wait for the pictures that a browser loads only when they come into view. ReDoc removes some of its meanwhile."""
    page.evaluate(
        """async () => {
            for (const image of document.images) image.loading = "eager";
            await Promise.allSettled([...document.images].map(image => image.decode()));
        }"""
    )
