"""A float network as an int8 .tflite file whose numbers use only b <= 8 bits each: it runs on a device.

TFLite's affine scheme. Weights are symmetric, one scale for each layer, codes −(2**(b−1) − 1)..2**(b−1) − 1.
Activations have 2**b codes from −128 on: ReLU scales freely, so that a hidden layer is scaled until its
calibrated maximum is 6; its output's scale is 6 / (2**b − 1), and a fused RELU6 clamps at the last code.
Outputs are scaled to −1..1 with the scale 1 / (2**(b−1) − 1) and zero point 0, so that RELU_N1_TO_1 clamps
them to signed b bits. The input's codes are pixel − 128 at every width (real value: pixel / 255).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from coverify.study.dense_file import RELU6, RELU_N1_TO_1, DenseInt8, dense_file
from coverify.study.errors import NotQuantizable
from coverify.study.float_network import TOP_CODE, FloatNetwork
from coverify.study.ranges import Ranges

BITS: Final = (2, 8)
"""Widths that there are."""
_IN_SCALE: Final = float(np.float32(1 / TOP_CODE))
_LEAST: Final = -128
_TINY: Final = 1e-9
MAX_BIAS: Final = 1 << 29
"""Largest bias: the accumulators of 2**16 products stay in int32."""


def output_unit(ranges: Ranges, bits: int) -> float:
    """The real value of one code of the output."""
    return ranges.logits / ((1 << (bits - 1)) - 1)


def affine(network: FloatNetwork, ranges: Ranges, bits: int) -> bytes:
    """The .tflite file of this width; `network` takes codes 0..255.  Raises NotQuantizable."""
    if not BITS[0] <= bits <= BITS[1]:
        raise NotQuantizable(f"int8 .tflite of {bits} bits: there are {BITS[0]} to {BITS[1]}")
    layers, source, unit = [], _IN_SCALE, _IN_SCALE
    for i, layer in enumerate(network.layers):
        last = i + 1 == len(network.layers)
        top = 1.0 if last else 6.0
        grown = top / (ranges.logits if last else ranges.activations[i])
        weights, bias = layer.weights * (grown / unit), layer.bias * grown
        scale = float(np.float32(max(float(np.abs(weights).max()), _TINY) / ((1 << (bits - 1)) - 1)))
        steps = np.rint(bias / float(np.float32(source) * np.float32(scale)))
        if np.abs(steps).max() > MAX_BIAS:
            raise NotQuantizable(f"{network.name}: the biases of layer {i} do not fit {bits} bits")
        codes = (1 << (bits - 1)) - 1 if last else (1 << bits) - 1
        out_scale = float(np.float32(top / codes))
        rounded = np.rint(weights / scale).astype(np.int8)
        ends = (RELU_N1_TO_1, out_scale, 0) if last else (RELU6, out_scale, _LEAST)
        layers.append(DenseInt8(rounded, steps.astype(np.int32), scale, *ends))
        source, unit = out_scale, grown
    return dense_file(layers, _IN_SCALE, _LEAST)
