"""Make the pictures of the static page anew, with a real browser: python docs/page_images.py [RUNTIME]

Needs playwright and a Chromium (MIEN_CHROMIUM, or on the path). RUNTIME: a folder with onnxruntime-web; else from npm.
The portrait is NASA's of Eileen Collins (public domain).
"""

import functools
import http.server
import io
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from mien.page.build import build_site

IMAGES = Path(__file__).parent / "images"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server that logs nothing."""

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    chromium = os.environ.get("MIEN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        site = build_site(Path(folder) / "site", (), sys.argv[1] if len(sys.argv) > 1 else None)
        handler = functools.partial(Quiet, directory=str(site.folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        url = f"http://127.0.0.1:{server.server_port}/"
        shot(browser, url, "page-result", "light", width=1200, height=780)
        shot(browser, url, "page-phone", "dark", width=390, height=844)
        browser.close()
        server.shutdown()


def shot(browser: Any, url: str, name: str, scheme: str, **viewport: int) -> None:
    """The page with the sample photograph and its heat map."""
    page = browser.new_context(color_scheme=scheme, viewport=viewport, device_scale_factor=1).new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    for visit in range(2):  # the second time what it needs is loaded, and the time shown is that of reading
        page.locator(".sample").click()
        page.locator(".face .bar").first.wait_for()
        if not visit:
            page.get_by_role("button", name="New photo").click()
    page.get_by_role("button", name="Heat map").click()
    page.locator(".heat:not(.loading) img[src]").wait_for()
    page.wait_for_timeout(500)
    page.mouse.move(0, 0)
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(IMAGES / f"{name}.webp", quality=82, method=6)
    page.context.close()


if __name__ == "__main__":
    main()
