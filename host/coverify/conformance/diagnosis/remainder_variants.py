"""What may be wrong in the loops of a layer's sums: a rest that is left over, an end of the filter.

Where a loop over 2, 4, 8 or 16 has fewer elements than it takes at a time, no product is added at all:
several variants then give the same bytes, and the likeliest width comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from coverify.conformance.diagnosis.layer import Layer

_WIDTHS = (4, 2, 8, 16)
"""Elements that a vectorized loop takes at a time, the likeliest first."""


def remainders(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """Sums that leave out what a loop over 2, 4, 8 or 16 leaves over, an end of the filter, or everything."""
    yield from _channels_left_over(layer)
    yield from _taps_left_over(layer)
    if np.any(layer.weights):
        says = "no product is added: the sum is the bias alone"
        yield "products-missing", says, replace(layer, weights=np.zeros_like(layer.weights))
    yield from _ends(layer)


def _channels_left_over(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    depth = layer.weights.shape[3]
    for step in _WIDTHS:
        over = depth % step
        if not over or (depth < step and layer.groups > 1):
            continue  # a loop over the one channel of a group is not widened
        which = f"the last {over} input channels" if over < depth else f"all {depth} input channels"
        left = f"{which}, left over by a loop over {step}, are"
        if depth == 1:
            left = f"the only input channel, left over by a loop over {step}, is"
        yield (
            f"input-channels-remainder-{step}",
            f"{left} not added",
            replace(layer, weights=np.where(np.arange(depth) < depth - over, layer.weights, 0)),
        )
        if layer.z_in and over < depth:
            sums = layer.weights[..., depth - over :].sum(axis=(1, 2, 3))
            yield (
                f"input-zero-point-missing-remainder-{step}",
                f"x instead of x − zero point in {which}",
                replace(layer, bias=layer.bias + layer.z_in * sums),
            )


def _taps_left_over(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    out, height, width, depth = layer.weights.shape
    taps = height * width * depth
    for step in _WIDTHS:
        if height * width > 1 and taps % step:
            kept = np.where(np.arange(taps) < taps - taps % step, layer.weights.reshape(out, -1), 0)
            which = f"the last {taps % step} taps" if taps > step else f"all {taps} taps"
            yield (
                f"taps-remainder-{step}",
                f"{which}, left over by a loop over {step}, are not added",
                replace(layer, weights=kept.reshape(layer.weights.shape)),
            )


def _ends(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    _, height, width, depth = layer.weights.shape
    for name, index in (("first", 0), ("last", -1)):
        if height * width > 1:
            row, column, both = layer.weights.copy(), layer.weights.copy(), layer.weights.copy()
            row[:, index], column[:, :, index], both[:, index, index] = 0, 0, 0
            if height > 1:
                yield (
                    f"filter-{name}-row-missing",
                    f"the filter's {name} row is not added",
                    replace(layer, weights=row),
                )
            if width > 1:
                yield (
                    f"filter-{name}-column-missing",
                    f"the filter's {name} column is not added",
                    replace(layer, weights=column),
                )
            yield (
                f"filter-{name}-tap-missing",
                f"the filter's {name} tap is not added",
                replace(layer, weights=both),
            )
        if depth > 1:
            channel = layer.weights.copy()
            channel[..., index] = 0
            yield (
                f"{name}-input-channel-missing",
                f"the {name} input channel is not added",
                replace(layer, weights=channel),
            )
