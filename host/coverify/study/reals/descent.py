"""Where might a float network leave its label? A few descents in float64; a guide, never a verdict."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coverify.study.reals.bound import Range
from coverify.study.reals.exact import ExactNetwork
from coverify.verify.query import F64Array

STARTS = 4
STEPS = 24


def candidates(network: ExactNetwork, inputs: Range, label: int, seed: int) -> Iterator[F64Array]:
    """Points of the box, float64 [n], where label − rival is at most 0 in float64; the least first."""
    rivals = np.array([j for j in range(network.n_output) if j != label])
    if not len(rivals):
        return
    rng = np.random.default_rng(seed)
    x = rng.uniform(inputs.lo, inputs.hi, (STARTS * len(rivals), network.n_input))
    x[: len(rivals)] = (inputs.lo + inputs.hi) / 2
    aims = np.zeros((len(x), network.n_output))
    aims[:, label] = 1.0
    aims[np.arange(len(x)), np.tile(rivals, STARTS)] = -1.0
    best, least = x.copy(), np.full(len(x), np.inf)
    for step in range(STEPS):
        slope, margin = _slopes(network, x, aims)
        better = margin < least
        best[better], least[better] = x[better], margin[better]
        reach = (inputs.hi - inputs.lo) * (1 - step / STEPS)
        x = np.clip(x - reach * np.sign(slope), inputs.lo, inputs.hi)
    for k in np.argsort(least):
        if least[k] > 0:
            return
        yield best[k]


def _slopes(network: ExactNetwork, x: F64Array, aims: F64Array) -> tuple[F64Array, F64Array]:
    """The gradients of aims · outputs by x, [N, n_input], and these margins, [N]."""
    on, value = [], x
    for i, layer in enumerate(network.layers):
        weights, bias = layer.floats
        value = value @ weights.T + bias
        if i + 1 < len(network.layers):
            on.append(value > 0)
            value = np.maximum(value, 0.0)
    slope = aims
    for i in range(len(network.layers) - 1, -1, -1):
        slope = slope @ network.layers[i].floats[0]
        if i > 0:
            slope = slope * on[i - 1]
    return slope, (value * aims).sum(axis=1)
