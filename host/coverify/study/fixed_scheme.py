"""A float network in b-bit fixed point: powers of two alone, as in the networks of the literature.

Giacobbe, Henzinger and Lechner (TACAS 2020) and the networks published by Henzinger et al. (AAAI 2021) and
Zhang et al. (ASE 2022). Pixels are numbers of 8 fraction bits. A layer has signed b-bit weights, unsigned
b-bit activations (ReLU cut at 2**b − 1) or, the last one, signed b-bit outputs; the bias has the format of
the output. The accumulator is shifted to the output's format, halves up. How many bits stand before the point
is the same for all widths: the least that hold the weights and the calibrated activations, so that more bits
are more fraction bits. The file is that of coverify.verify.fixed_point.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.npy import npz_bytes
from coverify.study.errors import NotQuantizable
from coverify.study.float_network import TOP_CODE, FloatNetwork
from coverify.study.ranges import Ranges
from coverify.verify.errors import BadNetwork
from coverify.verify.fixed_point import MAX_SHIFT, FixedPointNetwork

BITS: Final = (2, 14)
"""Widths that there are."""
PIXEL_BITS: Final = 8


def output_unit(network: FloatNetwork, ranges: Ranges, bits: int) -> float:
    """The real value of one code of the output."""
    return 2.0 ** -_formats(network, ranges, bits)[-1][1]


def _formats(network: FloatNetwork, ranges: Ranges, bits: int) -> list[tuple[int, int]]:
    """Fraction bits of every layer's weights and outputs."""
    found: list[tuple[int, int]] = []
    fraction = PIXEL_BITS
    for i, weights in enumerate(_weights(network)):
        last = i + 1 == len(network.layers)
        w_bits = bits - 1 - _whole_bits(float(np.abs(weights).max()))
        reach = ranges.logits if last else ranges.activations[i]
        out_bits = (bits - 1 if last else bits) - _whole_bits(reach)
        fraction = min(out_bits, fraction + w_bits)  # a shift to the left would add nothing
        found.append((w_bits, fraction))
    return found


def _weights(network: FloatNetwork) -> list[NDArray[np.float64]]:
    """The weights for pixels that are code / 256."""
    first, *others = (layer.weights for layer in network.layers)
    return [first * float(TOP_CODE + 1), *others]


def fixed_point(network: FloatNetwork, ranges: Ranges, bits: int) -> FixedPointNetwork:
    """The network of this width; `network` takes codes 0..255.  Raises NotQuantizable."""
    if not BITS[0] <= bits <= BITS[1]:
        raise NotQuantizable(f"fixed point of {bits} bits: there are {BITS[0]} to {BITS[1]}")
    arrays: dict[str, NDArray[Any]] = {"n_layers": np.array(len(network.layers), np.int32)}
    fraction, weights = PIXEL_BITS, _weights(network)
    formats = _formats(network, ranges, bits)
    for i, layer in enumerate(network.layers):
        last = i + 1 == len(network.layers)
        w_bits, out_bits = formats[i]
        shift = fraction + w_bits - out_bits
        if shift > MAX_SHIFT:
            raise NotQuantizable(f"layer {i} of {network.name} needs a shift of {shift} bits")
        half = 1 << (bits - 1)
        arrays[f"w{i}"] = np.clip(_nearest(weights[i], w_bits), -half, half - 1).astype(np.int64)
        arrays[f"b{i}"] = (_nearest(layer.bias, out_bits) * 2.0**shift).astype(np.int64)
        arrays[f"shift{i}"] = np.array(shift, np.int32)
        arrays[f"lo{i}"] = np.array(-half if last else 0, np.int32)
        arrays[f"hi{i}"] = np.array(half - 1 if last else 2 * half - 1, np.int32)
        fraction = out_bits
    try:
        return FixedPointNetwork.from_bytes(npz_bytes(arrays), f"fixed-b{bits}.npz")
    except BadNetwork as err:
        raise NotQuantizable(str(err)) from err


def _whole_bits(value: float) -> int:
    """The least k with value <= 2**k."""
    return math.ceil(math.log2(value)) if value > 0 else 0


def _nearest(values: NDArray[np.float64], bits: int) -> NDArray[np.float64]:
    """values · 2**bits, the nearest integers (halves to even: a tie of a float weight has no meaning)."""
    nearest: NDArray[np.float64] = np.rint(values * 2.0**bits)
    return nearest
