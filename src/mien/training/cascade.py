"""Cascade of two networks in one model file: a small one predicts, and a large one as well where the small one is
unsure.

Most faces are easy, so the average cost is little more than the small network's, while accuracy stays near the large
one's (Wang et al. 2022, "Wisdom of committees: an overlooked approach to faster and more accurate models").
"""

import json
from pathlib import Path

import numpy as np

from mien.errors import MienError
from mien.inference.model import Model, open_model
from mien.training.onnx_export import describe, rename_inputs, save


def top2_margin(model: Model, faces: np.ndarray) -> np.ndarray:
    """Top-2 margin, the best probability minus the second best: faces (N, S, S) uint8 -> (N,) float64, 0..1."""
    best = np.sort(model.classify(faces), axis=1)
    return best[:, -1] - best[:, -2]


def join(first: Path, second: Path, output: Path, below: float) -> None:
    """Write, atomically, a model file that runs `second` on the faces whose top-2 margin in `first` is under `below`.

    Logits are those of `first` divided by its temperature; for faces that both see, a weighted mean in which `second`
    counts twice, because on the faces that are hard for `first`, `second` alone is overconfident. The cascade's own
    temperature is therefore 1. Metadata are those of `second`, except name and number of parameters. Raises MienError
    if the two differ in face size, normalization or classes, or one is a cascade already.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnx.compose import add_prefix_graph

    small, large = open_model(first), open_model(second)
    _check(small, large)
    fast, slow = onnx.load(str(first)), onnx.load(str(second))
    opsets = {entry.version for model in (fast, slow) for entry in model.opset_import}
    if len(opsets) > 1:
        raise MienError(f"{first} and {second} were made by different versions of mien; export both again")
    quick, asked = add_prefix_graph(fast.graph, "1."), add_prefix_graph(slow.graph, "2.")
    rename_inputs(quick, {"1.faces": "faces"})
    node = helper.make_node
    numbers = {
        "cool_1": np.float32(1 / small.temperature), "cool_2": np.float32(2 / 3 / large.temperature),
        "third": np.float32(1 / 3), "below": np.float32(below), "two": np.array([2]), "columns": np.array([1]),
        "rows": np.array([0]),
    }  # fmt: skip
    classes = len(small.classes)
    answer = helper.make_graph(
        [
            node("NonZero", ["unsure"], ["at"]),  # (1, K)
            node("Squeeze", ["at", "rows"], ["which"]),  # (K,)
            node("Gather", ["faces", "which"], ["2.faces"]),
            *asked.node,
            node("Mul", ["2.logits", "cool_2"], ["second"]),  # (K, classes)
            node("Gather", ["guess", "which"], ["own"]),
            node("Mul", ["own", "third"], ["first"]),
            node("Add", ["first", "second"], ["better"]),
            node("Transpose", ["at"], ["where"]),  # (K, 1)
            node("ScatterND", ["guess", "where", "better"], ["both"]),
        ],
        "ask", [], [helper.make_tensor_value_info("both", TensorProto.FLOAT, ["n", classes])], list(asked.initializer),
    )  # fmt: skip
    # A separate graph, because a convolution of zero faces is an error.
    leave = helper.make_graph(
        [node("Identity", ["guess"], ["alone"])], "leave", [],
        [helper.make_tensor_value_info("alone", TensorProto.FLOAT, ["n", classes])],
    )  # fmt: skip
    nodes = [
        *quick.node,
        node("Mul", ["1.logits", "cool_1"], ["guess"]),  # (N, classes)
        node("Softmax", ["guess"], ["probabilities"], axis=1),
        node("TopK", ["probabilities", "two"], ["best", "best_at"], axis=1),
        node("Split", ["best"], ["top", "next"], axis=1, num_outputs=2),
        node("Sub", ["top", "next"], ["margin"]),
        node("Less", ["margin", "below"], ["low"]),
        node("Squeeze", ["low", "columns"], ["unsure"]),  # (N,)
        node("Cast", ["unsure"], ["count"], to=TensorProto.FLOAT),
        node("ReduceMax", ["count"], ["some"], keepdims=0),
        node("Cast", ["some"], ["any"], to=TensorProto.BOOL),
        node("If", ["any"], ["logits"], then_branch=answer, else_branch=leave),
    ]
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()]
    graph = helper.make_graph(
        nodes, "cascade", list(fast.graph.input), list(fast.graph.output), [*quick.initializer, *constants]
    )
    model = helper.make_model(
        graph, opset_imports=list(slow.opset_import), ir_version=max(fast.ir_version, slow.ir_version),
        producer_name="mien", doc_string=slow.doc_string,
    )  # fmt: skip
    metadata = {
        **large.metadata,
        "name": f"{large.name} behind {small.name}",
        "parameters": str(sum(model.info.parameters or 0 for model in (small, large))),
        "temperature": "1.0",
        "cascade": json.dumps({"first": small.name, "second": large.name, "below": below}),
    }
    describe(model, metadata)
    save(model, output)


def _check(first: Model, second: Model) -> None:
    if first.classes != second.classes:
        raise MienError(
            f"{first.name} has the classes {', '.join(first.classes)}, {second.name} has {', '.join(second.classes)}"
        )
    if first.input_size != second.input_size:
        raise MienError(
            f"{first.name} takes faces of {first.input_size} pixels, {second.name} of {second.input_size}: they cannot "
            f"be combined"
        )
    kinds = [model.info.input_normalization for model in (first, second)]
    if kinds[0] != kinds[1]:
        raise MienError(
            f"{first.name} reads faces normalized by '{kinds[0]}', {second.name} by '{kinds[1]}': they cannot be "
            f"combined"
        )
    for model in (first, second):
        if model.info.cascade:
            raise MienError(f"{model.path} is already a cascade; give one of its two models")
