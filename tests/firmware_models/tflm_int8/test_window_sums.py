"""Every way to the sums under a window equals sums written out tap by tap in Python integers."""

import numpy as np
import pytest

from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels import window_ways
from tflm_int8.kernels.window_sums import ByColumns, ByGroup, ByRows, ByTap, Pointwise, WindowSums

F32 = np.dtype(np.float32)
OUTSIDE = -7


def window(height, width, kernel, stride=(1, 1), dilation=(1, 1), padding="SAME") -> Window2D:
    return Window2D(
        Axis.of(height, kernel[0], stride[0], dilation[0], padding),
        Axis.of(width, kernel[1], stride[1], dilation[1], padding),
    )


def written_out(w: Window2D, filters: np.ndarray, groups: int, image: np.ndarray) -> np.ndarray:
    """int64 [positions, n_out]; the image is read through its own coordinates, OUTSIDE beyond them."""
    n_out, kernel_h, kernel_w, depth = filters.shape
    sums = np.zeros((w.rows.out, w.columns.out, n_out), np.int64)
    for y, x, o, i, j, c in np.ndindex(*sums.shape, kernel_h, kernel_w, depth):
        row = y * w.rows.stride + i * w.rows.dilation - w.rows.before
        column = x * w.columns.stride + j * w.columns.dilation - w.columns.before
        inside = 0 <= row < image.shape[0] and 0 <= column < image.shape[1]
        channel = o // (n_out // groups) * depth + c
        sums[y, x, o] += filters[o, i, j, c] * (int(image[row, column, channel]) if inside else OUTSIDE)
    return sums.reshape(-1, n_out)


def assert_sums(way: WindowSums, seed: int) -> None:
    rows, columns = way.window.rows, way.window.columns
    images = np.random.default_rng(seed).integers(-128, 128, (3, rows.size, columns.size, way.n_in))
    work = way.workspace(4)
    got = way.of(images.astype(np.int8), work)
    for image, sums in zip(images, got, strict=True):
        np.testing.assert_array_equal(
            sums, written_out(way.window, way.filters, way.groups, image), type(way).__name__
        )


def filters(seed, n_out, kernel, depth) -> np.ndarray:
    return np.random.default_rng(seed).integers(-127, 128, (n_out, *kernel, depth))


SHAPES = [
    window(6, 8, (3, 3)),
    window(7, 6, (3, 2), padding="VALID"),
    window(9, 9, (3, 3), (2, 2)),
    window(8, 9, (2, 3), (1, 2), (2, 1)),
    window(9, 12, (3, 3), (1, 1), (2, 3)),
    window(9, 13, (2, 3), (1, 2), (1, 3)),
    window(5, 6, (5, 1)),
    window(1, 12, (1, 4), (1, 3), padding="VALID"),
]


@pytest.mark.parametrize("w", SHAPES, ids=str)
def test_strips_of_any_number_of_positions_give_the_sums(w):
    f = filters(1, 4, (w.rows.kernel, w.columns.kernel), 3)
    tried = 0
    for abreast in range(1, w.columns.out + 1):
        if w.columns.out % abreast == 0:
            assert_sums(ByColumns(w, f, 1, OUTSIDE, F32, abreast), abreast)
            if w.rows.stride == 1:
                assert_sums(ByRows(w, f, 1, OUTSIDE, F32, abreast), abreast)
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize("w", SHAPES, ids=str)
@pytest.mark.parametrize("per_channel", [1, 2])
def test_depthwise_filters_give_the_sums_tap_by_tap_and_as_dense_ones(w, per_channel):
    f = filters(2, 3 * per_channel, (w.rows.kernel, w.columns.kernel), 1)
    assert_sums(ByTap(w, f, 3, OUTSIDE, F32), 5)
    assert_sums(window_ways.window_sums(w, f, 3, OUTSIDE, F32), 6)


@pytest.mark.parametrize("w", SHAPES, ids=str)
def test_groups_of_channels_give_the_sums(w):
    assert_sums(ByGroup(w, filters(3, 6, (w.rows.kernel, w.columns.kernel), 2), 3, OUTSIDE, F32), 7)


@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_one_tap_needs_no_columns(stride, padding):
    w = window(5, 7, (1, 1), stride, padding=padding)
    way = window_ways.window_sums(w, filters(4, 5, (1, 1), 3), 1, OUTSIDE, F32)
    assert isinstance(way, Pointwise)
    assert_sums(way, 8)


def test_sums_are_exact_up_to_the_last_integer_below_2_to_the_24():
    """1032 · 127 · 128 = 2^24 − 1024: the largest all-127 filter in float32, and its sums of odd numbers."""
    w = window(1, 2, (1, 2))
    f = np.full((3, 1, 2, 516), 127)
    f[1], f[2, ..., -1] = -127, 126
    for way in (ByColumns(w, f, 1, -128, F32, 1), ByColumns(w, f, 1, -128, F32, 2)):
        images = np.full((2, 1, 2, 516), -128, np.int8)
        images[1, 0, :, ::2] = 127
        got = way.of(images, way.workspace(2))
        at = images[:, 0].astype(np.int64)
        after = np.concatenate([at[:, 1:], np.full((2, 1, 516), -128)], axis=1)
        sums = np.stack([at, after], axis=2).reshape(2, 2, -1) @ f.reshape(3, -1).T
        np.testing.assert_array_equal(got, sums)
