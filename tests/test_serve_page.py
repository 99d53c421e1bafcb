"""The page in a real browser: photos, downloads, keyboard, phone, dark theme."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from mien.server.app import STATIC
from page_tools import serious_findings
from read_fixtures import PORTRAIT, crowd, make_film
from serve_browser import Visit, browser, encoded, expect, film, needs_browser, playwright, site, visit
from serve_fixtures import PHOTO

__all__ = ["browser", "film", "playwright", "site", "visit"]  # fixtures
pytestmark = needs_browser


def test_the_sample_is_read_at_one_click(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("button", name=re.compile("Try the sample")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("astronaut.jpg")
    expect(page.get_by_role("article", name=re.compile("^Face 1: "))).to_be_visible()
    expect(page.locator(".face .bar")).to_have_count(7)
    shown = page.locator(".bar-value").all_text_contents()
    assert all(re.fullmatch(r"<1 %|\d+ %", text) for text in shown)
    box = page.get_by_role("button", name=re.compile("^Face 1: ")).bounding_box()
    frame = page.locator(".frame").bounding_box()
    assert 0.3 < (box["x"] - frame["x"]) / frame["width"] < 0.4
    assert 0.08 < (box["y"] - frame["y"]) / frame["height"] < 0.2
    expect(page.locator("#say")).to_contain_text("One face: ")


def test_a_heat_map_comes_on_demand_for_any_emotion(visit: Visit) -> None:
    page = visit.page
    visit.upload(("me.jpg", PHOTO))
    page.get_by_role("button", name="Heat map").click()
    overlay = page.locator(".heat:not(.loading) img[src]")
    overlay.wait_for()
    first = overlay.get_attribute("src")
    page.get_by_label("Emotion to explain").select_option("surprise")
    expect(page.locator(".heat p")).to_contain_text("surprise")
    expect(page.get_by_alt_text("Heat map: the parts of the face that spoke for surprise")).to_be_visible()
    assert overlay.get_attribute("src") != first


def test_downloads_hold_what_is_shown(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    visit.upload(("me.jpg", PHOTO))

    def download(name: str) -> Path:
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Download {name}").click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    picture = json.loads(download("JSON").read_text())["pictures"][0]
    assert (picture["name"], picture["width"], len(picture["faces"])) == ("me.jpg", 512, 1)
    assert "crop" not in picture["faces"][0]
    header, row = download("CSV").read_text().splitlines()
    assert header.startswith("source,error,width,height,faces,face,emotion,confidence,p_angry,")
    assert header.endswith("p_neutral,x,y,w,h,score,model")
    assert row.split(",")[:7] == ["me.jpg", "", "512", "512", "1", "1", picture["faces"][0]["emotion"]]
    assert row.split(",")[-1] == json.loads(download("JSON").read_text())["model"]
    drawn = download("Picture")
    assert drawn.name == "me-read.jpg"
    with Image.open(drawn) as image, Image.open(PORTRAIT) as original:
        assert image.size == original.size
        x, y, _, height = picture["faces"][0]["box"]
        assert image.getpixel((x, y + height // 2)) != original.getpixel((x, y + height // 2))


def test_several_pictures_each_with_its_state(visit: Visit) -> None:
    page = visit.page
    visit.upload(
        ("a.jpg", PHOTO),
        ("broken.jpg", b"\xff\xd8\xff nothing"),
        ("empty.png", encoded(Image.new("RGB", (300, 200), "teal"))),
    )
    thumbs = page.locator(".thumb")
    expect(thumbs).to_have_count(3)
    expect(page.locator(".thumb.waiting")).to_have_count(0)
    thumbs.nth(1).click()
    expect(page.get_by_role("heading", name="Not a readable picture")).to_be_visible()
    expect(page.get_by_role("button", name="Download Picture")).to_be_disabled()
    thumbs.nth(2).click()
    expect(page.get_by_role("heading", name="No face found")).to_be_visible()
    thumbs.nth(0).click()
    expect(page.locator(".face")).to_have_count(1)
    page.get_by_role("button", name="New photo").click()
    expect(page.get_by_role("heading", name="Read a face")).to_be_focused()


def test_many_faces_are_numbered_and_opened_one_at_a_time(visit: Visit) -> None:
    page = visit.page
    visit.upload(("crowd.png", encoded(crowd(4, 2, 150))))
    expect(page.locator(".face")).to_have_count(8)
    expect(page.locator(".face .bars:visible")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^Face 6: ")).click()
    expect(page.get_by_role("article", name=re.compile("^Face 6: ")).locator(".bars")).to_be_visible()
    expect(page.locator(".face .bars:visible")).to_have_count(1)


def test_pictures_can_be_pasted_and_dropped(visit: Visit) -> None:
    page = visit.page
    send = """([name, bytes, kind]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
        const event = kind === "paste" ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true, cancelable: true })
            : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
    }"""
    page.evaluate(send, ["pasted.jpg", list(PHOTO), "paste"])
    expect(page.get_by_role("heading", level=1)).to_have_text("pasted.jpg")
    expect(page.locator(".face")).to_have_count(1)
    page.evaluate(send, ["dropped.jpg", list(PHOTO), "dragenter"])
    expect(page.locator("body")).to_have_class("dragging")
    page.evaluate(send, ["dropped.jpg", list(PHOTO), "drop"])
    expect(page.get_by_role("heading", level=1)).to_have_text("dropped.jpg")
    expect(page.locator("body")).not_to_have_class("dragging")


def test_a_name_with_tags_in_it_is_only_text(visit: Visit) -> None:
    name = '<img src=x onerror="document.title=1">.jpg'
    visit.upload((name, PHOTO))
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(name)


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_dark_where_the_system_is_dark_unless_the_reader_chooses(visit: Visit) -> None:
    page = visit.page

    def brightness() -> int:
        return sum(
            int(part)
            for part in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
        )

    assert brightness() < 150
    button = page.get_by_role("button", name=re.compile("^Theme"))
    button.click()
    expect(button).to_have_attribute("title", "Theme: light")
    assert brightness() > 600
    page.reload()
    assert brightness() > 600
    page.goto(f"{visit.url}/docs")
    assert brightness() > 600


@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}], indirect=True
)
def test_on_a_phone_nothing_runs_out_of_the_page(visit: Visit) -> None:
    page = visit.page

    def fits() -> None:
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

    fits()
    navigation = page.get_by_role("navigation").bounding_box()
    assert navigation["y"] + navigation["height"] == pytest.approx(740, abs=1)
    visit.upload(("crowd.png", encoded(crowd(4, 2, 150))))
    page.locator(".face").first.wait_for()
    fits()
    for view, ready in (
        ("#/live", "h1"),
        ("#/studies", ".runs"),
        ("#/studies/deep", ".matrix"),
        ("#/studies//deep/hybrid", ".matrix"),
        ("docs", ".operation"),
    ):
        page.goto(f"{visit.url}/{view}")
        page.locator(ready).locator("visible=true").first.wait_for()
        fits()


def test_all_of_it_works_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.locator(".facts dd").first.wait_for()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    assert reached[:2] == ["Choose photos", "Use the camera"]
    assert reached[2].startswith("Try the sample")
    page.keyboard.press("Enter")
    page.locator(".face").wait_for()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=re.compile("^Face 1: "))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".box.chosen")).to_have_count(1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator(".heat:not(.loading) img[src]").wait_for()


def test_json_and_csv_can_be_had_as_soon_as_the_last_of_several_pictures_is_done(visit: Visit) -> None:
    page = visit.page
    visit.upload(("a.jpg", PHOTO), ("b.jpg", PHOTO), ("c.jpg", PHOTO))
    expect(page.locator(".thumb.done")).to_have_count(3)
    for name in ("Download JSON", "Download CSV"):
        expect(page.get_by_role("button", name=name)).to_be_enabled()
    expect(page.get_by_role("heading", level=1)).to_have_text("a.jpg")  # no thumbnail was clicked


@pytest.mark.parametrize(
    "visit", [{"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}], indirect=True
)
@pytest.mark.parametrize("columns", [2, 3, 4])
def test_labels_of_several_faces_stay_in_the_picture_on_a_phone(visit: Visit, columns: int) -> None:
    page = visit.page
    visit.upload(("crowd.png", encoded(crowd(columns, 2, 150))))
    page.locator(".face").first.wait_for()
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    frame = page.locator(".frame").bounding_box()
    labels = [label.bounding_box() for label in page.locator(".chip").all()]
    assert len(labels) == 2 * columns
    for label in labels:
        assert label["x"] >= frame["x"] - 1
        assert label["x"] + label["width"] <= frame["x"] + frame["width"] + 1
    overlaps = [
        (a, b)
        for i, a in enumerate(labels)
        for b in labels[i + 1 :]
        if a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    ]
    assert overlaps == []


def test_the_scripts_import_each_other_in_no_circle() -> None:
    scripts = {path.name: path for path in STATIC.glob("*.js")}
    imports = {
        name: re.findall(r"""(?:from|import)\s*\(?\s*"\./([\w.-]+)\"""", path.read_text())
        for name, path in scripts.items()
    }
    assert any(imports.values())

    def visit_script(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        for other in imports[name]:
            visit_script(other, (*path, name))

    for name in scripts:
        visit_script(name, ())


def test_a_film_is_read_with_a_timeline_for_each_face(visit: Visit, tmp_path: Path) -> None:
    film = make_film(tmp_path / "two.mp4")
    page = visit.page
    page.locator("input[type=file]").set_input_files(film)
    expect(page.get_by_role("heading", level=1)).to_have_text("two.mp4")
    expect(page.locator(".track")).to_have_count(2)
    expect(page.get_by_role("article", name=re.compile(r"^Face 1: .*seen for (3|4)\.\d s"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile(r"^Face 2: .*Its probabilities over the film"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"^2 faces in 4\.0 s · 480 × 270"))).to_be_visible()
    for name in ("JSON", "CSV"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Download {name}").click()
        waiting.value.save_as(tmp_path / f"film.{name.lower()}")
    picture = json.loads((tmp_path / "film.json").read_text())["pictures"][0]
    assert picture["name"] == "two.mp4"
    assert len(picture["frames"]) >= 15
    rows = (tmp_path / "film.csv").read_text().splitlines()
    assert rows[1].startswith("two.mp4 at 0.00 s,,480,270,")
    assert serious_findings(page) == []


def test_a_film_that_is_none_gets_one_clear_line(visit: Visit) -> None:
    page = visit.page
    film = {"name": "film.mp4", "mimeType": "video/mp4", "buffer": b"nothing of a film"}
    page.locator("input[type=file]").set_input_files([film])
    expect(page.locator(".note p")).to_be_visible()
    expect(page.locator(".note")).not_to_contain_text("picture")
