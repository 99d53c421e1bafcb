"""Make the pictures of docs/serving.md anew, with a real browser: python docs/serving_images.py [--runs runs] [--model
M]

Needs playwright and a Chromium (MIEN_CHROMIUM, or on the path), and a folder of real runs, from which it shows the
table, --run, and --run beside --other. The portrait is NASA's of Eileen Collins (public domain); all other faces are
drawn by mien. Live figures (milliseconds, frames a second) are those of the machine and the moment.
"""

import argparse
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from mien.data.synthetic.generate import draw_face

IMAGES = Path(__file__).parent / "images"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--use-fake-device-for-media-stream=fps=10",
    "--use-fake-ui-for-media-stream",
]
ACTS = ("neutral", "happy", "surprise", "neutral", "sad", "angry", "happy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--run", default="study-deep-1", help="the run that is shown (default study-deep-1)")
    parser.add_argument("--other", default="study-dropout-1", help="the one it is compared with")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    chromium = os.environ.get("MIEN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, serving(args) as url, sync_playwright() as playwright:
        film = draw_film(Path(folder) / "camera.mjpeg")
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        photos(browser, url)
        live(browser, url)
        studies(browser, url, args.run, args.other)
        phones(browser, url, args.run)
        browser.close()


@contextmanager
def serving(args: argparse.Namespace) -> Iterator[str]:
    command = [sys.executable, "-m", "mien", "serve", "--port", "0", "--runs", args.runs, "--model", args.model]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        found = re.search(r"http://\S+/(?= \(API)", server.stderr.readline())
        if not found:
            raise SystemExit("the server did not start")
        yield found[0]
    finally:
        server.terminate()
        server.wait(60)


def open_page(browser: Any, url: str, scheme: str = "light", **options: Any) -> Any:
    options = {"viewport": {"width": 1200, "height": 780}, "device_scale_factor": 1, **options}
    page = browser.new_context(color_scheme=scheme, permissions=["camera"], **options).new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    return page


def photos(browser: Any, url: str) -> None:
    page = open_page(browser, url)
    page.locator(".facts dd").first.wait_for()
    save(page, "home")
    page.locator(".sample").click()
    page.get_by_role("button", name="Heat map").click()
    page.locator(".heat:not(.loading) img[src]").wait_for()
    save(page, "result")
    page.get_by_role("button", name="New photo").click()
    people = [draw_face(name, seed, 300, plain=True) for name, seed in (("surprise", 5), ("happy", 0), ("sad", 4))]
    group = io.BytesIO()
    Image.fromarray(np.pad(np.hstack(people), 40, constant_values=70)).save(group, format="PNG")
    file = {"name": "drawn people.png", "mimeType": "image/png", "buffer": group.getvalue()}
    page.locator("input[type=file]").set_input_files([file])
    page.locator(".face").first.wait_for()
    save(page, "faces")


def live(browser: Any, url: str) -> None:
    page = open_page(browser, f"{url}#/live", "dark")
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".overlay-boxes .box").wait_for()
    page.wait_for_timeout(27_000)  # the curve below shows the last 30 seconds
    save(page, "live")


def studies(browser: Any, url: str, run: str, other: str) -> None:
    page = open_page(browser, f"{url}#/studies")
    page.locator(".runs").wait_for()
    save(page, "studies", fit=True)
    page.goto(f"{url}#/studies/{run}")
    page.locator(".matrix").wait_for()
    save(page, "run", fit=True)
    page.goto(f"{url}#/studies//{other}/{run}")
    page.locator(".three .matrix").first.wait_for()
    save(page, "compare", fit=True)
    page = open_page(browser, f"{url}docs")
    page.locator(".operation").first.locator("summary").click()
    save(page, "api")


def phones(browser: Any, url: str, run: str) -> None:
    """Three phones beside each other, the last one dark."""
    shots = []
    for view, scheme in (("", "light"), ("sample", "light"), (f"#/studies/{run}", "dark")):
        options = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}
        page = open_page(browser, url if view == "sample" else url + view, scheme, **options)
        if view == "sample":
            page.locator(".sample").click()
            page.locator(".face").wait_for()
        page.wait_for_timeout(1500)
        shots.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    gap = 24
    sheet = Image.new("RGB", (sum(s.width for s in shots) + 4 * gap, shots[0].height + 2 * gap), (222, 219, 210))
    for i, shot in enumerate(shots):
        sheet.paste(shot, (gap + i * (shot.width + gap), gap))
    store(sheet, "phone")


def save(page: Any, name: str, fit: bool = False) -> None:
    """A screenshot; fit: of the content's height, at most 1,180 pixels of the page."""
    page.mouse.move(0, 0)
    page.wait_for_timeout(1200)
    if fit:
        height = page.evaluate("document.querySelector('.foot').getBoundingClientRect().top + scrollY")
        content = page.evaluate(
            "document.querySelector('section:not([hidden])').getBoundingClientRect().bottom + scrollY"
        )
        page.set_viewport_size({"width": 1200, "height": int(min(1180, height, content + 28))})
        page.wait_for_timeout(600)
    store(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), name)
    page.set_viewport_size({"width": 1200, "height": 780})


def store(image: Image.Image, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    image.save(IMAGES / f"serve-{name}.webp", quality=82, method=6)


def draw_film(path: Path) -> Path:
    """What the camera shows: a drawn person whose face fades from one act to the next, four seconds each."""
    with path.open("wb") as file:
        for i, act in enumerate(ACTS):
            face, following = (
                draw_face(each, 5, 420, plain=True).astype(float) for each in (act, ACTS[(i + 1) % len(ACTS)])
            )
            for step in range(40):
                share = max(0.0, (step - 26) / 14)
                canvas = np.full((480, 854), 88, np.uint8)
                canvas[40:460, 217:637] = ((1 - share) * face + share * following).astype(np.uint8)
                jpeg = io.BytesIO()
                Image.fromarray(canvas).convert("RGB").save(jpeg, "JPEG", quality=85)
                file.write(jpeg.getvalue())
    return path


if __name__ == "__main__":
    main()
