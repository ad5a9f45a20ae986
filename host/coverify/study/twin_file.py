"""Two copies of one network as a network of its own, in the same file format: certificates are about it.

Its input is [x, p], its output that of the copy of x, then that of the copy whose protected features are p
(twins.py). Layers are put side by side, blocks of one matrix; nothing else changes, so that each half
computes the integers of the original. For chains of dense layers: fixed-point networks, and .tflite files
with one weight scale per layer. A largest gap of d is then a linear claim about one network, c · y <= d.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.npy import npz_bytes
from coverify.study.dense_file import DenseInt8, dense_file
from coverify.study.twins import Twins, doubled
from coverify.verify.certificate import Relation
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.property.appended import appended
from coverify.verify.property.formula import AllOf
from coverify.verify.property.formula import relation as at_most
from coverify.verify.query import I64Array
from tflm_int8 import Model
from tflm_int8.model import Operator, Tensor
from tflm_int8.program.primitives import Program

NAMES = {"npz": "twin.npz", "tflite": "twin.tflite"}


def twin_npz(network: FixedPointNetwork, protected: Sequence[int]) -> bytes:
    """The file of both copies of a fixed-point network."""
    arrays: dict[str, NDArray[Any]] = {"n_layers": np.array(len(network.layers), np.int32)}
    for i, layer in enumerate(network.layers):
        arrays[f"w{i}"] = doubled(layer.weights, protected if i == 0 else None)
        arrays[f"b{i}"] = np.concatenate([layer.bias, layer.bias])
        for name, value in (("shift", layer.shift), ("lo", layer.lo), ("hi", layer.hi)):
            arrays[f"{name}{i}"] = np.array(value, np.int32)
    return npz_bytes(arrays)


def twin_tflite(model: Model, protected: Sequence[int]) -> bytes | None:
    """The file of both copies; None where the network is no chain of dense layers of one weight scale."""
    layers: list[DenseInt8] = []
    current = model.inputs[0]
    for op in model.operators:
        layer = _dense(model, op) if op.name == "FULLY_CONNECTED" and op.inputs[0] == current else None
        if layer is None:
            return None
        weights = doubled(layer.weights, protected if not layers else None)
        bias = np.concatenate([layer.bias, layer.bias])
        ends = layer.activation, layer.out_scale, layer.out_zero_point
        layers.append(DenseInt8(weights.astype(np.int8), bias, layer.scale, *ends))
        current = op.outputs[0]
    first = model.tensors[model.inputs[0]].quantization
    if not layers or current != model.outputs[0] or first is None:
        return None
    return dense_file(layers, float(first.scale), first.zero_point)


def gap_relations(twins: Twins, most: int) -> list[Relation]:
    """Relations of both copies' outputs, each of which says that no gap is above `most`: those first that are
    proved or refuted sooner.

    Of a score that is one output less another, no gap is above 2 d where none of either output is above d,
    and roundings do not add up in what one output says. The converse holds where the outputs are opposite.
    """
    found = [gap_relation(twins.score, most)]
    outputs = np.flatnonzero(twins.score)
    if len(outputs) == 2 and np.all(np.abs(twins.score[outputs]) == 1) and most % 2 == 0:
        one = np.eye(len(twins.score), dtype=np.int64)[outputs]
        rows = np.concatenate([-one, one], axis=1)
        found.insert(0, Relation(np.concatenate([rows, -rows]), np.full(2 * len(rows), most // 2)))
    return found


def claimed(both: Program, relation: Relation) -> Program:
    """The program whose label 0 stays where the outputs of `both` keep the relation."""
    rows = zip(relation.c.tolist(), relation.d.tolist(), strict=True)
    return appended(both, AllOf(tuple(at_most(dict(enumerate(row)), end) for row, end in rows)))


def gap_relation(score: I64Array, most: int) -> Relation:
    """|score of the second copy − score of the first| <= most, of the outputs of both."""
    row = np.concatenate([-score, score])
    return Relation(np.stack([row, -row]), np.array([most, most], np.int64))


def _dense(model: Model, op: Operator) -> DenseInt8 | None:
    tensors: list[Tensor | None] = [model.tensors[t] if t >= 0 else None for t in (*op.inputs, -1)[:3]]
    weights, bias, out = tensors[1], tensors[2], model.tensors[op.outputs[0]]
    if weights is None or bias is None or weights.data is None or bias.data is None or op.options is None:
        return None
    scales, ends = weights.quantization, out.quantization
    if (weights.dtype, bias.dtype, out.dtype) != ("int8", "int32", "int8") or scales is None or ends is None:
        return None
    if len(scales.scales) != 1 or np.any(scales.zero_points != 0) or out.size != len(bias.data):
        return None
    if any(op.options.integer(field, "<b", 0) for field in (1, 2)):  # other formats, dimensions kept
        return None
    activation = op.options.integer(0, "<b")
    return DenseInt8(
        weights.data.astype(np.int8),
        bias.data.astype(np.int32),
        float(scales.scales[0]),
        activation,
        float(ends.scale),
        ends.zero_point,
    )
