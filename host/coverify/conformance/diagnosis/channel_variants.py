"""What may be wrong in a layer's channels: the group read, indices modulo a width, the rest of a loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coverify.conformance.diagnosis.candidate import I64Array
from coverify.conformance.diagnosis.layer import Layer, StampedLayer
from coverify.conformance.diagnosis.windows import wrong_pixels, wrong_windows

_WIDTHS = (2, 4, 8, 16)
"""Channels that a vectorized loop takes at a time."""


def wrong_places(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """Weights that meet other inputs: windows, pixels, groups, channels.

    A window without a tap inside the image is left out: it adds no product, which has a variant of its own.
    """
    for name, says, window in wrong_windows(layer.window):
        if isinstance(layer, StampedLayer) or np.any(window.taps < window.n_pixels):
            yield name, says, replace(layer, window=window)
    if not isinstance(layer, StampedLayer):
        for name, says, window in wrong_pixels(layer.window):
            yield name, says, replace(layer, window=window)
        yield from wrong_groups(layer)
    yield from wrong_indices(layer)


def wrong_groups(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """Of a convolution in groups, a depthwise one among them: which group an output channel reads."""
    out, groups = len(layer.weights), layer.groups
    if groups == 1:
        return
    channels = np.arange(out)
    right = channels // (out // groups)
    for name, says, read in (
        (
            "groups-interleaved",
            "output channel c reads group c modulo the groups (a depth multiplier that runs slower)",
            channels % groups,
        ),
        ("group-first", "every output channel reads the first group", 0 * channels),
        ("group-of-next", "every output channel reads the group behind its own", (right + 1) % groups),
    ):
        if not np.array_equal(read, right):
            yield name, says, _reading(layer, read)


def _reading(layer: Layer, group: I64Array) -> Layer:
    """The layer in one group, whose output channel c reads input group[c]."""
    out, height, width, depth = layer.weights.shape
    wide = np.zeros((out, height, width, layer.groups, depth), np.int64)
    wide[np.arange(out), :, :, group] = layer.weights
    return replace(layer, groups=1, weights=wide.reshape(out, height, width, -1))


def wrong_indices(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """Biases, scales and weights of channel c modulo a vector's width, and a rest without a bias."""
    channels = np.arange(len(layer.bias))
    for width in _WIDTHS:
        if len(channels) > width:
            for name, changed in _numbers(layer, channels % width):
                says = f"channel c has those of channel c modulo {width}"
                yield f"{name}-modulo-{width}", says, changed
        rest = len(channels) % width
        if rest and len(channels) > width:
            first = len(channels) - rest
            for name, changed in _numbers(layer, np.where(channels < first, channels, channels - first)):
                says = f"the last {rest} channels, left over by a loop over {width}, have those of the first"
                yield f"{name}-rest-restarts-{width}", says, changed
            says = f"the last {rest} channels, left over by a loop over {width}, have no bias"
            yield f"bias-missing-rest-{width}", says, _unbiased(layer, channels >= first)
            says = f"to the last {rest} channels, left over by a loop over {width}, no product is added"
            unweighted = np.where((channels < first)[:, None, None, None], layer.weights, 0)
            yield f"products-missing-rest-{width}", says, replace(layer, weights=unweighted)
    if len(channels) > 1:
        beside = np.where(channels == channels[-1], channels - 1, channels)
        for name, changed in _numbers(layer, beside):
            yield f"{name}-of-previous-last-channel", "the last channel has those of the one before", changed
        for name, place in (("first", 0), ("last", len(channels) - 1)):
            says = f"the {name} channel has no bias"
            yield f"bias-missing-{name}-channel", says, _unbiased(layer, channels == place)


def _numbers(layer: Layer, index: I64Array) -> Iterator[tuple[str, Layer]]:
    scales = replace(layer, multiplier=layer.multiplier[index], shift=layer.shift[index])
    yield "scale", scales
    yield "multiplier", replace(layer, multiplier=layer.multiplier[index])
    yield "bias", replace(layer, bias=layer.bias[index])
    yield "scale-and-bias", replace(scales, bias=layer.bias[index])
    yield "weights", replace(layer, weights=layer.weights[index])


def _unbiased(layer: Layer, where: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Layer:
    return replace(layer, bias=np.where(where, 0, layer.bias))
