"""The greatest element or the sum under every position of a pool: rows of taps first, then columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.geometry import Axis, Window2D


def fold(
    operation: np.ufunc, images: NDArray[Any], window: Window2D, dtype: np.dtype[Any], outside: int
) -> NDArray[Any]:
    """`operation` over the taps of each position: [n, height, width, c] → dtype [n, out_h, out_w, c].

    operation: associative and commutative, without overflow in `dtype`; outside: its neutral element, which
    taps outside the image read; dilation 1.
    """
    by_rows = _fold(operation, _padded(images, window, dtype, outside), window.rows, 1)
    return _fold(operation, by_rows, window.columns, 2)


def _padded(images: NDArray[Any], window: Window2D, dtype: np.dtype[Any], outside: int) -> NDArray[Any]:
    if window.n_padded == window.n_pixels:
        return images.astype(dtype, copy=False)
    rows, columns = window.rows, window.columns
    padded = np.full((len(images), rows.padded, columns.padded, images.shape[3]), outside, dtype)
    inside = padded[:, rows.before : rows.before + rows.size]
    inside[:, :, columns.before : columns.before + columns.size] = images
    return padded


def _fold(operation: np.ufunc, x: NDArray[Any], along: Axis, axis: int) -> NDArray[Any]:
    """One axis of the window; a view of x where it has one tap."""
    under = [slice(i, i + (along.out - 1) * along.stride + 1, along.stride) for i in range(along.kernel)]
    taps = [x[(slice(None),) * axis + (tap,)] for tap in under]
    if len(taps) == 1:
        return taps[0]
    total: NDArray[Any] = operation(taps[0], taps[1])
    for tap in taps[2:]:
        operation(total, tap, out=total)
    return total
