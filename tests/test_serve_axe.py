"""Accessibility of the pages by axe-core: no serious findings, in light and dark themes, on desktop and phone."""

import pytest
from PIL import Image

from page_tools import serious_findings
from read_fixtures import crowd
from serve_browser import Visit, browser, encoded, film, needs_browser, playwright, site, visit
from serve_fixtures import PHOTO

__all__ = ["browser", "film", "playwright", "site", "visit"]  # fixtures
pytestmark = needs_browser

LOOKS = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 844}}
    for scheme in ("light", "dark")
    for width in (1280, 390)
]


@pytest.mark.parametrize("visit", LOOKS, indirect=True)
def test_views_without_a_photo(visit: Visit) -> None:
    page = visit.page
    for view, ready in (
        ("#/read", ".facts dd"),
        ("#/live", "h1"),
        ("#/studies", ".runs"),
        ("#/studies/deep", ".matrix"),
        ("#/studies//deep/hybrid", ".matrix"),
        ("docs", ".operation"),
    ):
        page.goto(f"{visit.url}/{view}")
        page.locator(ready).locator("visible=true").first.wait_for()
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        page.wait_for_timeout(200)
        assert serious_findings(page) == [], view


@pytest.mark.parametrize("visit", LOOKS, indirect=True)
def test_photos_that_were_read(visit: Visit) -> None:
    page = visit.page
    visit.upload(
        ("me.jpg", PHOTO),
        ("crowd.png", encoded(crowd(3, 1, 150))),
        ("empty.png", encoded(Image.new("RGB", (300, 200), "teal"))),
        ("broken.jpg", b"\xff\xd8\xff nothing"),
    )
    page.locator(".thumb.failed").wait_for()
    page.get_by_role("button", name="Heat map").first.click()
    page.locator(".heat:not(.loading) img[src]").wait_for()
    for i in range(4):
        page.locator(".thumb").nth(i).click()
        page.wait_for_timeout(300)
        assert serious_findings(page) == [], page.locator("h1:visible").text_content()


@pytest.mark.parametrize("visit", LOOKS[1:3], indirect=True)
def test_the_camera_while_it_is_on(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.url}/#/live")
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".overlay-boxes .box").wait_for()
    assert serious_findings(page) == []
