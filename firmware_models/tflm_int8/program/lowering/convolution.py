"""CONV_2D and DEPTHWISE_CONV_2D as sparse integer matrices."""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, repeated
from tflm_int8.program.lowering.builder import Builder


def convolution(b: Builder, k: Convolution2D) -> None:
    """A convolution on the centred input, then one staircase channel per output channel.

    Of an image with a border of the zero point, it is one of the image: the border adds nothing.
    """
    n_out, batch = len(k.filters), k.node.input(0).shape[0]
    positions = batch * k.window.n_positions
    border = b.borders.get(k.node.input(0).index)
    if border is not None and border.value == k.input_zero_point:
        source, window = border.source, border.around(k.window)
    else:
        source, window = b.source(k, 0), k.window
    linear = repeated(Convolution(window, k.filters, k.groups), batch)
    acc = b.emit(p.Affine((p.Term(source, linear, k.input_zero_point),), np.tile(k.bias, positions)))
    b.requantized(acc, k.requantize, np.tile(np.arange(n_out), positions), k.node.output.index)
