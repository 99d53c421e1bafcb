"""The Live view in a real browser with Chromium's fake camera."""

import re
from pathlib import Path
from typing import Any

from serve_browser import BROWSER, FLAGS, Visit, browser, expect, film, needs_browser, playwright, site, visit

__all__ = ["browser", "film", "playwright", "site", "visit"]  # fixtures
pytestmark = needs_browser


def test_the_camera_is_read_frame_by_frame_never_two_at_a_time(visit: Visit) -> None:
    page = visit.page
    under_way, most, sent = 0, 0, 0

    def begin(request: Any) -> None:
        nonlocal under_way, most, sent
        if request.url.endswith("/v1/read"):
            under_way, sent = under_way + 1, sent + 1
            most = max(most, under_way)

    def end(request: Any) -> None:
        nonlocal under_way
        under_way -= request.url.endswith("/v1/read")

    page.on("request", begin)
    page.on("requestfinished", end)
    page.on("requestfailed", end)
    page.get_by_role("link", name="Live", exact=True).click()
    expect(page.get_by_role("heading", name="The camera is off")).to_be_visible()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator(".overlay-boxes .box")).to_have_count(1)
    expect(page.locator("#rate")).to_have_text(re.compile(r"^\d+\.\d$"))
    expect(page.locator("#view-live .bar")).to_have_count(7)
    expect(page.locator(".trace canvas")).to_be_visible()
    page.wait_for_timeout(500)
    assert most == 1
    assert sent >= 3
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="The camera is off")).to_be_visible()
    page.wait_for_timeout(300)
    before = sent
    page.wait_for_timeout(300)
    assert sent == before


def test_a_camera_picture_can_be_kept_and_leaving_turns_the_camera_off(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.url}/#/live")
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".overlay-boxes .box").wait_for()
    page.get_by_role("button", name="Keep this picture").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("camera.jpg")
    expect(page.locator(".face:visible")).to_have_count(1)
    assert page.evaluate("document.querySelector('video').srcObject") is None


def test_a_camera_without_faces_and_one_that_is_refused(playwright: Any, site: tuple[str, Path]) -> None:
    browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)  # its camera shows a test picture
    try:
        visit = Visit(browser, site[0])
        visit.page.goto(f"{visit.url}/#/live")
        visit.page.get_by_role("button", name="Start the camera").click()
        expect(visit.page.get_by_text("No face in sight.")).to_be_visible()
        refuse = (
            "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', "
            "'NotAllowedError'); }; }"
        )
        visit.page.evaluate(refuse)
        visit.page.get_by_role("button", name="Stop").click()
        visit.page.get_by_role("button", name="Start the camera").click()
        expect(visit.page.get_by_role("heading", name="No camera")).to_be_visible()
        expect(visit.page.locator(".live-message")).to_contain_text("Allow it beside the address")
        assert visit.faults == []
    finally:
        browser.close()
