"""The Studies view in a real browser: sorting, opening, comparing, live updates during a training."""

import json
import re
import shutil
from pathlib import Path

import pytest

from serve_browser import Visit, browser, expect, film, needs_browser, playwright, site, visit
from serve_fixtures import write_run

__all__ = ["browser", "film", "playwright", "site", "visit"]  # fixtures
pytestmark = needs_browser


def test_studies_are_sorted_opened_and_read_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Studies").click()
    names = page.locator(".runs tbody th a")
    expect(names).to_have_text(["hybrid", "deep"])  # best validation accuracy first
    expect(page.get_by_role("columnheader", name="Validation")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(names).to_have_text(["deep", "hybrid"])
    expect(page.get_by_role("columnheader", name="Run")).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")  # the focus stayed on the heading
    expect(names).to_have_text(["hybrid", "deep"])
    page.get_by_label("Filter runs by name").fill("dee")
    expect(names).to_have_text(["deep"])
    page.get_by_role("link", name="deep").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("deep")
    expect(page.locator(".matrix td")).to_have_count(50)  # 7 x 7 and the corner
    chart = page.get_by_role("img", name=re.compile("^Accuracy. training: "))
    chart.focus()
    page.keyboard.press("Home")
    expect(page.locator(".tip:visible")).to_contain_text("Epoch 1")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tip:visible")).to_contain_text("Epoch 2")


def test_two_runs_are_compared(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.url}/#/studies")
    compare = page.locator("a", has_text="Compare")
    expect(compare).to_have_attribute("aria-disabled", "true")
    page.get_by_label("Compare hybrid").check()
    page.get_by_label("Compare deep").check()
    compare.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("hybrid and deep")
    expect(page.get_by_text("hybrid is 20.0 points better than deep on 140 images (95 % interval")).to_be_visible()
    expect(page.get_by_text("Newcombe, unpaired): more than chance explains.")).to_be_visible()
    expect(page.locator(".matrix")).to_have_count(3)
    expect(page.get_by_role("row", name=re.compile("^learning rate"))).to_have_text(re.compile("0.002.*0.01"))
    page.get_by_role("link", name="Swap").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("deep and hybrid")


def test_predictions_of_the_same_images_are_compared_in_pairs(visit: Visit, site: tuple[str, Path]) -> None:
    third = write_run(site[1] / "runs" / "third", top=0.7)
    for name, wrong in (("hybrid", 40), ("deep", 60), ("third", 42)):
        folder = site[1] / "runs" / name
        lines = [f"{row},3,{4 if row < wrong else 3},0.9" for row in range(140)]
        (folder / "predictions-validation.csv").write_text("\n".join(["row,label,predicted,confidence", *lines]) + "\n")
    page = visit.page
    page.goto(f"{visit.url}/#/studies//hybrid/deep/third")
    sentences = page.locator(".toolbar .long p")
    expect(sentences).to_have_count(2)
    expect(sentences.first).to_contain_text("20 images hybrid alone has right, 0 deep alone (McNemar p < 0.001).")
    expect(sentences.last).to_contain_text("chance alone can explain it")
    shutil.rmtree(third)
    for name in ("hybrid", "deep"):
        (site[1] / "runs" / name / "predictions-validation.csv").unlink()


def test_three_runs_are_compared_each_score_in_its_own_unit(visit: Visit, site: tuple[str, Path]) -> None:
    write_run(site[1] / "runs" / "wide", top=0.6, network="wide")
    page = visit.page
    page.goto(f"{visit.url}/#/studies")
    for name in ("hybrid", "deep", "wide"):
        page.get_by_label(f"Compare {name}").check()
    page.locator("a", has_text="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 runs compared")
    expect(page.locator(".scores").first.locator("thead th")).to_have_text(["hybrid", "deep", "wide"])
    accuracy = page.get_by_role("row", name=re.compile("^Validation accuracy"))
    expect(accuracy.locator(".delta")).to_have_text(["−20.0 points", "−10.0 points"])
    expect(page.get_by_role("row", name=re.compile("^Macro F1")).locator(".delta").first).to_have_text(
        re.compile(r"^[+−]0\.\d{3}$")
    )
    expect(page.locator(".matrix")).to_have_count(5)


def test_runs_on_other_images_are_shown_beside_each_other_but_not_compared(
    visit: Visit, site: tuple[str, Path]
) -> None:
    folder = write_run(site[1] / "runs" / "elsewhere", top=0.9)
    recipe = json.loads((folder / "recipe.json").read_text())
    recipe["data"] = {**recipe.get("data", {}), "fingerprint": "another"}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    page = visit.page
    page.goto(f"{visit.url}/#/studies//hybrid/elsewhere")
    expect(page.get_by_text("were evaluated on different data: their scores cannot be compared.")).to_be_visible()
    expect(page.locator(".scores").first.locator("thead")).to_contain_text("other images")
    expect(page.locator(".scores .better, .scores .worse")).to_have_count(0)
    expect(page.locator(".matrix")).to_have_count(2)
    expect(page.locator(".matrix .better, .matrix .worse")).to_have_count(0)


@pytest.mark.parametrize("visit", [{"viewport": {"width": 1280, "height": 800}}], indirect=True)
def test_at_1280_pixels_all_columns_of_the_studies_are_in_sight(visit: Visit, site: tuple[str, Path]) -> None:
    long_name = write_run(site[1] / "runs" / "study-convolutions-with-dropout-and-normalization-1", top=0.65)
    page = visit.page
    page.goto(f"{visit.url}/#/studies")
    page.get_by_role("link", name=long_name.name).wait_for()
    area = page.locator(".scroll-x:has(.runs)")
    assert area.evaluate("(each) => each.scrollWidth - each.clientWidth") == 0
    expect(page.get_by_role("columnheader")).to_have_count(11)
    expect(page.get_by_role("columnheader", name="Updated")).to_be_in_viewport(ratio=1)


def test_a_training_is_followed_while_it_runs(visit: Visit, site: tuple[str, Path]) -> None:
    page = visit.page
    folder = write_run(site[1] / "runs" / "live", epochs=3, planned=8, done=False)
    page.goto(f"{visit.url}/#/studies/live")
    expect(page.locator(".status")).to_have_text("training")
    expect(page.get_by_role("img", name=re.compile("^Accuracy.* in epoch 3"))).to_be_visible()
    later = write_run(site[1] / "later", epochs=5, planned=8, done=False)
    (later / "history.csv").replace(folder / "history.csv")
    expect(page.get_by_role("img", name=re.compile("^Accuracy.* in epoch 5"))).to_be_visible()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
