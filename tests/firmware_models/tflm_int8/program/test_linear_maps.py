"""A convolution's products are those of its matrix, which a plain loop over its definition writes down."""

from __future__ import annotations

import numpy as np
import pytest

from tflm_int8.geometry import Axis, Window2D
from tflm_int8.program import linear
from tflm_int8.program.linear import Convolution

SHAPES = {  # kernel, stride, dilation, padding, input channels, output channels, groups
    "plain": ((3, 2), 1, 1, "SAME", 2, 3, 1),
    "strided, valid": ((4, 4), 2, 1, "VALID", 1, 4, 1),
    "dilated": ((2, 3), 1, 2, "SAME", 2, 2, 1),
    "pointwise": ((1, 1), 1, 1, "SAME", 3, 5, 1),
    "pointwise in groups": ((1, 1), 1, 1, "VALID", 4, 6, 2),
    "depthwise": ((3, 3), 2, 1, "SAME", 4, 4, 4),
    "depthwise, two for each": ((3, 3), 1, 1, "VALID", 2, 4, 2),
}


def convolution(name: str) -> Convolution:
    kernel, stride, dilation, padding, n_in, n_out, groups = SHAPES[name]
    rows, columns = (Axis.of(n, k, stride, dilation, padding) for n, k in zip((7, 6), kernel, strict=True))
    filters = np.random.default_rng(3).integers(-127, 128, (n_out, *kernel, n_in // groups))
    return Convolution(Window2D(rows, columns), filters, groups)


def matrix(c: Convolution) -> np.ndarray:
    """[out y, out x, out channel] by [y, x, channel], tap by tap."""
    rows, columns, per_group = c.window.rows, c.window.columns, c.filters.shape[3]
    m = np.zeros((rows.out, columns.out, len(c.filters), rows.size, columns.size, c.in_channels), np.int64)
    for oy, ox, o, ky, kx, i in np.ndindex(rows.out, columns.out, *c.filters.shape):
        y = oy * rows.stride - rows.before + ky * rows.dilation
        x = ox * columns.stride - columns.before + kx * columns.dilation
        if 0 <= y < rows.size and 0 <= x < columns.size:
            channel = o // (len(c.filters) // c.groups) * per_group + i
            m[oy, ox, o, y, x, channel] += c.filters[o, ky, kx, i]
    return m.reshape(c.n_out, c.n_in)


@pytest.mark.parametrize("cells", [1, 1 << 18])
@pytest.mark.parametrize("name", SHAPES)
def test_a_convolution_is_its_matrix(name: str, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "_CELLS", cells)
    c, rng = convolution(name), np.random.default_rng(4)
    m = matrix(c)
    x, v = rng.integers(-128, 128, (5, c.n_in)), rng.integers(-99, 100, (5, c.n_out))
    np.testing.assert_array_equal(c.apply(x), x @ m.T)
    np.testing.assert_array_equal(c.transposed(v.astype(np.float64)), v @ m)
    lo, hi = x.min(axis=0), x.max(axis=0)
    up, down = np.maximum(m, 0), np.minimum(m, 0)
    np.testing.assert_array_equal(c.interval(lo, hi), (up @ lo + down @ hi, up @ hi + down @ lo))
    for i in range(c.n_out):
        columns, weights = c.row(i)
        np.testing.assert_array_equal(columns, np.flatnonzero(m[i]))
        np.testing.assert_array_equal(weights, m[i, columns])
