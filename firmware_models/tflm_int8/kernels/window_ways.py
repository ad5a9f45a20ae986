"""Which way to the sums under a window is quickest for a shape: an estimate of time for each, the least wins.

The constants are nanoseconds measured in float32 on an x86 core with AVX-512 and numpy 1.26; they choose a
way, never a value, and are the same for every model.
"""

from __future__ import annotations

import numpy as np

from tflm_int8.fixedpoint import I64Array
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.window_sums import (
    ByColumns,
    ByGroup,
    ByRows,
    ByTap,
    FloatType,
    Pointwise,
    WindowSums,
)

_MAX_ABREAST = 16
_MAX_MATRIX = 1 << 18
"""Elements of a strip's matrix: it stays in the second-level cache."""
_MAX_DENSE = 32
"""Depthwise filters of up to so many channels may be taken for dense ones."""


def window_sums(
    window: Window2D, filters: I64Array, groups: int, outside: int, dtype: FloatType
) -> WindowSums:
    """The quickest way for filters int64 [n_out, kernel_h, kernel_w, n_in / groups]."""
    n_in = groups * filters.shape[3]
    if groups == 1:
        return _dense(window, filters, outside, dtype)[1]
    if filters.shape[3] > 1:
        return ByGroup(window, filters, groups, outside, dtype)
    by_tap = ByTap(window, filters, groups, outside, dtype)
    if n_in > _MAX_DENSE or filters.size * n_in > _MAX_MATRIX:
        return by_tap
    cost, dense = _dense(window, _spread(filters, groups), outside, dtype)
    return dense if cost < _by_tap_ns(window, len(filters)) else by_tap


def _spread(filters: I64Array, groups: int) -> I64Array:
    """The filters of one group per channel as filters of one group, zero in other channels."""
    channel = np.arange(len(filters)) // (len(filters) // groups)
    dense: I64Array = filters * (channel[:, None] == np.arange(groups))[:, None, None, :]
    return dense


def _dense(window: Window2D, filters: I64Array, outside: int, dtype: FloatType) -> tuple[float, WindowSums]:
    """The quickest way for one group, and its time."""
    rows, columns = window.rows, window.columns
    shared = (window, filters, 1, outside, dtype)
    if _bare(rows) and _bare(columns):
        return _product_ns(window.n_positions, filters.shape[3], len(filters)), Pointwise(*shared)
    ways: list[tuple[float, WindowSums]] = []
    for abreast in range(1, min(columns.out, _MAX_ABREAST) + 1):
        if columns.out % abreast or (abreast > 1 and _matrix_size(window, filters, abreast) > _MAX_MATRIX):
            continue
        by_columns = ByColumns(*shared, abreast)
        ways.append((_by_columns_ns(by_columns), by_columns))
        if rows.stride == 1 and rows.kernel > 1:
            by_rows = ByRows(*shared, abreast)
            ways.append((_by_rows_ns(by_rows), by_rows))
    return min(ways, key=lambda way: way[0])


def _bare(axis: Axis) -> bool:
    """One tap, and no position outside the image."""
    return axis.kernel == 1 and axis.before == axis.after == 0 and axis.out == -(-axis.size // axis.stride)


def _matrix_size(window: Window2D, filters: I64Array, abreast: int) -> int:
    span = (abreast - 1) * window.columns.stride + window.columns.extent
    return window.rows.kernel * span * int(filters.shape[3]) * abreast * len(filters)


def _product_ns(rows: int, depth: int, width: int) -> float:
    """A matrix product: 45 products a ns, and what it costs to pack a row and to write one."""
    return rows * (depth * width / 45 + 0.05 * depth + 0.12 * width)


def _copy_ns(runs: int, length: int) -> float:
    return runs * (8 + 0.35 * length)


def _by_columns_ns(way: ByColumns) -> float:
    rows, strip = way.window.rows, way.span * way.n_in
    n = rows.out * way.n_strips
    return _copy_ns(n * rows.kernel, strip) + _product_ns(n, rows.kernel * strip, way.abreast * way.n_out)


def _by_rows_ns(way: ByRows) -> float:
    rows, strip = way.window.rows, way.span * way.n_in
    n, calls = rows.out * way.n_strips, 300 * rows.kernel
    products = rows.kernel * _product_ns(n, strip, way.abreast * way.n_out)
    added = 0.25 * (rows.kernel - 1) * way.window.n_positions * way.n_out
    return _copy_ns(rows.padded * way.n_strips, strip) + products + added + calls


def _by_tap_ns(window: Window2D, n_out: int) -> float:
    taps = window.rows.kernel * window.columns.kernel
    return window.rows.out * taps * (25 + 0.36 * window.columns.out * n_out)
