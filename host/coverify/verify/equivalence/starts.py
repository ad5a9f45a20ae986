"""From where is a search started? Random points of a region, of many kinds; the inputs that were given first.

Noise alone drives most networks into one class: constants, stripes and sparse changes are drawn as well.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.query import I64Array


def starts(rng: np.random.Generator, lo: I64Array, hi: I64Array, given: I64Array, n: int) -> I64Array:
    """n points of the box lo..hi: int64 [n, n_input].  given: int64 [m, n_input], at least one row."""
    return np.stack([_start(rng, lo, hi, given) for _ in range(n)])


def _start(rng: np.random.Generator, lo: I64Array, hi: I64Array, given: I64Array) -> I64Array:
    kind, size = rng.integers(6), len(lo)
    base = given[rng.integers(len(given))]
    match kind:
        case 0:
            x = rng.integers(lo, hi + 1)
        case 1:
            x = np.where(rng.random(size) < rng.random(), lo, hi)
        case 2:
            spread = int(rng.integers(0, 1 + int((hi - lo).max())))
            x = int(rng.integers(lo.min(), hi.max() + 1)) + rng.integers(-spread, spread + 1, size)
        case 3:
            wave = np.sin(np.arange(size) * rng.uniform(0.01, 3.2) + rng.uniform(0, 6.3))
            x = np.rint((lo + hi) / 2 + wave * (hi - lo) / 2 * rng.random()).astype(np.int64)
        case 4:
            x = np.where(rng.random(size) < rng.random() ** 2, rng.integers(lo, hi + 1), base)
        case _:
            spread = int(rng.integers(1, 5))
            x = base + rng.integers(-spread, spread + 1, size)
    return np.clip(x, lo, hi).astype(np.int64)
