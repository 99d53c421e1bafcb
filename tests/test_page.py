"""The static page in a real browser: same results as Python, computed on the device, and nothing is sent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mien.inference.reader import Reader
from mien.page.build import CSP, build_site
from page_pictures import PHOTOS, icc_profile, pictures, turned
from page_site import ASK, can_build, compare, handed_out, runtime_folder
from page_tools import serious_findings
from read_fixtures import crowd, make_model, portrait
from serve_browser import Visit, browser, encoded, expect, film, needs_browser, playwright
from serve_fixtures import PHOTO

__all__ = ["browser", "film", "playwright"]  # fixtures
pytestmark = [
    needs_browser,
    pytest.mark.skipif(not can_build(), reason="npm, which brings onnxruntime-web, is not there"),
]
CHOOSE = "async (name) => (await import('./static/answers.js')).chooseModel(name)"
READ_IN_CI = 24  # of the 200 pictures that benchmarks/page.py compares
# An 8-bit model computes its first layer in float32 and rounds to 8 bits: where the last digit of a sum decides, one
# level differs, and with it, in about one face of a thousand, a probability by 0.01 to 0.03. Float models differ by
# less than 0.001.
EIGHT_BIT_PROBABILITY = 0.05


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("static") / "site", runtime=runtime_folder()).folder


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    with handed_out(built) as url:
        yield url


@pytest.fixture
def visit(browser: Any, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    visit = Visit(browser, address, **getattr(request, "param", {}))
    visit.page.goto(address)
    visit.page.locator(".facts dd").first.wait_for()
    yield visit
    visit.context.close()
    assert visit.faults == []
    assert visit.foreign == []


@pytest.mark.parametrize(
    ("model", "on_page", "limit"), [("nano", "", EIGHT_BIT_PROBABILITY), ("champion", "champion", 0.01)]
)
def test_the_same_faces_boxes_and_probabilities_as_python(visit: Visit, model: str, on_page: str, limit: float) -> None:
    reader = Reader(model)
    if on_page:
        visit.page.evaluate(CHOOSE, reader.model.name)
    every = list(pictures())
    assert len(every) == 200
    assert sum(picture.photograph for picture in every) >= 20
    faces, off = 0, []
    for picture in every[:: len(every) // READ_IN_CI]:
        comparison = compare(visit.page, reader, picture.data)
        faces += comparison.faces
        assert comparison.box <= 1, picture.name
        assert comparison.probability <= limit, picture.name
        if comparison.fault:
            off.append((picture.name, comparison))
    assert faces > READ_IN_CI
    assert len(off) <= (1 if limit > 0.01 else 0), off


def test_exif_turns_and_profiles_change_nothing(visit: Visit) -> None:
    image = portrait()
    reader = Reader("nano")
    for orientation in range(1, 9):
        data = turned(image, orientation, icc_profile=icc_profile("display-p3"))
        comparison = compare(visit.page, reader, data)
        assert comparison.faces == 1
        assert (comparison.fault, comparison.box) == ("", 0), orientation


def test_faces_that_lie_or_stand_on_their_heads_are_read_upright(visit: Visit) -> None:
    reader = Reader("champion")
    visit.page.evaluate(CHOOSE, reader.model.name)
    for way in (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270):
        comparison = compare(visit.page, reader, encoded(portrait().transpose(way)))
        assert comparison.faces == 1
        assert (comparison.fault, comparison.box) == ("", 0), way


def test_damaged_files_get_one_clear_line(visit: Visit) -> None:
    page = visit.page
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\xff nothing"},
            {"name": "film.mp4", "mimeType": "video/mp4", "buffer": b"\0\0\0\x18ftypmp42"},
        ]
    )
    expect(page.get_by_role("heading", name="Not a readable picture")).to_be_visible()
    expect(page.locator(".thumb.waiting")).to_have_count(0)
    page.locator(".thumb").nth(1).click()
    expect(
        page.locator("#view-read").get_by_text("This page reads photos. On a computer, mien reads films")
    ).to_be_visible()


def test_models_of_ones_own_with_any_classes_and_normalization(browser: Any, tmp_path: Path) -> None:
    classes, kinds = ("yes", "no", "<b>perhaps</b>"), ("none", "percentile", "standardize", "equalize", "adaptive")
    models = [
        make_model(tmp_path / f"{kind}.onnx", classes, 64, name=kind, mien_format="2", input_normalization=kind)
        for kind in kinds
    ]
    site = build_site(tmp_path / "site", models, runtime_folder())
    assert site.models == kinds
    with handed_out(site.folder) as url:
        visit = Visit(browser, url)
        try:
            visit.page.goto(url)
            visit.page.get_by_role("button", name=re.compile("Try the sample")).click()
            expect(visit.page.locator(".bar-name")).to_have_text(list(classes))
            expect(visit.page.locator("#foot-model")).to_contain_text("Model none")
            for kind, model in zip(kinds, models, strict=True):
                visit.page.evaluate(CHOOSE, kind)
                reader = Reader(model)
                for data in (PHOTO, encoded(crowd(3, 2, 120)), PHOTOS["group"].read_bytes()):
                    comparison = compare(visit.page, reader, data)
                    assert comparison.fault == "", kind
                    assert comparison.probability < 0.001, kind
            assert visit.faults == []
        finally:
            visit.context.close()


def test_nothing_can_leave_neither_from_the_page_nor_from_its_worker(browser: Any, built: Path, address: str) -> None:
    visit = Visit(browser, address)
    page = visit.page
    page.goto(address)
    page.locator(".facts dd").first.wait_for()
    assert "connect-src 'self'" in CSP
    with handed_out(built) as elsewhere:  # another port: another origin, which would answer
        blocked = "(url) => fetch(url, { mode: 'no-cors' }).then(() => 'sent', () => 'blocked')"
        assert page.evaluate(blocked, elsewhere) == "blocked"
        assert len(page.workers) == 1
        assert page.workers[0].evaluate(blocked, elsewhere) == "blocked"
        assert page.workers[0].evaluate(blocked, address) == "sent"
    visit.context.close()


def test_it_works_without_a_network_after_the_first_visit(visit: Visit, address: str) -> None:
    page = visit.page
    page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    visit.context.set_offline(True)
    page.goto("about:blank")
    page.goto(address)
    page.get_by_role("button", name=re.compile("Try the sample")).click()
    expect(page.get_by_role("article", name=re.compile("^Face 1: happy"))).to_be_visible()
    visit.context.set_offline(False)


def test_until_the_first_face_at_most_six_megabytes_come_and_each_file_once(browser: Any, address: str) -> None:
    visit = Visit(browser, address)
    sizes: list[tuple[str, int]] = []
    visit.page.on("requestfinished", lambda request: sizes.append((request.url, request.sizes()["responseBodySize"])))
    visit.page.goto(address)
    expect(visit.page.locator("#loading")).to_contain_text(re.compile(r"Getting ready: \d+\.\d MB of 3\.\d MB"))
    visit.page.get_by_role("button", name=re.compile("Try the sample")).click()
    visit.page.locator(".face").wait_for()
    expect(visit.page.locator("#loading")).to_be_hidden()
    assert 3_500_000 < sum(size for _, size in sizes) < 6_000_000
    large = [url for url, _ in sizes if url.endswith(".gz")]
    assert len(large) == len(set(large)) == 3
    visit.context.close()


def test_bars_boxes_heat_map_and_downloads_are_those_of_the_served_page(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    visit.upload(("me.jpg", PHOTO), ("crowd.png", encoded(crowd(3, 1, 150))))
    expect(page.locator(".thumb.done")).to_have_count(2)
    expect(page.locator(".face .bar")).to_have_count(7)
    page.get_by_role("button", name="Heat map").click()
    page.locator(".heat:not(.loading) img[src]").wait_for()
    expect(page.locator(".heat p")).to_contain_text("Covering the warmest spot takes")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    waiting.value.save_as(tmp_path / "faces.json")
    answer = json.loads((tmp_path / "faces.json").read_text())
    assert [len(picture["faces"]) for picture in answer["pictures"]] == [1, 3]
    assert answer["pictures"][0]["faces"][0]["emotion"] == "happy"


def test_the_heat_map_is_pythons(visit: Visit) -> None:
    reader = Reader("nano")
    face = reader.read(PHOTO)[0]
    script = """async (emotion) => {
        const { readPicture, explain } = await import("./static/answers.js");
        const { faces } = await readPicture(await (await fetch("sample.jpg")).blob());
        const { probability, drop, overlay } = await explain(faces[0].crop, emotion);
        const bitmap = await createImageBitmap(overlay);
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
        const context = canvas.getContext("2d");
        context.drawImage(bitmap, 0, 0);
        return { probability, drop, pixels: Array.from(context.getImageData(0, 0, 288, 288).data) };
    }"""
    for emotion in ("happy", "sad"):
        explanation = reader.explain(face, emotion)
        answer = visit.page.evaluate(script, emotion)
        overlay = explanation.overlay.reshape(-1, 3)
        pixels = [answer["pixels"][i::4] for i in range(3)]
        differences = [
            abs(int(a) - b) for channel in range(3) for a, b in zip(overlay[:, channel], pixels[channel], strict=True)
        ]
        assert sum(differences) / len(differences) < 2
        assert answer["drop"] == pytest.approx(explanation.probability_drop, abs=0.02)


def test_another_model_on_request(visit: Visit) -> None:
    page = visit.page
    page.get_by_label("Model").select_option(index=1)
    expect(page.locator("#foot-model")).to_contain_text("champion")
    page.get_by_role("button", name=re.compile("Try the sample")).click()
    page.locator(".face").wait_for()
    expected = Reader("champion").read(PHOTO)[0]
    answer = page.evaluate(ASK, [_base64(PHOTO), "image/jpeg"])
    assert answer["faces"][0]["confidence"] == pytest.approx(expected.confidence, abs=0.001)


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


def test_the_camera_is_read_on_the_device(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Live", exact=True).click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator(".overlay-boxes .box")).to_have_count(1)
    expect(page.locator("#rate")).to_have_text(re.compile(r"^\d+\.\d$"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("heading", name="The camera is off")).to_be_visible()


@pytest.mark.parametrize(
    "visit",
    [{"color_scheme": scheme, "viewport": {"width": width, "height": 844}} for scheme in ("light",
    "dark") for width in (1280, 390)],
    indirect=True,
)  # fmt: skip
def test_axe_finds_nothing_serious(visit: Visit) -> None:
    page = visit.page
    assert serious_findings(page) == []
    page.get_by_role("button", name=re.compile("Try the sample")).click()
    page.get_by_role("button", name="Heat map").click()
    page.locator(".heat:not(.loading) img[src]").wait_for()
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{visit.url}#/live")
    page.locator("#view-live h1").wait_for()
    assert serious_findings(page) == []
