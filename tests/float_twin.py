"""A float network for an int8 one, and an int8 network that quantization has hurt: pairs for repairs.

`twin`: the same graph in float32, its weights and biases those that the int8 codes stand for. `coarsened`:
the same int8 file with every weight rounded to as few bits as asked, still codes of int8: what a crude
quantization leaves, with room for a repair on the whole lattice.
"""

from __future__ import annotations

import numpy as np

from coverify.repair.layer import layers_of
from coverify.repair.patch import apply, changes
from model_builder import Builder
from tflm_int8 import Model, Reference

_OPTIONS = {
    "FULLY_CONNECTED": (8, {"FusedActivationFunction": (0, "<b", 0)}),
    "CONV_2D": (
        1,
        {
            "Padding": (0, "<b", 0),
            "StrideW": (1, "<i", 0),
            "StrideH": (2, "<i", 0),
            "FusedActivationFunction": (3, "<b", 0),
            "DilationWFactor": (4, "<i", 1),
            "DilationHFactor": (5, "<i", 1),
        },
    ),
    "DEPTHWISE_CONV_2D": (
        2,
        {
            "Padding": (0, "<b", 0),
            "StrideW": (1, "<i", 0),
            "StrideH": (2, "<i", 0),
            "DepthMultiplier": (3, "<i", 0),
            "FusedActivationFunction": (4, "<b", 0),
            "DilationWFactor": (5, "<i", 1),
            "DilationHFactor": (6, "<i", 1),
        },
    ),
    "AVERAGE_POOL_2D": (5, {}),
    "MAX_POOL_2D": (5, {}),
    "RESHAPE": (17, {}),
    "EXPAND_DIMS": (52, {}),
    "SQUEEZE": (30, {}),
    "PAD": (22, {}),
    "MEAN": (27, {"KeepDims": (0, "<b", 0)}),
    "SOFTMAX": (9, {}),
    "SHAPE": (55, {"OutType": (0, "<b", 0)}),
    "STRIDED_SLICE": (32, {"ShrinkAxisMask": (4, "<i", 0)}),
    "PACK": (59, {"ValuesCount": (0, "<i", 0), "Axis": (1, "<i", 0)}),
}
_POOL = {
    "Padding": (0, "<b", 0),
    "StrideW": (1, "<i", 0),
    "StrideH": (2, "<i", 0),
    "FilterWidth": (3, "<i", 0),
    "FilterHeight": (4, "<i", 0),
    "FusedActivationFunction": (5, "<b", 0),
}


def twin(model: Model) -> bytes:
    """The float network.  Raises KeyError for an operator that it does not know."""
    b, made = Builder(), {}
    for tensor in model.tensors:
        real = None
        if tensor.data is not None:
            real = tensor.data if tensor.quantization is None else _real(tensor)
        dtype = "float32" if tensor.quantization is not None else tensor.dtype
        made[tensor.index] = b.tensor(
            tensor.shape, dtype, data=None if real is None else real.astype(np.dtype(dtype))
        )
    b.inputs = [made[i] for i in model.inputs]
    for op in model.operators:
        union, fields = _OPTIONS[op.name]
        fields = _POOL if op.name.endswith("_POOL_2D") else fields
        options = {name: op.options.integer(*where) for name, where in fields.items()}
        if op.name == "SOFTMAX":
            options = {"Beta": op.options.float32(0)}
        b.op(op.name, [made[i] for i in op.inputs if i >= 0], made[op.outputs[0]], union, **options)
    return b.finish(*(made[i] for i in model.outputs))


def _real(tensor) -> np.ndarray:
    q = tensor.quantization
    shape = [1] * len(tensor.shape)
    if len(q.scales) > 1:
        shape[q.axis if tensor.dtype == "int8" else 0] = -1
    scales, zeros = q.scales.astype(np.float64).reshape(shape), q.zero_points.reshape(shape)
    return (tensor.data.astype(np.float64) - zeros) * scales


def coarsened(model: Model, bits: int) -> Model:
    """Weights rounded to multiples of 2**(8 − bits) codes, within ±127."""
    step = 1 << (8 - bits)
    for number in range(len(layers_of(Reference(model)))):
        layer = layers_of(Reference(model))[number]
        codes = np.clip(np.rint(layer.weights / step) * step, -127, 127).astype(np.int64)
        model = apply(model, changes(layer, codes))
    return model
