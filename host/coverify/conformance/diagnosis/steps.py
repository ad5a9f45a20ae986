"""How does the reference come to one element? Its accumulator, multiplier, shift, rounded, clamped value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coverify.conformance.diagnosis.arithmetic_variants import Arithmetic, arithmetic_of
from coverify.conformance.diagnosis.candidate import Array
from coverify.conformance.diagnosis.layer import Layer, layer_of
from coverify.conformance.diagnosis.pool_variants import Pooling, pooling_of
from coverify.conformance.diagnosis.wide_variants import wide_layer_of
from coverify.report import Stage
from tflm_int8.fixedpoint import srdhm
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.multiply import Multiply
from tflm_int8.kernels.pooling import AveragePool, MaxPool
from tflm_int8.kernels.reducing import SumReduction
from tflm_int8.operators import Kernel


def steps(kernel: Kernel, inputs: Sequence[Array], element: tuple[int, ...]) -> tuple[Stage, ...]:
    """The steps to the output's `element` for one sample (inputs: [1, shape]); () where none are known."""
    layer = layer_of(kernel)
    if layer is not None:
        return _layer(layer, inputs[layer.x], element)
    wide = wide_layer_of(kernel)
    if wide is not None:
        return _wide(wide, inputs[wide.x], element)
    if isinstance(kernel, AveragePool | MaxPool):
        return _pool(pooling_of(kernel), inputs[0], element)
    if isinstance(kernel, Add | Multiply | SumReduction):
        plain = arithmetic_of(kernel)
        return _arithmetic(plain, inputs, element) if plain is not None else ()
    return ()


def _stage(acc: int, multiplier: int, shift: int, z_out: int, lo: int, hi: int, rounded: int) -> list[Stage]:
    one = np.array([acc], np.int64)
    high = int(srdhm(one << max(shift, 0), multiplier)[0])
    return [
        Stage(name="multiplier", value=multiplier),
        Stage(name="shift", value=shift),
        Stage(name="high product", value=high),
        Stage(name="rounded", value=rounded),
        Stage(name="plus zero point", value=rounded + z_out),
        Stage(name="lower bound", value=lo),
        Stage(name="upper bound", value=hi),
        Stage(name="clamped", value=min(max(rounded + z_out, lo), hi)),
    ]


def _layer(layer: Layer, x: Array, element: tuple[int, ...]) -> tuple[Stage, ...]:
    at = (0, *element)
    acc = int(layer.accumulators(x)[at])
    channel = element[-1]
    m, s = int(layer.multiplier[channel]), int(layer.shift[channel])
    rounded = int(layer.scale(np.array([acc]), layer.multiplier[[channel]], layer.shift[[channel]])[0])
    bias = int(layer.bias[channel])
    first = [
        Stage(name="sum of products", value=acc - bias),
        Stage(name="bias", value=bias),
        Stage(name="accumulator", value=acc),
    ]
    return (*first, *_stage(acc, m, s, layer.z_out, layer.lo, layer.hi, rounded))


def _wide(layer: Layer, x: Array, element: tuple[int, ...]) -> tuple[Stage, ...]:
    at, channel = (0, *element), element[-1]
    acc = int(layer.accumulators(x)[at])
    m, s, bias = layer.multiplier[[channel]], layer.shift[[channel]], int(layer.bias[channel])
    rounded = int(layer.scale(np.array([acc]), m, s)[0])
    return (
        Stage(name="sum of products", value=acc - bias),
        Stage(name="bias", value=bias),
        Stage(name="accumulator", value=acc),
        Stage(name="multiplier's upper half", value=int(m[0]) >> 16),
        Stage(name="shift", value=int(s[0])),
        Stage(name="rounded", value=rounded),
        Stage(name="lower bound", value=layer.lo),
        Stage(name="upper bound", value=layer.hi),
        Stage(name="clamped", value=min(max(rounded, layer.lo), layer.hi)),
    )


def _pool(pool: Pooling, x: Array, element: tuple[int, ...]) -> tuple[Stage, ...]:
    batch, row, column, channel = element
    taps = pool.window.taps[row * pool.window.columns.out + column]
    inside = taps[taps < pool.window.n_pixels]
    values = x.reshape(-1, pool.window.n_pixels, x.shape[-1])[batch, inside, channel].astype(np.int64)
    result = int(values.max())
    found = [Stage(name="positions inside the image", value=len(inside))]
    if pool.divide is not None:
        total = values.sum(keepdims=True)
        result = int(pool.divide(total, np.array([len(inside)]))[0])
        found.append(Stage(name="sum", value=int(total[0])))
    return (
        *found,
        Stage(name="rounded" if pool.divide is not None else "greatest", value=result),
        Stage(name="lower bound", value=pool.lo),
        Stage(name="upper bound", value=pool.hi),
        Stage(name="clamped", value=min(max(result, pool.lo), pool.hi)),
    )


def _arithmetic(plain: Arithmetic, inputs: Sequence[Array], element: tuple[int, ...]) -> tuple[Stage, ...]:
    shape = plain.kernel.node.output.shape
    at = (0, *element)
    acc_all = plain.accumulators(inputs)
    acc = int(acc_all.reshape(len(acc_all), *shape)[at])
    stage = plain.stage
    one = np.array([acc], np.int64)
    rounded = int(plain.outer(one, np.array([stage.value]), np.array([stage.shift]))[0])
    tail = _stage(acc, stage.value, stage.shift, plain.z_out, plain.lo, plain.hi, rounded)
    return (Stage(name="accumulator", value=acc), *tail)
