"""The page if the server is down, requires a token, is busy, has small limits or is behind a prefix; and the API's
page."""

import json
import re
from pathlib import Path
from typing import Any

from read_fixtures import portrait
from serve_browser import Visit, browser, encoded, expect, film, needs_browser, playwright, site, visit
from serve_fixtures import PHOTO, serving

__all__ = ["browser", "film", "playwright", "site", "visit"]  # fixtures
pytestmark = needs_browser


def test_the_page_tells_when_the_server_is_gone_and_goes_on_when_it_is_back(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        visit = Visit(browser, url)
        page = visit.page
        page.goto(url)
        page.locator(".facts dd").first.wait_for()
        page.route("**/v1/**", lambda route: route.abort("connectionrefused"))
        page.route("**/healthz", lambda route: route.abort("connectionrefused"))
        visit.upload(("me.jpg", PHOTO))
        expect(page.get_by_role("alert").filter(has_text="does not answer")).to_be_visible()
        expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
        page.unroute("**/v1/**")
        page.unroute("**/healthz")
        expect(page.get_by_role("alert")).to_be_hidden()
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".face")).to_have_count(1)
        visit.context.close()


def test_a_token_is_asked_for_and_remembered(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, token="open-sesame") as url:
        visit = Visit(browser, url)
        page = visit.page
        page.goto(url)
        field = page.get_by_role("textbox", name="Token")
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_text("That was not the right one")).to_be_visible()
        field.fill("open-sesame")
        page.keyboard.press("Enter")
        page.locator(".facts dd").first.wait_for()
        page.reload()
        page.locator(".facts dd").first.wait_for()
        expect(page.get_by_role("dialog")).to_be_hidden()
        assert visit.faults == []
        visit.context.close()


def test_a_busy_server_is_told_with_a_way_to_try_again(visit: Visit) -> None:
    problem = json.dumps(
        {"type": "/docs#busy", "title": "The server is busy", "status": 503, "detail": "all places are taken"}
    )
    visit.page.route(
        "**/v1/read*", lambda route: route.fulfill(status=503, content_type="application/problem+json", body=problem)
    )
    visit.upload(("me.jpg", PHOTO))
    expect(visit.page.get_by_role("heading", name="The server is busy")).to_be_visible()
    visit.page.unroute("**/v1/read*")
    visit.page.get_by_role("button", name="Try again").click()
    expect(visit.page.locator(".face")).to_have_count(1)


def test_a_photo_that_is_too_large_is_scaled_down_before_it_is_sent(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, max_bytes=400_000, max_pixels=20_000_000) as url:
        visit = Visit(browser, url)
        visit.page.goto(url)
        noisy = portrait().resize((1400, 1400)).effect_spread(2)
        assert len(encoded(noisy)) > 400_000
        visit.upload(("large.png", encoded(noisy)))
        expect(visit.page.locator(".face")).to_have_count(1)
        visit.context.close()


def test_the_docs_work_offline_and_can_be_tried(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="API").click()
    expect(page.locator(".operation")).to_have_count(11)
    read = page.locator("details.operation", has_text="/v1/read").first
    read.locator("summary").click()
    read.locator("input[type=file]").set_input_files([{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": PHOTO}])
    read.get_by_role("button", name="Send").click()
    expect(read.locator(".answer pre")).to_contain_text('"emotion"')
    expect(read.locator(".answer p")).to_contain_text("200 after")
    page.goto(f"{visit.url}/docs#busy")
    expect(page.locator("#busy")).to_be_in_viewport()


def test_the_page_works_under_a_prefix(browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path, root_path="/faces") as url:
        visit = Visit(browser, f"{url}/faces/")
        visit.page.goto(visit.url)
        visit.page.get_by_role("button", name=re.compile("Try the sample")).click()
        expect(visit.page.locator(".face")).to_have_count(1)
        visit.page.get_by_role("link", name="API").click()
        expect(visit.page.locator(".operation")).to_have_count(11)
        assert visit.faults == visit.foreign == []
        visit.context.close()
