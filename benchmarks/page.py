"""What the page without a server costs a visitor: bytes, seconds to the first face, camera frames a second; and whether
it answers as Python does. Beside @vladmandic/human, in the same browser and run.

    python benchmarks/page.py                          the page alone; npm brings onnxruntime-web
    python benchmarks/page.py --human FOLDER           beside human
    python benchmarks/page.py --parity                 the 200 pictures, compared with Python, too

Everything stays on 127.0.0.1, in Chromium without a GPU. --core pins the browser, all its processes, to one core. The
two pages take turns, A B A B, each time in a fresh browser: nothing is cached. Seconds are the browser's own, from the
start of navigation; beside them stand the seconds of processor time that all processes of the browser took until then,
which other programs on the machine do not lengthen: on one free core the page is no slower than that. Frames come from
Chromium's fake camera, 640x480 at 30 a second. human runs as its own page would: WebAssembly backend, detector and
emotion, nothing else, no frame skipped; files are handed out packed for both.

For --human, install it once and name the folder:
    npm install --prefix build/human @vladmandic/human@3.3.6 @tensorflow/tfjs-backend-wasm@4.22.0
"""

import argparse
import csv
import io
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from mien.inference.reader import Reader  # noqa: E402
from mien.page.build import SAMPLE, build_site  # noqa: E402
from page_pictures import pictures  # noqa: E402
from page_site import PROBABILITY, compare, handed_out  # noqa: E402

RESULTS = ROOT / "results" / "benchmarks"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-fake-device-for-media-stream=fps=30", "--use-fake-ui-for-media-stream",
]  # fmt: skip

# Presses the sample's button as soon as it is there, and notes when the first face stands on the page.
FIRST_FACE = """
new MutationObserver((_, observer) => {
    const button = document.querySelector(".sample");
    if (button && !window.pressed) { window.pressed = true; button.click(); }
    if (document.querySelector(".face .bar")) { document.documentElement.dataset.firstFace = performance.now(); observer.disconnect(); }
}).observe(document, { childList: true, subtree: true });
"""
HUMAN_PAGE = """<!doctype html><meta charset="utf-8"><title>human</title><img id="photo" src="sample.jpg"><video muted></video>
<script type="module">
import { Human } from "./human.esm.js";
const off = { enabled: false };
const human = new Human({
    backend: "wasm", wasmPath: new URL("wasm/", location).href, modelBasePath: new URL("models/", location).href, cacheSensitivity: 0,
    face: { iris: off, description: off, mesh: off, antispoof: off, liveness: off,
        emotion: { enabled: true, minConfidence: 0, skipFrames: 0, skipTime: 0 }, detector: { skipFrames: 0, skipTime: 0 } },
    body: off, hand: off, gesture: off, object: off, segmentation: off, filter: off,
});
const photo = document.getElementById("photo");
await photo.decode();
const first = await human.detect(photo);
window.faces = first.face.map((face) => face.emotion);
document.documentElement.dataset.firstFace = performance.now();
window.camera = async (seconds) => {
    const video = document.querySelector("video");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    await video.play();
    for (let i = 0; i < 3; i += 1) await human.detect(video);
    const began = performance.now();
    let frames = 0;
    while (performance.now() - began < 1000 * seconds) {
        await human.detect(video);
        frames += 1;
        await new Promise((next) => video.requestVideoFrameCallback(next));
    }
    return (1000 * frames) / (performance.now() - began);
};
</script>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--runtime", help="a folder with onnxruntime-web (default: npm brings it)")
    add("--human", metavar="FOLDER", help="where npm installed human and its WebAssembly backend")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=5.0, help="of camera in each round")
    add("--core", type=int, help="pin the browser to this core")
    add("--parity", action="store_true", help="compare the answers on the 200 pictures too")
    add("--chromium", default=os.environ.get("MIEN_CHROMIUM") or shutil.which("chromium"))
    args = parser.parse_args()
    if args.core is not None:
        os.sched_setaffinity(0, {args.core})
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        site = build_site(folder / "site", runtime=args.runtime)
        film = write_film(folder / "camera.mjpeg")
        pages = {"mien": (site.folder, FIRST_FACE, camera_of_mien)}
        if args.human:
            pages["human"] = (write_human(folder / "human", Path(args.human)), "", camera_of_human)
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in pages}
        for number in range(args.rounds):
            for name, (root, script, camera) in pages.items():
                measured = measure(root, script, camera, film, args)
                rounds[name].append(measured)
                print(f"round {number + 1}, {name}: {measured}", flush=True)
        report = {
            "machine": {"processor": processor(), "cores": os.cpu_count(), "pinned": args.core is not None, "load": os.getloadavg()[0]},
            "runtime": site.runtime, "models": list(site.models), "rounds": args.rounds,
            "pages": {name: summary(each) for name, each in rounds.items()},
        }  # fmt: skip
        if args.parity:
            os.sched_setaffinity(0, range(os.cpu_count() or 1))
            report["parity"] = parity(site.folder, site.models, args.chromium)
        report["chromium"] = rounds["mien"][0]["version"]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "page.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "page.md").write_text(as_text(report), encoding="utf-8")
    print(as_text(report))


def measure(root: Path, script: str, camera: Callable[[Any, float], float], film: Path, args: Any) -> dict[str, Any]:
    """One visit in a fresh browser: bytes and seconds until the first face, then the camera."""
    from playwright.sync_api import sync_playwright

    with handed_out(root, packs=True) as url, sync_playwright() as playwright:
        flags = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        browser = playwright.chromium.launch(executable_path=args.chromium, args=flags)
        context = browser.new_context(permissions=["camera"], service_workers="block")
        page = context.new_page()
        sizes: list[int] = []
        page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
        if script:
            page.add_init_script(script)
        before = processor_seconds()
        page.goto(url, wait_until="commit")
        page.locator("html[data-first-face]").wait_for(state="attached", timeout=120_000)
        spent = processor_seconds() - before
        found = {
            "version": browser.version,
            "bytes": sum(sizes),
            "first_face_seconds": round(float(page.locator("html").get_attribute("data-first-face") or 0) / 1000, 3),
            "first_face_processor_seconds": round(spent, 2),
        }
        before = processor_seconds()
        found["frames_per_second"] = round(camera(page, args.seconds), 1)
        found["camera_processor_share"] = round((processor_seconds() - before) / args.seconds, 2)
        browser.close()
    return found


def camera_of_mien(page: Any, seconds: float) -> float:
    page.evaluate("location.hash = '#/live'")
    page.get_by_role("button", name="Start the camera").click()
    page.locator(".overlay-boxes .box").wait_for(timeout=60_000)
    page.wait_for_timeout(1000 * seconds)
    return float(page.locator("#rate").text_content())


def camera_of_human(page: Any, seconds: float) -> float:
    return float(page.evaluate("(seconds) => window.camera(seconds)", seconds))


def write_film(path: Path) -> Path:
    """What the fake camera shows: a photograph, moving a little."""
    with Image.open(SAMPLE) as image, path.open("wb") as file:
        for i in range(30):
            frame = io.BytesIO()
            image.crop((60 + i, 0, 440 + i, 285)).resize((640, 480)).save(frame, "JPEG", quality=85)
            file.write(frame.getvalue())
    return path


def write_human(folder: Path, installed: Path) -> Path:
    """A page that reads with human; the files lie as npm installed them."""
    modules = installed / "node_modules" if (installed / "node_modules").is_dir() else installed
    human, wasm = modules / "@vladmandic/human", modules / "@tensorflow/tfjs-backend-wasm/dist"
    (folder / "models").mkdir(parents=True)
    (folder / "wasm").mkdir()
    shutil.copy(human / "dist/human.esm.js", folder)
    for name in ("blazeface", "emotion"):
        for suffix in ("json", "bin"):
            shutil.copy(human / "models" / f"{name}.{suffix}", folder / "models")
    shutil.copy(human / "models/models.json", folder / "models")
    for path in wasm.glob("*.wasm"):
        shutil.copy(path, folder / "wasm")
    shutil.copy(SAMPLE, folder / "sample.jpg")
    (folder / "index.html").write_text(HUMAN_PAGE, encoding="utf-8")
    return folder


def processor_seconds() -> float:
    """User and system time of the browser's processes below this one, in seconds."""
    ticks, parents, times = os.sysconf("SC_CLK_TCK"), {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition("(")[2].rpartition(")")
            fields = rest.split()
        except OSError:
            continue  # it has ended
        parents[int(path.parent.name)] = int(fields[1])
        if name.startswith("chrom"):
            times[int(path.parent.name)] = (int(fields[11]) + int(fields[12])) / ticks

    def below(process: int) -> bool:
        while process in parents:
            process = parents[process]
            if process == os.getpid():
                return True
        return False

    return sum(seconds for process, seconds in times.items() if below(process))


def parity(folder: Path, models: tuple[str, ...], chromium: str) -> dict[str, Any]:
    """Every one of the 200 pictures read by both, with both models; the list goes to page_parity.csv."""
    from playwright.sync_api import sync_playwright

    columns = ["picture", "photograph", "what", "faces", "box_pixels", *models]
    rows: list[list[Any]] = []
    with handed_out(folder) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page()
        page.goto(url)
        page.locator(".facts dd").first.wait_for(timeout=60_000)
        results: dict[str, Any] = {}
        for name, shipped in zip(models, ("nano", "champion"), strict=True):
            reader = Reader(shipped)
            page.evaluate("async (name) => (await import('./static/answers.js')).chooseModel(name)", name)
            compared = list(compared_all(page, reader))
            for i, (picture, each) in enumerate(compared):
                if len(rows) <= i:
                    rows.append([picture.name, int(picture.photograph), picture.notes, each.faces, each.box])
                rows[i].append(f"{each.probability:.5f}")
            results[name] = {
                "pictures": len(compared),
                "photographs": sum(picture.photograph for picture, _ in compared),
                "faces": sum(each.faces for _, each in compared),
                "largest_box_difference_pixels": max(each.box for _, each in compared),
                "largest_probability_difference": round(max(each.probability for _, each in compared), 5),
                "pictures_beyond": {picture.name: each.fault for picture, each in compared if each.fault},
            }
            print(name, results[name], flush=True)
        browser.close()
    with (RESULTS / "page_parity.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return results


def compared_all(page: Any, reader: Reader) -> Iterator[tuple[Any, Any]]:
    for picture in pictures():
        yield picture, compare(page, reader, picture.data)


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    numbers = [key for key in rounds[0] if key != "version"]
    return {key: {"median": statistics.median(each[key] for each in rounds),
                  "best": (max if key == "frames_per_second" else min)(each[key] for each in rounds)} for key in numbers}  # fmt: skip


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def as_text(report: dict[str, Any]) -> str:
    machine = report["machine"]
    pinned = "the browser pinned to one core" if machine["pinned"] else "the browser on all cores"
    lines = [
        "# The page without a server", "",
        f"Written by benchmarks/page.py. {machine['processor']}, {pinned}; load of the machine {machine['load']:.1f}. "
        f"Chromium {report['chromium']}, onnxruntime-web {report['runtime']}, {report['models'][0]}. "
        f"Medians of {report['rounds']} visits in turns, the best in brackets.", "",
        "| page | MB until the first face | seconds to it | processor seconds to it | camera frames a second |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, each in report["pages"].items():
        cell = lambda key, digits, each=each: f"{each[key]['median']:.{digits}f} ({each[key]['best']:.{digits}f})"  # noqa: E731
        lines.append(
            f"| {name} | {each['bytes']['median'] / 1e6:.2f} | {cell('first_face_seconds', 1)} | "
            f"{cell('first_face_processor_seconds', 1)} | {cell('frames_per_second', 1)} |"
        )
    if "parity" in report:
        lines += ["", "Against Python, picture by picture in page_parity.csv:", "",
                  "| model | pictures | photographs | faces | largest difference of a box | of a probability | "
                  "pictures beyond 1 pixel, "
                  f"{PROBABILITY} or with another winner |", "|---|---|---|---|---|---|---|"]  # fmt: skip
        for name, each in report["parity"].items():
            lines.append(
                f"| {name} | {each['pictures']} | {each['photographs']} | {each['faces']} | "
                f"{each['largest_box_difference_pixels']:g} pixels | {each['largest_probability_difference']} | "
                f"{len(each['pictures_beyond'])} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
