"""Clamped stairs of equal steps, level by level, as the search for parabolas reads them."""

import numpy as np


def levels_between(
    lo: np.ndarray, hi: np.ndarray, step: int, least: int, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """value, first, last [m, levels] of y(a) = clip(a // step, least, most) for lo <= a <= hi, [m] each."""
    low, high = (np.clip(end // step, least, most) for end in (lo, hi))
    value = np.minimum(low[:, None] + np.arange((high - low).max() + 1), high[:, None])
    first = np.where(value == least, lo[:, None], np.maximum(step * value, lo[:, None]))
    last = np.where(value == most, hi[:, None], np.minimum(step * value + step - 1, hi[:, None]))
    return value, first, last
