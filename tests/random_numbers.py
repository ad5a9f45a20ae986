"""Numbers of random int8 graphs: zero points, weights, scales."""

from __future__ import annotations

import numpy as np

Rng = np.random.Generator


def zero_point(rng: Rng) -> int:
    """Often an end of the range, or none."""
    return int(rng.choice([-128, 127, 0, int(rng.integers(-128, 128))]))


def weights(rng: Rng, shape: tuple[int, ...]) -> np.ndarray:
    """Of the whole range; now and then at its ends alone."""
    if rng.random() < 0.15:
        return rng.choice([-128, -127, 127], shape)
    return rng.integers(-128, 128, shape)


def typical_scale(rng: Rng, x_scale: float, w_scale: np.ndarray, depth: int) -> float:
    """A scale under which outputs spread over the int8 range, now and then far too small or too large."""
    typical = x_scale * float(np.median(w_scale)) * 64 * 64 * np.sqrt(depth) / 60
    return float(np.float32(typical * 10.0 ** rng.uniform(-0.7, 0.7)))
