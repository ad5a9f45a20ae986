"""A float convolution as the matrix of a dense layer, on tensors in C order of (height, width, channels).

Source of the geometry: ComputePadding and ComputeOutSize, TFLite kernels/padding.h.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tflm_int8.flatbuffer import Table

F64Array = NDArray[np.float64]
_SAME, _VALID = 0, 1


def unrolled(
    filters: F64Array,
    bias: F64Array,
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    options: Table,
    max_cells: int,
) -> tuple[F64Array, F64Array]:
    """The matrix float64 [y, x] and the bias [y] of a CONV_2D.

    filters: [out, height, width, in]; shapes: [1, height, width, channels]; options: Conv2DOptions.
    Raises ValueError (a shape or option that is not read, or that does not fit the others; more than
    max_cells), Damaged.
    """
    padding = options.integer(0, "<b")
    strides = options.integer(2, "<i"), options.integer(1, "<i")
    dilated = options.integer(5, "<i", 1) != 1 or options.integer(4, "<i", 1) != 1
    if padding not in (_SAME, _VALID):
        raise ValueError(f"padding {padding} is not read")
    if filters.ndim != 4 or len(x_shape) != 4 or len(y_shape) != 4 or x_shape[0] != 1 or min(strides) < 1:
        raise ValueError("its shapes are not those of a convolution of one sample")
    if dilated or filters.shape[3] != x_shape[3] or y_shape[3] != len(filters):
        raise ValueError("dilations and groups are not read")
    for k in (1, 2):
        room = x_shape[k] if padding == _SAME else x_shape[k] - filters.shape[k] + 1
        if y_shape[k] != max(0, -(-room // strides[k - 1])):
            raise ValueError(
                f"its output is {y_shape[k]} where its input gives another number of rows or columns"
            )
    if int(np.prod(x_shape)) * int(np.prod(y_shape)) > max_cells:
        raise ValueError(f"unrolled it has more than {max_cells} weights")
    before = [
        max(0, (y_shape[k + 1] - 1) * strides[k] + filters.shape[k + 1] - x_shape[k + 1]) // 2
        if padding == _SAME
        else 0
        for k in range(2)
    ]
    matrix = np.zeros((*y_shape[1:3], len(filters), *x_shape[1:]))
    for row, column in np.ndindex(*y_shape[1:3]):
        for i, j in np.ndindex(*filters.shape[1:3]):
            at = row * strides[0] + i - before[0], column * strides[1] + j - before[1]
            if 0 <= at[0] < x_shape[1] and 0 <= at[1] < x_shape[2]:
                matrix[row, column, :, at[0], at[1], :] = filters[:, i, j, :]
    n_out = int(np.prod(y_shape[1:]))
    return matrix.reshape(n_out, -1), np.tile(bias, y_shape[1] * y_shape[2])
