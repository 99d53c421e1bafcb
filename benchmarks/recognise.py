"""How fast, how small and how right mien reads faces, beside the tools that people use today.

    python benchmarks/recognise.py                                 mien's shipped models
    python benchmarks/recognise.py --models champion model-int8.onnx nano --data data/ --fer --human --size

One core, one thread, everything in one run: each tool is a process of its own, and they take turns, A B A B, so that
what the machine does meanwhile hits all alike. Compare figures of one run only. The 512 faces are of PublicTest with
--data, else a portrait under noise.

per face    milliseconds for one 48x48 face already cropped: scaling, network, probabilities; median over 512 faces, and
mean over
            them, for a cascade takes longer over some; each face's time is the median of its turns
faces/s     64 such faces given at once
photo       median milliseconds for a photograph of 512x512 (NASA's portrait of Eileen Collins): decode, find, read
cold        median seconds from starting the process to the first result on that photograph
size        megabytes of the environment it runs in, virtual environment included
accuracy    on FER2013's PublicTest, the faces as they are, one look each; with ECE, 15 bins (with --data)

--fer makes a virtual environment with the `fer` package (TensorFlow and torch: several GB) in --work, and
--human a folder of `@vladmandic/human` with tfjs on WebAssembly (npm; 350 MB); both are kept for the next run. human's
photo time leaves out decoding, for which it has nothing. --size installs mien's core tier in an environment of its
own, to weigh it and to start cold from it; without it mien starts from the Python that runs this.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PHOTO = ROOT / "src/mien/inference/sample/astronaut.jpg"
THREADS = "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS"
TASKS = ("face", "batch", "photo")
FACES = 512


@dataclass
class Tool:
    """One contender. worker: the command of its process. cold: a command that reads the photo and ends."""

    name: str
    worker: list[str]
    cold: list[str]
    size: float | None = None
    seconds: dict[str, list[float]] = field(default_factory=lambda: {task: [] for task in (*TASKS, "cold")})
    judged: dict[str, float] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", help="shipped names or .onnx files (default: all shipped)")
    parser.add_argument("--data", help="FER2013 as mien.data.load takes it: adds accuracy on PublicTest")
    parser.add_argument("--fer", action="store_true", help="compare with the fer package")
    parser.add_argument("--human", action="store_true", help="compare with @vladmandic/human")
    parser.add_argument("--size", action="store_true", help="install mien's core tier apart, and weigh it")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each tool (default 4)")
    parser.add_argument("--work", type=Path, default=ROOT / "build/recognise", help="where environments are made")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    os.environ.update(dict.fromkeys(THREADS.split(), "1"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled once, not at every start
    args.work.mkdir(parents=True, exist_ok=True)
    inputs = prepare(args.work, args.data)
    tools = contenders(args)
    measure(tools, inputs, args.rounds, bool(args.data))
    imports = start_cold([tools[0].cold[0], "-c", "import numpy, PIL.Image, onnxruntime"], args.rounds)
    report(tools, imports, args.json)


def prepare(work: Path, data: str | None) -> Path:
    """Write what all tools read: faces.npy (512, 48, 48), photo.rgb with photo.json, and PublicTest with its labels."""
    from PIL import Image

    from mien.inference.detector import open_detector

    inputs = work / "inputs"
    inputs.mkdir(exist_ok=True)
    photo = Image.open(PHOTO).convert("RGB")
    (inputs / "photo.rgb").write_bytes(photo.tobytes())
    (inputs / "photo.json").write_text(json.dumps({"width": photo.width, "height": photo.height}))
    rng = np.random.default_rng(0)
    if not data:
        x, y, w, h = open_detector()(photo).boxes[0]
        face = photo.convert("L").crop((x - 10, y, x + w + 10, y + h)).resize((48, 48))
        noise = rng.normal(0, 6, (FACES, 48, 48))
        np.save(inputs / "faces.npy", np.clip(np.asarray(face) + noise, 0, 255).astype(np.uint8))
    else:
        from mien.data import load

        dataset = load(data)
        rows = (dataset.usage == "PublicTest") & (dataset.labels >= 0)
        public = dataset.images[rows]
        np.save(inputs / "faces.npy", public[rng.choice(len(public), FACES, replace=False)])
        np.save(inputs / "public.npy", public)
        np.save(inputs / "labels.npy", dataset.labels[rows])
    return inputs


def contenders(args: argparse.Namespace) -> list[Tool]:
    """The tools to compare, with their environments made."""
    from mien.inference.model_file import resolve, shipped

    python, size = sys.executable, None
    if args.size:
        python, size = environment(args.work / "mien", [str(ROOT)])
    tools = []
    for model in args.models or shipped():
        path = str(resolve(model).resolve())
        worker = [sys.executable, str(HERE / "recognise_worker.py"), "mien", path, str(PHOTO)]
        cold = [python, "-m", "mien", "read", str(PHOTO), "--model", path]
        tools.append(Tool(f"mien {Path(model).stem}", worker, cold, size))
    if not tools:
        raise SystemExit("no model: none is shipped, and --models names none")
    if args.fer:
        # fer asks for pkg_resources, which newer setuptools do not have.
        python, size = environment(args.work / "fer", ["fer==25.10.3", "setuptools<81"])
        cold = "from fer.fer import FER; import cv2, sys; print(FER().detect_emotions(cv2.imread(sys.argv[1])))"
        worker = [python, str(HERE / "recognise_worker.py"), "fer", "-", str(PHOTO)]
        tools.append(Tool("fer", worker, [python, "-c", cold, str(PHOTO)], size))
    if args.human:
        folder = args.work / "human"
        if not (folder / "node_modules").exists():
            folder.mkdir(exist_ok=True)
            packages = ["@vladmandic/human@3.3.6", "@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0"]
            subprocess.run(["npm", "install", "--prefix", str(folder), "--no-audit", *packages], check=True)
        worker = ["node", str(HERE / "recognise_human.cjs"), str(folder / "node_modules")]
        tools.append(Tool("human (wasm)", worker, [*worker, "cold"], weigh(folder)))
    return tools


def environment(folder: Path, packages: list[str]) -> tuple[str, float]:
    """A virtual environment with the packages, made if it is not there. Returns its Python and its size in MB."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return str(python), weigh(folder)


def weigh(folder: Path) -> float:
    """Megabytes of all files under a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) / 1e6


def measure(tools: list[Tool], inputs: Path, rounds: int, accuracy: bool) -> None:
    """Let the tools take turns at every task; fills in their figures."""
    workers = {tool.name: Worker(tool, inputs) for tool in tools}
    for task in TASKS:
        for tool in tools:
            workers[tool.name].ask(task)  # a first turn that does not count
    for _ in range(rounds):
        for task in TASKS:
            for tool in tools:
                tool.seconds[task] += workers[tool.name].ask(task)["seconds"]
    if accuracy:
        labels = np.load(inputs / "labels.npy")
        for tool in tools:
            tool.judged = judge(np.array(workers[tool.name].ask("public")["probabilities"]), labels)
    for worker in workers.values():
        worker.stop()
    for _ in range(rounds):
        for tool in tools:
            tool.seconds["cold"] += start_cold(tool.cold, 1, str(inputs))


class Worker:
    """A tool's process: a task's name goes in as a line, its figures come out as a line of JSON."""

    def __init__(self, tool: Tool, inputs: Path) -> None:
        self.name = tool.name
        self.process = subprocess.Popen(
            [*tool.worker], env={**os.environ, "INPUTS": str(inputs)}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, task: str) -> dict[str, Any]:
        """Have a task done. Tools may chatter on standard output: only lines of JSON count."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(task + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith('{"task"'):
                return dict(json.loads(line))
        raise SystemExit(f"{self.name} ended at {task!r} with code {self.process.wait()}: {self.process.args}")

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def start_cold(command: list[str], rounds: int, inputs: str = "") -> list[float]:
    """Seconds of the whole process, each time."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "INPUTS": inputs})
        seconds.append(time.perf_counter() - started)
    return seconds


def judge(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Accuracy with its 95 % interval (Wilson's), the number of faces, and the expected calibration error."""
    from mien.evaluation.metrics import ece, wilson

    hits, n = int((probabilities.argmax(axis=1) == labels).sum()), len(labels)
    low, high = wilson(hits, n)
    return {"accuracy": hits / n, "low": low, "high": high, "n": n, "ece": ece(probabilities, labels)}


def processor() -> str:
    """What this machine computes with: two of one name can differ by half in what 8 bits gain on them."""
    try:
        lines = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, value in lines}
    wide = [flag for flag in ("avx2", "avx512f", "avx_vnni", "avx512_vnni") if flag in found.get("flags", "").split()]
    name = found.get("model name", platform.machine())
    return f"{name} (family {found.get('cpu family', '?')}, model {found.get('model', '?')}; {', '.join(wide)})"


def each_face(tool: Tool) -> np.ndarray:
    """Seconds of each face in each turn, (turns, FACES)."""
    return np.reshape(tool.seconds["face"], (-1, FACES))


def report(tools: list[Tool], imports: list[float], path: Path | None) -> None:
    """Print the table; the first tool's figures are what the others' are compared with."""
    middle = {tool.name: {task: statistics.median(times) for task, times in tool.seconds.items()} for tool in tools}
    for tool in tools:
        each = np.median(each_face(tool), axis=0)
        middle[tool.name] |= {"face": float(np.median(each)), "face_mean": float(each.mean())}
    print("| | per face | mean | faces/s | photo | cold | size | accuracy (ECE) |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for tool in tools:
        m = middle[tool.name]
        size = f"{tool.size:,.0f} MB" if tool.size else "-"
        right = "{accuracy:.1%} ({ece:.3f})".format(**tool.judged) if tool.judged else "-"
        print(
            f"| {tool.name} | {m['face'] * 1e3:.3f} ms | {m['face_mean'] * 1e3:.3f} ms | {64 / m['batch']:,.0f} | "
            f"{m['photo'] * 1e3:.1f} ms "
            f"| {m['cold']:.2f} s | {size} | {right} |"
        )
    base = statistics.median(imports)
    print(f"\nImporting numpy, Pillow and onnxruntime alone takes {base:.2f} s; {tools[0].name} cold is", end=" ")
    print(f"{middle[tools[0].name]['cold'] / base:.2f} times that. Processor: {processor()}.\n")
    for tool in tools[1:]:
        turns = each_face(tool).mean(axis=1) / each_face(tools[0]).mean(axis=1)
        a, b = middle[tools[0].name], middle[tool.name]
        ratios = ", ".join(
            f"{task.replace('_', ' ')} {b[task] / a[task]:.2f}x" for task in ("face", "face_mean", *TASKS[1:], "cold")
        )
        print(
            f"- {tool.name} over {tools[0].name}: {ratios}; face mean by turn {turns.min():.2f}x to {turns.max():.2f}x"
        )
    if path:
        figures = [{"tool": tool.name, **middle[tool.name], "size_mb": tool.size, **tool.judged} for tool in tools]
        path.write_text(json.dumps({"processor": processor(), "imports": base, "tools": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
