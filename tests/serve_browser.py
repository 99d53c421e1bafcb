"""A real browser for the page tests: fixtures to import, and a Visit that records errors tests would otherwise miss."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from read_fixtures import portrait
from serve_fixtures import chromium, serving, write_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect
expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong
BROWSER = chromium()
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium: set MIEN_CHROMIUM to one")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream=fps=5",
    "--use-fake-ui-for-media-stream",
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server's address, and the run folder that it shows."""
    folder = tmp_path_factory.mktemp("page")
    write_run(folder / "runs" / "hybrid", top=0.7)
    write_run(folder / "runs" / "deep", top=0.5, overfits=True, network="deep", learning_rate=0.01)
    with serving(folder) as url:
        yield url, folder


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the fake camera shows: the portrait, moving a little."""
    path = tmp_path_factory.mktemp("film") / "camera.mjpeg"
    with path.open("wb") as file:
        for i in range(12):
            frame = portrait().crop((60 + i, 0, 440 + i, 285)).resize((640, 480))
            jpeg = io.BytesIO()
            frame.save(jpeg, "JPEG", quality=85)
            file.write(jpeg.getvalue())
    return path


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    with sync_api.sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(playwright: Any, film: Path) -> Iterator[Any]:
    found = playwright.chromium.launch(
        executable_path=BROWSER, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
    )
    yield found
    found.close()


class Visit:
    """A page, and what went wrong on it that no test sees."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        options.setdefault("viewport", {"width": 1200, "height": 800})
        self.context = browser.new_context(permissions=["camera"], **options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.url = url
        self.faults: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        # The browser itself notes answers such as 422 and connections that fail.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "blob:")):
            self.foreign.append(request.url)

    def upload(self, *files: tuple[str, bytes]) -> None:
        self.page.locator("input[type=file]").set_input_files(
            [
                {"name": name, "mimeType": "image/png" if name.endswith("png") else "image/jpeg", "buffer": data}
                for name, data in files
            ]
        )


@pytest.fixture
def visit(browser: Any, site: tuple[str, Path], request: pytest.FixtureRequest) -> Iterator[Visit]:
    visit = Visit(browser, site[0], **getattr(request, "param", {}))
    visit.page.goto(visit.url)
    yield visit
    visit.context.close()
    assert visit.faults == []
    assert visit.foreign == []


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
