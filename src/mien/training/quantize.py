"""Quantization of model files: weights in float16 or int8, or static int8 including activations."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mien.training.onnx_export import describe, description, drop_unused, quiet, rename_inputs, save, strip


def to_float16(source: Path, output: Path) -> None:
    """Store the weights of a float32 model file in float16: half the size. They are cast to float32 when the model is
    loaded; outputs differ only by rounding the weights to 11 bits."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(source))
    graph = model.graph
    casts, wide = [], {}
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < 256:
            continue
        wide[tensor.name] = f"{tensor.name}.float32"
        casts.append(helper.make_node("Cast", [tensor.name], [wide[tensor.name]], to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
    rename_inputs(graph, wide)
    _put_first(graph, casts)
    stale = [info for info in graph.value_info if info.name in wide]
    for info in stale:
        graph.value_info.remove(info)
    save(model, output)


def quantize_weights(source: Path, output: Path) -> None:
    """Store the weights of a float32 model file in int8 with a scale per output channel, after folding batch norms: a
    quarter of the size. They are cast to float32 when the model is loaded, so activations are not rounded. The result
    cannot be trained further."""
    import onnx
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    metadata = description(onnx.load(str(source)))
    with TemporaryDirectory() as scratch:
        folded = Path(scratch) / "folded.onnx"
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        options.log_severity_level = 3
        ort.InferenceSession(str(source), options)
        model = onnx.load(str(folded))
    graph = model.graph
    _shorten_names(graph)
    unpacked, added = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.ndim < 2 or values.size < 64:
            continue
        own = (len(values), *[1] * (values.ndim - 1))  # the first axis of kernels and matrices is the output channel
        scale = np.abs(values).reshape(len(values), -1).max(axis=1).reshape(own).astype(np.float32) / 127
        scale[scale == 0] = 1
        name = tensor.name
        stored, wide, by = f"{name}q", f"{name}w", f"{name}s"
        tensor.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), stored))
        added.append(numpy_helper.from_array(scale, by))
        unpacked += [
            helper.make_node("Cast", [stored], [wide], to=TensorProto.FLOAT),
            helper.make_node("Mul", [wide, by], [name]),
        ]
    graph.initializer.extend(added)
    _put_first(graph, unpacked)
    describe(model, {**metadata, "weights": "int8"})
    save(model, output)


def _shorten_names(graph: Any) -> None:
    """Shorten tensor names, which are a tenth of a small file. Input and output keep theirs."""
    short = {"faces": "faces", "logits": "logits", "": ""}
    for node in graph.node:
        node.name = ""
        for names in (node.input, node.output):
            names[:] = [short.setdefault(name, format(len(short), "x")) for name in names]
    for tensor in graph.initializer:
        tensor.name = short.setdefault(tensor.name, format(len(short), "x"))
    del graph.value_info[:]


def _share_equal(graph: Any) -> None:
    """Store equal tensors once; an int8 model has many, mostly zeros."""
    kept: dict[bytes, str] = {}
    shared = {}
    for tensor in list(graph.initializer):
        content = type(tensor)()
        content.CopyFrom(tensor)
        content.ClearField("name")
        shared[tensor.name] = kept.setdefault(content.SerializeToString(deterministic=True), tensor.name)
        if shared[tensor.name] != tensor.name:
            graph.initializer.remove(tensor)
    rename_inputs(graph, shared)


def _leave_logits_wide(graph: Any) -> None:
    """Remove the quantization of the logits: with some 200 values, two classes often have equal probabilities, and it
    makes nothing faster."""
    makers = {name: node for node in graph.node for name in node.output}
    widened = makers[graph.output[0].name]
    rounded = makers.get(widened.input[0])
    if widened.op_type == "DequantizeLinear" and rounded is not None and rounded.op_type == "QuantizeLinear":
        makers[rounded.input[0]].output[:] = widened.output
        graph.node.remove(rounded)
        graph.node.remove(widened)
        drop_unused(graph)


def _derive_bias_scales(graph: Any) -> None:
    """Compute the scale of an int8 layer's bias, which is the input's scale times the weights', when the model is
    loaded instead of storing it, if that gives the same bits."""
    from onnx import helper, numpy_helper

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    products = []
    for node in graph.node:
        parts = [
            makers[name] for name in node.input[:3] if name in makers and makers[name].op_type == "DequantizeLinear"
        ]
        if len(parts) < 3:
            continue
        by = [part.input[1] for part in parts]  # scales of input, weights and bias
        if by[2] in values and np.array_equal(values[by[0]] * values[by[1]], values[by[2]]):
            products.append(helper.make_node("Mul", by[:2], [f"{by[2]}.product"]))
            parts[2].input[1] = products[-1].output[0]
    _put_first(graph, products)
    drop_unused(graph)


def _put_first(graph: Any, nodes: Sequence[Any]) -> None:
    """Insert nodes at the front, because nodes are listed in the order they run."""
    after = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *after])


def relu_before_pool(model: Any) -> None:
    """Move each ReLU after a max pool before it, which changes no value: in 8 bits a ReLU fused into a convolution is
    free, while the other order computes the pool in float32, with conversions around it."""
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    readers = Counter(name for node in graph.node for name in node.input)
    for node in graph.node:
        pool = makers.get(node.input[0]) if node.op_type == "Relu" else None
        if pool is not None and pool.op_type == "MaxPool" and readers[pool.output[0]] == 1:
            pool.op_type, node.op_type = "Relu", "MaxPool"
            node.attribute.extend(pool.attribute)
            del pool.attribute[:]
    del graph.value_info[:]  # shapes of values that were reordered


def pool_and_flatten(model: Any) -> None:
    """Replace the exporter's mean over both sides by GlobalAveragePool, and its reshape to (N, -1) by Flatten.

    The exporter uses ten nodes for the two; in 8 bits the pool then needs no conversion to float32.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    values = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in graph.initializer if tensor.dims == [2]}
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "ReduceMean" and values.get(node.input[-1]) in ([-1, -2], [-2, -1]):
            node.op_type = "GlobalAveragePool"
            del node.input[1:], node.attribute[:]
        if node.op_type == "Reshape" and node.input[1] in makers and makers[node.input[1]].op_type == "Concat":
            first, *rest = makers[node.input[1]].input
            if first in makers and len(rest) == 1:  # N is computed, the rest is constant
                node.op_type = "Flatten"
                del node.input[1:], node.attribute[:]
                node.attribute.append(helper.make_attribute("axis", 1))
    drop_unused(graph)
    del graph.value_info[:]


def quantize_static(source: Path, output: Path, faces: np.ndarray) -> None:
    """Static int8 quantization (QDQ format) of a model file. faces: (N, S, S) uint8, to calibrate activation ranges,
    with the input normalization applied.

    Everything before the second convolution stays in float32: with one input channel, the first is slower in 8 bits,
    and a pool right after it is fifteen times as slow.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Faces(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter([{"faces": faces[i : i + 64]} for i in range(0, len(faces), 64)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.batches, None)

    metadata = description(onnx.load(str(source)))
    with TemporaryDirectory() as scratch, quiet():
        ready = Path(scratch) / "ready.onnx"
        quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
        model = onnx.load(str(ready))
        relu_before_pool(model)
        pool_and_flatten(model)
        onnx.save(model, str(ready))
        convolutions = [i for i, node in enumerate(model.graph.node) if node.op_type == "Conv"]
        wide = model.graph.node[: convolutions[1]] if len(convolutions) > 1 else []
        quantization.quantize_static(
            str(ready), str(output), Faces(), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=[node.name for node in wide],
        )  # fmt: skip
    model = onnx.load(str(output))
    describe(model, {**metadata, "quantized": "int8"})
    strip(model)
    _leave_logits_wide(model.graph)
    _derive_bias_scales(model.graph)
    _share_equal(model.graph)
    _shorten_names(model.graph)
    used = {node.domain for node in model.graph.node}
    for unused in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(unused)
    save(model, output)
