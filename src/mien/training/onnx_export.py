"""Export a torch network as an ONNX model file, with input normalization in the graph and metadata.

Input `faces`, uint8 (N, 48, 48); output `logits`, float32 (N, classes). Initializers keep the names of torch's state
dict, so a shipped model can also be trained further (`weights`).
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mien.errors import MienError
from mien.files import atomic_write
from mien.inference.checksum import KEY, with_checksum
from mien.inference.model_file import FORMAT, state_dict


class Exported(nn.Module):
    """A network with its pixel scaling: uint8 (N, S, S) in, logits (N, classes) out."""

    def __init__(self, network: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.network = network
        self.gain, self.bias = 1 / (255 * std), -mean / std

    def forward(self, faces: Tensor) -> Tensor:
        """Pixels (N, S, S) uint8 -> logits (N, C) float32."""
        result: Tensor = self.network(faces.to(torch.float32).unsqueeze(1) * self.gain + self.bias)
        return result


def export(
    network: nn.Module,
    path: Path,
    *,
    name: str,
    classes: Sequence[str],
    mean: float,
    std: float,
    input_normalization: str = "none",
    temperature: float = 1.0,
    training: Mapping[str, Any] | None = None,
    size: int = 48,
) -> None:
    """Write a trained network as an ONNX model file with mien's metadata, atomically.

    mean, std: of pixels in 0..1, as in training. input_normalization: preprocessing of each face by the reader
    (mien.inference.normalization), not part of the graph. temperature: divides the logits before softmax. training: how
    it was trained, JSON-serializable. Raises MienError if torch cannot export the network.
    """

    network = network.to(memory_format=torch.contiguous_format).float().eval()  # type: ignore[call-overload]
    wrapped = Exported(network, mean, std).eval()
    faces = torch.zeros(2, size, size, dtype=torch.uint8)
    with quiet():
        # Not optimized, so that batch norms keep their weights; onnxruntime folds them when it loads the model.
        program = torch.onnx.export(
            wrapped, (faces,), dynamo=True, input_names=["faces"], output_names=["logits"],
            dynamic_shapes={"faces": {0: torch.export.Dim("n", min=1)}}, external_data=False, optimize=False,
        )  # fmt: skip
    if program is None:
        raise MienError(f"{path}: torch could not export this network")
    model = program.model_proto
    metadata = {
        "mien_format": FORMAT,
        "name": name,
        "classes": json.dumps(list(classes)),
        "input_size": str(size),
        "mean": repr(float(mean)),
        "std": repr(float(std)),
        "input_normalization": input_normalization,
        "temperature": repr(float(temperature)),
        "parameters": str(sum(p.numel() for p in network.parameters())),
        "license": "MIT",
        "training": json.dumps(dict(training or {})),
    }
    describe(model, metadata)
    model.producer_name = "mien"
    model.doc_string = "Facial expression classifier: faces uint8 (N, 48, 48) gray -> logits float32 (N, classes)."
    strip(model)
    drop_zero_biases(model)
    save(model, path)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the exporter's progress messages and its notes on missing optional packages."""
    noise = StringIO()
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(noise), redirect_stderr(noise):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def save(model: Any, path: Path) -> None:
    """Write an onnx.ModelProto as a file with its checksum (mien.inference.checksum), atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(with_checksum(model.SerializeToString()))


def describe(model: Any, metadata: Mapping[str, str]) -> None:
    """Replace a model's metadata."""
    del model.metadata_props[:]
    for key, value in metadata.items():
        if key != KEY:  # the checksum belongs to the file that the metadata came from
            model.metadata_props.add(key=key, value=value)


def description(model: Any) -> dict[str, str]:
    """The metadata of an ONNX model."""
    return {entry.key: entry.value for entry in model.metadata_props}


def strip(model: Any) -> None:
    """Remove the exporter's notes from every node: stack traces with paths of the exporting machine."""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    del model.graph.metadata_props[:]


def drop_zero_biases(model: Any) -> None:
    """Remove the zeros that the exporter computes as the bias of convolutions without one: they keep onnxruntime from
    folding the batch norm that follows, which costs a third of the speed."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] not in stored:
            del node.input[2]
    drop_unused(model.graph)


def rename_inputs(graph: Any, names: Mapping[str, str]) -> None:
    """Rename the inputs of all nodes; names not in the table stay."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def drop_unused(graph: Any) -> None:
    """Remove nodes and initializers that nothing uses."""
    while True:
        used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        unused = [node for node in graph.node if used.isdisjoint(node.output)]
        if not unused:
            break
        for node in unused:
            graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a model file that `export` wrote. Raises MienError if mien did not write the file."""
    return {name: torch.from_numpy(values) for name, values in state_dict(path).items()}


def set_metadata(
    path: Path, *, temperature: float, validation_accuracy: float, conformal: Mapping[str, float] | None = None
) -> None:
    """Add what is known only after evaluation to a model file's metadata.

    conformal: coverage and threshold of its prediction sets, if there were enough images to fit them.
    """
    import onnx

    model = onnx.load(str(path))
    metadata = description(model)
    training = {**json.loads(metadata["training"]), "validation_accuracy": validation_accuracy}
    known = {**metadata, "temperature": repr(float(temperature)), "training": json.dumps(training)}
    describe(model, known | ({"conformal": json.dumps(dict(conformal))} if conformal else {}))
    save(model, path)
