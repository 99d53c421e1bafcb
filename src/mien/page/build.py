"""Build the static page: the look of `mien serve`, with faces read in the browser by onnxruntime-web."""

import gzip
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien import __version__
from mien.errors import MienError
from mien.inference.detector import YUNET
from mien.inference.model import Model, open_model
from mien.labels import color
from mien.page.runtime import Runtime, find_runtime

HERE = Path(__file__).parent / "static"
LOOK = Path(__file__).parents[1] / "server" / "static"
SAMPLE = Path(__file__).parents[1] / "inference" / "sample" / "astronaut.jpg"
DEFAULT_MODELS = ("nano", "champion")
MARKER = "mien-page.json"  # marks a folder built by `mien page`, which may be rebuilt

# Files of the served page that a static page does not need.
SERVED_ONLY = frozenset((
    "answers.js", "api.js", "charts.js", "compare.js", "confusion.js", "docs.css", "docs.html", "docs.js",
    "index.html", "run.js", "run_words.js", "studies.css", "studies.js",
))  # fmt: skip
CSP = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
LICENSES = """This page was built by mien {version} (MIT License).
It reads faces with onnxruntime-web {runtime} (MIT License, Copyright Microsoft Corporation).

Its face detector is YuNet:

{yunet}
"""


@dataclass(frozen=True)
class Site:
    """The result of a build. bytes_to_first_face: transferred bytes, compressed, until the first face is read, with the
    sample photo."""

    folder: Path
    models: tuple[str, ...]
    runtime: str
    bytes_to_first_face: int


def build_site(folder: str | Path, models: Sequence[str | Path] = (), runtime: str | Path | None = None) -> Site:
    """Write the static page into `folder`, which must be new, empty, or an earlier build.

    models: names of shipped models, run folders or model files; the first is the default; nano and the champion if
    None. runtime: a folder with onnxruntime-web; None: from npm. Raises MienError for a folder with other contents, a
    model that cannot be opened, and a missing runtime.
    """
    target = Path(folder)
    _check_target(target)
    opened = [open_model(name) for name in models or DEFAULT_MODELS]
    names = [model.name for model in opened]
    if len(set(names)) < len(names):
        raise MienError(f"two of the models are called the same: {', '.join(names)}", parameter="model")
    files = _files(opened, find_runtime(runtime))
    target.parent.mkdir(parents=True, exist_ok=True)
    # Built beside the target and moved into place when complete.
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for path, content in files.items():
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            (temporary / path).write_bytes(content)
        temporary.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    marker = json.loads(files[MARKER])
    return Site(target, tuple(names), marker["runtime"], marker["bytes_to_first_face"])


def _check_target(target: Path) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (target / MARKER).is_file():
            raise MienError(f"{target} holds something else than a page of mien; give a new folder", parameter="out")
    elif target.exists():
        raise MienError(f"{target} is a file; give a folder", parameter="out")


def _files(models: Sequence[Model], runtime: Runtime) -> dict[str, bytes]:
    """Every file of the site, by its path relative to the site's folder."""
    look = {path.name: path.read_bytes() for path in sorted(LOOK.iterdir()) if path.is_file()}
    files = {f"static/{name}": content for name, content in look.items() if name not in SERVED_ONLY}
    for path in sorted(HERE.glob("*.js")):
        if path.name != "service_worker.js":
            files[f"static/{path.name}"] = path.read_bytes()
    files["static/ort.mjs"] = re.sub(rb"\n//# sourceMappingURL=\S+\s*$", b"\n", runtime.script)
    files["index.html"] = _index(look["index.html"].decode()).encode()
    files["sample.jpg"] = SAMPLE.read_bytes()
    yunet = YUNET.with_name("yunet-LICENSE.txt").read_text(encoding="utf-8")
    licenses = LICENSES.format(version=__version__, runtime=runtime.version, yunet=yunet)
    files["licenses.txt"] = licenses.encode()
    packed = {"runtime/ort.wasm.gz": runtime.binary, "models/yunet.onnx.gz": YUNET.read_bytes()}
    packed |= {_model_path(i): model.path.read_bytes() for i, model in enumerate(models)}
    large = {path: gzip.compress(content, 9, mtime=0) for path, content in packed.items()}
    version = _digest({**files, **large})
    data = _page_data(models, large, version)
    files["static/page_data.js"] = _module(data).encode()
    # Models other than the first are loaded on demand.
    first = [
        path for path in large if not path.startswith("models/") or path in ("models/yunet.onnx.gz", _model_path(0))
    ]
    kept = ["./", *(path for path in files if path != "index.html"), *first]
    worker = {"cache": data["cache"], "prefix": data["prefix"], "files": kept}
    script = (HERE / "service_worker.js").read_text(encoding="utf-8")
    files["service-worker.js"] = f"self.PAGE = {json.dumps(worker)};\n{script}".encode()
    before_first_face = [*files.values(), *(large[path] for path in first)]
    files |= large
    files[MARKER] = _marker(models, runtime, sum(map(len, before_first_face)))
    return files


def _page_data(models: Sequence[Model], large: dict[str, bytes], version: str) -> dict[str, Any]:
    entry = {path: {"path": path, "bytes": len(content)} for path, content in large.items()}
    return {
        "cache": f"mien-page-{version}",
        "prefix": "mien-page-",
        "runtime": entry["runtime/ort.wasm.gz"],
        "detector": entry["models/yunet.onnx.gz"],
        "models": [{**_card(model), "file": entry[_model_path(i)]} for i, model in enumerate(models)],
    }


def _card(model: Model) -> dict[str, Any]:
    """What the page shows about a model, and needs to run it."""
    info = model.info
    return {
        "name": info.name,
        "classes": list(info.classes),
        "colors": [color(name, i) for i, name in enumerate(info.classes)],
        "input_size": info.input_size,
        "input_normalization": info.input_normalization,
        "temperature": info.temperature,
        "parameters": info.parameters,
        "accuracy": info.validation_accuracy,
    }


def _model_path(index: int) -> str:
    return f"models/{index}.onnx.gz"


def _module(data: dict[str, Any]) -> str:
    lines = json.dumps(data, indent=2)
    return (
        "// Written by `mien page`: where the page lies, its large files, and what its models are.\n\n"
        f'export const PAGE = {{ base: new URL("../", import.meta.url).href, ...{lines} }};\n'
    )


def _index(html: str) -> str:
    """The served page's HTML without the parts that need a server, with a content security policy that lets nothing
    leave the page."""
    html = re.sub(r" *<!-- served: -->.*?<!-- :served -->\n", "", html, flags=re.DOTALL)
    html = re.sub(r"<!-- static: (.*?) -->", r"\1", html)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CSP}">'
    return html.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n  {policy}', 1)


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode())
        digest.update(files[path])
    return digest.hexdigest()[:16]


def _marker(models: Sequence[Model], runtime: Runtime, size: int) -> bytes:
    facts = {
        "mien": __version__,
        "models": [model.name for model in models],
        "runtime": runtime.version,
        "bytes_to_first_face": size,
    }
    return (json.dumps(facts, indent=2) + "\n").encode()
