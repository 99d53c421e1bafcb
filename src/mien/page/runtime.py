"""Find onnxruntime-web, the runtime of the static page: from a folder or from npm, in the one tested version."""

import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mien.errors import MienError

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"
SCRIPT = "ort.wasm.bundle.min.mjs"  # the build for WebAssembly alone, everything in one module
BINARY = "ort-wasm-simd-threaded.wasm"  # the plain build: neither WebGPU nor asyncify
MAX_RUNTIME_BYTES = 40_000_000  # largest size of each file, in bytes


@dataclass(frozen=True)
class Runtime:
    """The two files of onnxruntime-web that the page needs, and their version."""

    script: bytes
    binary: bytes
    version: str


def find_runtime(folder: str | Path | None = None) -> Runtime:
    """onnxruntime-web from a folder (the package's, or its dist/), otherwise from npm.

    Raises MienError if the folder lacks it, or neither a folder nor npm is available.
    """
    if folder is not None:
        return _from_folder(Path(folder))
    if shutil.which("npm") is None:
        raise MienError(
            f"the page needs {PACKAGE}, and npm, which brings it, is not installed; install npm, or give the folder of "
            "a copy as {parameter}",
            parameter="runtime",
        )
    with tempfile.TemporaryDirectory(prefix="mien-page-") as temporary:
        return _from_npm(Path(temporary))


def _from_folder(folder: Path) -> Runtime:
    for dist in (folder, folder / "dist", folder / "node_modules" / "onnxruntime-web" / "dist"):
        if (dist / SCRIPT).is_file() and (dist / BINARY).is_file():
            package = dist.parent / "package.json"
            try:
                version = str(json.loads(package.read_text(encoding="utf-8"))["version"])
            except (OSError, ValueError, KeyError):
                version = "unknown"
            return _checked((dist / SCRIPT).read_bytes(), (dist / BINARY).read_bytes(), version, str(dist))
    raise MienError(
        f"{folder} holds no onnxruntime-web: {SCRIPT} and {BINARY} are looked for in it and in its dist/",
        parameter="runtime",
    )


def _from_npm(folder: Path) -> Runtime:
    command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    archives = list(folder.glob("*.tgz"))
    if done.returncode or not archives:
        reason = " ".join(done.stderr.split())[:160] or f"exit code {done.returncode}"
        raise MienError(
            f"npm could not bring {PACKAGE} ({reason}); give the folder of a copy as {{parameter}}", parameter="runtime"
        )
    try:
        with tarfile.open(archives[0]) as archive:
            script, binary = (_member(archive, f"package/dist/{name}") for name in (SCRIPT, BINARY))
    except (tarfile.TarError, KeyError, OSError) as error:
        raise MienError(f"what npm brought as {PACKAGE} cannot be unpacked: {error}") from error
    return _checked(script, binary, VERSION, PACKAGE)


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(name)
    return file.read(MAX_RUNTIME_BYTES + 1)


def _checked(script: bytes, binary: bytes, version: str, source: str) -> Runtime:
    if not binary.startswith(b"\0asm") or b"ONNX Runtime Web" not in script[:200] or len(binary) > MAX_RUNTIME_BYTES:
        raise MienError(f"{source} is not onnxruntime-web: {SCRIPT} or {BINARY} holds something else")
    return Runtime(script, binary, version)
