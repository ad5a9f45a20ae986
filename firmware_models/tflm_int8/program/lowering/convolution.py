"""CONV_2D and DEPTHWISE_CONV_2D as sparse integer matrices."""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.requantize import RequantizeWide
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution
from tflm_int8.program.lowering.builder import Builder


def convolution(b: Builder, k: Convolution2D) -> None:
    """A convolution on the centred input, then one staircase channel per output channel."""
    rule = k.requantize
    if isinstance(rule, RequantizeWide) or k.node.output.dtype != "int8" or k.node.input(0).shape[0] != 1:
        return b.exact(k)
    n_out, positions = len(k.filters), k.window.n_positions
    term = p.Term(b.source(k, 0), Convolution(k.window, k.filters, k.groups), k.input_zero_point)
    acc = b.emit(p.Affine((term,), np.tile(k.bias, positions)))
    b.requantized(acc, rule, np.tile(np.arange(n_out), positions), k.node.output.index)
