"""Are these two files the same network, once in float and once in int8? Layer by layer, or not at all.

The k-th dense, convolution or depthwise layer of one is the k-th of the other: the same operator, the same
shapes of weights and output, and weights that point the same way. What lies between (reshapes, QUANTIZE and
DEQUANTIZE, pooling) is not compared. A float network whose weights are int8 with float activations (dynamic
range) counts as float. Anything else is a PairMismatch that names the layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.repair.errors import NotRepairable, PairMismatch
from coverify.repair.layer import Layer, layers_of
from tflm_int8 import Model, Reference, sample_shape
from tflm_int8.model import Operator, Tensor

LAYERS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
MIN_COSINE = 0.5
"""Least cosine between the weights of a layer and of its counterpart: others were not quantized from them."""


@dataclass(frozen=True, eq=False)
class PairedLayer:
    """An int8 layer and the float network's tensor that holds the same outputs in real numbers."""

    layer: Layer
    float_output: int
    cosine: float
    """Between its weights and the float network's."""


@dataclass(frozen=True, eq=False)
class Pair:
    """The two networks, and their layers in order."""

    reference: Reference
    original: Model
    layers: tuple[PairedLayer, ...]

    @staticmethod
    def of(original: Model, reference: Reference) -> Pair:
        """Match a float network with an int8 one.  Raises PairMismatch, NotRepairable."""
        return Pair._matched(original, reference, MIN_COSINE)

    def repaired(self, reference: Reference) -> Pair:
        """The pair with other weights in the int8 network, however far a repair has moved them."""
        return Pair._matched(self.original, reference, -np.inf)

    @staticmethod
    def _matched(original: Model, reference: Reference, least: float) -> Pair:
        _check_ends(original, reference)
        ours = layers_of(reference)
        theirs = [op for op in original.operators if op.name in LAYERS]
        names = [layer.kernel.node.op.name for layer in ours], [op.name for op in theirs]
        if names[0] != names[1]:
            raise PairMismatch(
                "the networks", f"the int8 one has the layers {_list(names[0])}, {_list(names[1])}"
            )
        pairs = (_paired(layer, original, op, least) for layer, op in zip(ours, theirs, strict=True))
        return Pair(reference, original, tuple(pairs))

    def layer(self, op_index: int) -> PairedLayer:
        """The layer of an operator.  Raises NotRepairable where it is none."""
        for paired in self.layers:
            if paired.layer.op_index == op_index:
                return paired
        known = ", ".join(paired.layer.name for paired in self.layers)
        raise NotRepairable(f"op {op_index}", f"it is no layer with weights; there are {known}")


def _list(names: list[str]) -> str:
    return ", ".join(names[:30]) or "none"


def _check_ends(original: Model, reference: Reference) -> None:
    model = reference.model
    if reference.stateful or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise NotRepairable(model.name, "one input, one output and no state are needed")
    if (reference.input.dtype, reference.output.dtype) != ("int8", "int8"):
        raise NotRepairable(
            model.name,
            f"it maps {reference.input.dtype} to {reference.output.dtype}, not int8 to int8: TensorFlow's "
            "converter makes that of inference_input_type = inference_output_type = tf.int8",
        )
    if reference.input.quantization is None:
        raise NotRepairable(model.name, "its input has no scale")
    if len(original.inputs) != 1 or len(original.outputs) != 1:
        raise PairMismatch("the float network", "one input and one output are needed")
    ends = (original.inputs[0], reference.input), (original.outputs[0], reference.output)
    for (index, ours), what in zip(ends, ("input", "output"), strict=True):
        theirs = original.tensors[index]
        if theirs.dtype != "float32":
            raise PairMismatch(f"the float network's {what}", f"it is {theirs.dtype}, not float32")
        if sample_shape(theirs) != sample_shape(ours):
            raise PairMismatch(f"the {what}", f"{list(theirs.shape)} in float, {list(ours.shape)} in int8")


def _paired(layer: Layer, original: Model, op: Operator, least: float) -> PairedLayer:
    if len(op.inputs) < 2 or op.inputs[1] < 0 or not op.outputs:
        raise PairMismatch(layer.name, f"its counterpart, op {op.index}, lacks weights or output")
    weights, output = original.tensors[op.inputs[1]], original.tensors[op.outputs[0]]
    ours = layer.kernel.node.output
    if weights.shape != layer.tensor.shape:
        raise PairMismatch(layer.name, f"weights {list(layer.tensor.shape)}, in float {list(weights.shape)}")
    if output.shape != ours.shape or output.dtype != "float32":
        raise PairMismatch(
            layer.name, f"output {list(ours.shape)}, in float {output.dtype} {list(output.shape)}"
        )
    cosine = _cosine(_real(layer.name, layer.tensor), _real(layer.name, weights))
    if not cosine >= least:
        raise PairMismatch(
            layer.name, f"the cosine between its weights and the float network's is {cosine:.2f}"
        )
    return PairedLayer(layer, output.index, cosine)


def _real(where: str, tensor: Tensor) -> NDArray[np.float64]:
    """A constant's real values."""
    if tensor.data is None or tensor.dtype not in ("float32", "int8", "int4"):
        raise PairMismatch(where, f"its weights in tensor {tensor.index} are no float32 or int8 constant")
    values = tensor.data.astype(np.float64)
    q = tensor.quantization
    if tensor.dtype == "float32" or q is None:
        if tensor.dtype != "float32" or not np.all(np.isfinite(values)):
            raise PairMismatch(where, f"the weights in tensor {tensor.index} are no finite real numbers")
        return values
    if len(q.scales) == 1:
        return (values - q.zero_point) * float(q.scale)
    if not 0 <= q.axis < values.ndim or len(q.scales) != values.shape[q.axis]:
        raise PairMismatch(where, f"{len(q.scales)} scales for weights of the shape {list(tensor.shape)}")
    shape = [1] * values.ndim
    shape[q.axis] = -1
    real: NDArray[np.float64] = (values - q.zero_points.reshape(shape)) * q.scales.astype(np.float64).reshape(
        shape
    )
    return real


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.sum(a * b)) / lengths if lengths > 0 else 0.0
