"""Weights to train on from a model file in 8 bits, where no others are kept, for `mien train --pretrained`.

    python benchmarks/unquantize.py nano --data data/ -o nano-float.onnx

Each convolution gets its weights as the 8 bits hold them, its batch norm the mean and variance that its results have on
training faces and the scale and bias that undo both, so that the network answers as the file does, but for the
rounding between layers, and its batch norms can train again. The accuracy of both on the validation part is printed.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from mien.data import load
from mien.inference.model import open_model
from mien.inference.normalization import normalize_input
from mien.training import networks
from mien.training.onnx_export import export
from mien.training.pixels import to_input

FACES = 2048  # whose results give the batch norms' statistics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a shipped name or a model file in 8 bits")
    parser.add_argument("--data", required=True, help="FER2013, as mien.load_dataset takes it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the model file to write")
    args = parser.parse_args()
    model = open_model(args.model)
    info = model.info
    mean, std = float(info.mean or 0), float(info.std or 1)
    network = networks.build(info.training["network"], len(info.classes)).eval()
    dataset = load(args.data)
    faces = normalize_input(dataset.images[dataset.usage == "Training"][:FACES], info.input_normalization)
    fill(network, model.path, to_input(torch.from_numpy(faces), mean, std))
    export(
        network, args.output, name=f"{info.name}-float", classes=info.classes, mean=mean, std=std,
        input_normalization=info.input_normalization, temperature=info.temperature, training=info.training,
    )  # fmt: skip
    rows = dataset.usage == "PublicTest"
    for source in (model, open_model(args.output)):
        right = source.classify(dataset.images[rows]).argmax(axis=1) == dataset.labels[rows]
        print(f"{source.path}: {right.mean():.1%} of PublicTest's {len(right):,}, single view")


def fill(network: nn.Module, path: Path, x: Tensor) -> None:
    """Give a network the weights of a model file; x (N, 1, S, S) float32 sets the batch norms' statistics."""
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | nn.BatchNorm2d)]
    file = weights(path)
    with torch.no_grad():
        for layer, values in zip(layers, file, strict=True):
            if isinstance(layer, nn.BatchNorm2d):
                for name, value in zip(("weight", "bias", "running_mean", "running_var"), values, strict=True):
                    getattr(layer, name).copy_(value)
                continue
            layer.weight.copy_(values[0].reshape(layer.weight.shape))
            if layer.bias is not None:
                layer.bias.copy_(values[1])
    hooks = [
        before.register_forward_hook(lambda _, __, y, norm=norm: restore(norm, y))
        for before, norm in pairwise(layers)
        if isinstance(norm, nn.BatchNorm2d) and folded(norm)
    ]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()


def folded(norm: nn.BatchNorm2d) -> bool:
    """Whether a batch norm came out of the file as a bias alone."""
    return bool((norm.running_var == 1 - norm.eps).all())


def restore(norm: nn.BatchNorm2d, y: Tensor) -> None:
    """Statistics of y (N, C, H, W), and the scale and bias with which the norm does as before."""
    variance, mean = torch.var_mean(y, dim=(0, 2, 3), correction=0)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.add_(mean)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)


def weights(path: Path) -> list[tuple[Tensor, ...]]:
    """Of each layer in the order of the file: (weights, bias), or a batch norm's four; where a bias was a batch norm,
    the norm follows with what leaves all else as it is."""
    model = onnx.load(str(path))
    nodes = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm", "MatMul", "BatchNormalization")]
    names = [[name for name in node.input[1:] if name] for node in nodes]
    known = {initializer.name: onnx.numpy_helper.to_array(initializer) for initializer in model.graph.initializer}
    asked = sorted({name for group in names for name in group} - known.keys())
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in asked)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    faces = np.zeros((1, 48, 48), np.uint8)
    known |= dict(zip(asked, session.run(asked, {session.get_inputs()[0].name: faces}), strict=True))
    in_order: list[tuple[Tensor, ...]] = []
    for node, group in zip(nodes, names, strict=True):
        values = tuple(torch.from_numpy(np.array(known[name], np.float32)) for name in group)
        if node.op_type != "Conv" or len(values) == 1:
            in_order.append(values)
            continue
        zero = torch.zeros(len(values[1]))
        in_order += [values[:1], (zero + 1, values[1], zero, zero + 1 - nn.BatchNorm2d(1).eps)]
    return in_order


if __name__ == "__main__":
    main()
