"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV in the open: from the sums to int8 by steps.

Slower than `tflm_int8`'s kernels and written apart from them: every part can be replaced by a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, I64Array
from coverify.conformance.diagnosis.rounding import Scaling, double, scaling
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected
from tflm_int8.kernels.requantize import RequantizeWide
from tflm_int8.kernels.transpose_convolution import TransposeConvolution
from tflm_int8.program.primitives import Requantize, RequantizeReal
from tflm_int8.variant import Form

_CHUNK = 1 << 22
"""Gathered elements at a time."""


def unchanged(values: I64Array) -> I64Array:
    """The identity."""
    return values


def clipped(acc: I64Array, layer: Layer) -> I64Array:
    """The activation's limits."""
    return np.clip(acc, layer.lo, layer.hi)


@dataclass(frozen=True)
class Layer:
    """y = finish(scale(accumulate(Σ w·(x − z_in)) + bias) + z_out), the window over `window`.

    weights: int64 [out, kernel_h, kernel_w, depth]; bias, multiplier, shift: int64 [out]; border: the code
    that a tap outside the image reads; each_sum: what becomes of the running sum after every product, where
    that is not the sum itself.
    """

    kernel: Convolution2D | FullyConnected | TransposeConvolution
    window: Window2D
    in_depth: int
    groups: int
    weights: I64Array
    bias: I64Array
    multiplier: I64Array
    shift: I64Array
    z_in: int
    z_out: int
    lo: int
    hi: int
    border: int
    scale: Scaling = double
    accumulate: Callable[[I64Array], I64Array] = unchanged
    read: Callable[[I64Array], I64Array] = unchanged
    centred: Callable[[I64Array], I64Array] = unchanged
    finish: Callable[[I64Array, Layer], I64Array] = field(default=clipped)
    each_sum: Callable[[I64Array], I64Array] | None = None

    @property
    def x(self) -> int:
        """Which of the operator's inputs is the computed one."""
        return 0

    @property
    def n_pixels(self) -> int:
        """Of an input image."""
        return self.window.n_pixels

    @property
    def _gathered(self) -> int:
        """Elements that are gathered for one image."""
        return self.window.taps.size * self.in_depth

    def accumulators(self, x: Array) -> I64Array:
        """int8 [N, input shape] → int64 [N, output shape], bias included, before `accumulate`."""
        images = self._images(x)
        step = max(1, _CHUNK // self._gathered)
        parts = [self._sums(images[i : i + step]) for i in range(0, len(images), step)]
        acc: I64Array = np.concatenate(parts) + self.bias
        return acc.reshape(len(x), *self.kernel.node.output.shape)

    def run(self, inputs: Sequence[Array]) -> I64Array:
        """Input `x` counts; weights and bias are the layer's own."""
        return self.finished(self.accumulators(inputs[self.x]))

    def finished(self, acc: I64Array) -> I64Array:
        """Accumulators [..., out] → the output's codes."""
        scaled = self.scale(self.accumulate(acc), self.multiplier, self.shift) + self.z_out
        return self.finish(scaled, self)

    def _images(self, x: Array) -> I64Array:
        """[N, input shape] → int64 [images, pixels + 1, channels]; the last pixel is what lies outside."""
        values = self.read(x.astype(np.int64)).reshape(-1, self.n_pixels, self.in_depth)
        edge = np.full((len(values), 1, self.in_depth), self.border, np.int64)
        return self.centred(np.concatenate([values, edge], axis=1) - self.z_in)

    def _sums(self, images: I64Array) -> I64Array:
        """int64 [n, pixels + 1, channels] → [n, positions, out]."""
        n, taps, depth = len(images), self.window.taps, self.in_depth // self.groups
        patches = images[:, taps].reshape(n, len(taps), taps.shape[1], self.groups, depth)
        rows = patches.transpose(3, 0, 1, 2, 4).reshape(self.groups, n * len(taps), -1)
        matrix = self.weights.reshape(self.groups, len(self.weights) // self.groups, -1).transpose(0, 2, 1)
        if self.each_sum is not None:
            sums = np.zeros((self.groups, rows.shape[1], matrix.shape[2]), np.int64)
            for k in range(rows.shape[2]):
                sums = self.each_sum(sums + rows[:, :, k, None] * matrix[:, k, None, :])
        else:
            sums = np.matmul(rows.astype(np.float64), matrix.astype(np.float64))  # exact: below 2^53
        in_order: I64Array = sums.transpose(1, 0, 2).reshape(n, len(taps), -1).astype(np.int64)
        return in_order


@dataclass(frozen=True)
class StampedLayer(Layer):
    """A TRANSPOSE_CONV: every input pixel stamps the filter on the output, on whose axes `window` is."""

    @property
    def x(self) -> int:
        return 2

    @property
    def n_pixels(self) -> int:
        height, width = self._size
        return height * width

    @property
    def _size(self) -> tuple[int, int]:
        height, width = self.kernel.node.input(self.x).shape[1:3]
        return height, width

    @property
    def _gathered(self) -> int:
        return self.n_pixels * max(self.in_depth, len(self.weights)) + self.kernel.node.output.size

    def _sums(self, images: I64Array) -> I64Array:
        """int64 [n, pixels + 1, channels] → [n, output's pixels, out]."""
        x = images[:, :-1].reshape(len(images), *self._size, self.in_depth).astype(np.float64)
        rows, columns = self.window.rows, self.window.columns
        total = np.zeros((len(x), rows.size, columns.size, len(self.weights)))
        every = np.arange(len(x))
        for i in range(rows.kernel):
            from_rows, to_rows = _stamped(rows, i, x.shape[1])
            for j in range(columns.kernel):
                from_columns, to_columns = _stamped(columns, j, x.shape[2])
                stamp = x[:, from_rows][:, :, from_columns] @ self.weights[:, i, j].T.astype(np.float64)
                total[np.ix_(every, to_rows, to_columns)] += stamp  # exact: below 2^53
        in_order: I64Array = total.reshape(len(x), -1, len(self.weights)).astype(np.int64)
        return in_order


def _stamped(axis: Axis, tap: int, size: int) -> tuple[I64Array, I64Array]:
    """The input positions (of `size`) whose tap lies on the output, and where it lies there."""
    to = np.arange(size) * axis.stride + tap * axis.dilation - axis.before
    inside = np.flatnonzero((to >= 0) & (to < axis.size))
    return inside, to[inside]


def layer_of(kernel: object) -> Layer | None:
    """The layer that a kernel is; None for one that is none, or has sums of 64 bits."""
    layer = in_the_open(kernel, Requantize)
    stage = None if layer is None else layer.kernel.requantize
    return replace(layer, scale=scaling(stage.rounding)) if layer and isinstance(stage, Requantize) else None


def in_the_open(kernel: object, kind: type[Requantize] | type[RequantizeWide]) -> Layer | None:
    """The layer of a kernel with this kind of output stage, whose scaling is the caller's to say."""
    if not isinstance(kernel, Convolution2D | FullyConnected | TransposeConvolution):
        return None
    stage = kernel.requantize
    if isinstance(stage, RequantizeReal) or not isinstance(stage, kind):
        return None
    if kernel.node.variant.form is not Form.FIXED_POINT:
        return None
    make = Layer
    if isinstance(kernel, Convolution2D):
        window, groups, weights = kernel.window, kernel.groups, kernel.filters
    elif isinstance(kernel, TransposeConvolution):
        make, window, groups = StampedLayer, Window2D(kernel.rows, kernel.columns), 1
        weights = kernel.filters
    else:
        one = Axis(1, 1, 1, 1, 0, 1)
        window, groups = Window2D(one, one), 1
        weights = kernel.weights.reshape(len(kernel.weights), 1, 1, -1)
    return make(
        kernel=kernel,
        window=window,
        in_depth=weights.shape[3] * groups,
        groups=groups,
        weights=weights,
        bias=kernel.bias,
        multiplier=stage.multiplier,
        shift=stage.shift,
        z_in=kernel.input_zero_point,
        z_out=stage.zero_point if isinstance(stage, Requantize) else 0,
        lo=stage.lo,
        hi=stage.hi,
        border=kernel.input_zero_point,
    )
