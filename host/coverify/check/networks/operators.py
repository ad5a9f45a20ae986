"""The operators of int8 networks as TFLM computes them, each as steps. What TFLM refuses or leaves undefined
is refused, and so is what is not known here.
"""

import math
from typing import Any

import numpy as np

from coverify.check.networks.integers import bearable, curve, divide, high_mul16, multiplier_of, scaled
from coverify.check.networks.moves import Moves, reads
from coverify.check.networks.softmax import Softmax
from coverify.check.networks.tensors import Tensor
from coverify.check.steps import INT8, INT16, INT32, Highest, Ints, Pieces, need, size, sums


def under(n: int, m: int, pad: int, kernel: int, stride: int, dilation: int) -> Ints:
    """[m, kernel]: where the taps of m windows lie on an axis of n, −1 outside; pad: SAME 0, VALID 1."""
    extent = (kernel - 1) * dilation + 1
    before = max(0, (m - 1) * stride + extent - n) // 2
    least, most = min(kernel, stride, dilation), max(kernel, stride, dilation, before)
    need(least > 0 and most < 1 << 15, "a window that leaves int16")
    need(m == (n + stride - {0: 1, 1: extent}[pad]) // stride, "an output of another size than declared")
    at = np.arange(m)[:, None] * stride + np.arange(kernel) * dilation - before
    return np.where((at >= 0) & (at < n), at, -1)


def spread(n: int, m: int, kernel: int, stride: int, pad: int) -> Ints:
    """Which of n, a stride apart, lies at each place of an axis of m and kernel − 1 more; −1: none."""
    fit = 0 < stride <= 1 << 12 and n == (m + stride - {0: 1, 1: kernel}[pad]) // stride
    need(fit, "an image of another size than the output's windows")
    at = np.arange(1 - kernel, m) + max(0, (n - 1) * stride + kernel - m) // 2
    return np.where((at >= 0) & (at < n * stride) & (at % stride == 0), at // stride, -1)


def between(n: int, m: int, align: int, half: int) -> list[tuple[Ints, Ints]]:
    """For m places along an axis of n: the elements before and after, and their weights, in 2^-10."""
    by = (1024 * (n - 1) + (m - 1) // 2) // (m - 1) if align and m > 1 else (1024 * n + m // 2) // m
    at = np.arange(m) * by + (by // 2 - 512 if half else 0)
    low, high = np.maximum(at, 0) >> 10, np.minimum(at + 1023 >> 10, n - 1)
    need(low[-1] < n, "a resize whose rounded scale leads outside the image")
    part = np.where(low == high, 0, at - (low << 10))
    return [(low, 1024 - part), (high, part)]


class Operators(Moves):
    """A method for each that computes.

    once: is a requantization rounded once? products: how many there were so far; outer: the input, where it
    is not int8 and no QUANTIZE has read it.
    """

    once: bool
    outer: Tensor | None
    products = 0

    def afford(self, products: int) -> None:
        self.products += products
        need(self.products <= 1 << 25, "a network of too many products")

    def clamp(self, act: int, out: Tensor) -> tuple[int, int]:
        """The range under a fused activation: none, RELU, RELU_N1_TO_1, RELU6 (float32, as TFLM)."""
        scale, zero = out.codes
        one, six = (math.floor(float(np.float32(r) / np.float32(scale)) + 0.5) for r in (1, 6))
        lo, hi = {0: (-128, 127), 1: (zero, 127), 2: (zero - one, zero + one), 3: (zero, zero + six)}[act]
        need(max(-lo, hi) < 2**31 - 129, "an activation whose ends leave 32 bits")
        return max(lo, -128), min(hi, 127)

    def requantize(self, out: Tensor, act: int, stages: list[tuple[int, int]], *parts: Ints) -> Ints:
        """Sums or products, scaled as their channel's, plus the zero point, clamped."""
        (m, s), zero = np.array(stages).T, out.codes[1]
        rule = lambda a, c: scaled(a, m[c], s[c], self.once) + zero  # noqa: E731
        channel = np.arange(out.size) % len(stages)
        return self.net.stairs(rule, *self.clamp(act, out), channel, bearable(m, s, zero), *parts)

    def weighted(self, out: Any, x: Any, w: Any, bias: Any, act: int, *o: Any, centred: bool = False) -> Ints:
        """Sums of products and their staircase. o: weights [groups, channels, taps], as of w, and the columns
        of x, which was centred before or is here.
        """
        (weights, columns), (sx, zx), so = o, x.codes, out.codes[0]
        n = len(weights) * weights.shape[1]
        need(w.type == 9 and len(w.scales) in (1, n), "weights of another type or quantization")
        need(len(w.scales) == 1 or w.shape[w.axis :][:1] == (n,), "weights whose scales lie on another axis")
        b = np.zeros(n, np.int64) if bias is None else bias.values().reshape(-1)
        need(len(b) == n and (bias is None or bias.type == 2), "the bias")
        most = np.abs(weights).sum(axis=2).reshape(-1) * max(127 - zx, 128 + zx) + np.abs(b)
        need(size(most) < 2**31, "an accumulator may overflow")
        b = np.resize(b, out.size) - (not centred) * zx * sums((columns > 0).astype(np.int64), weights, True)
        stages = [multiplier_of(real, self.once) for real in sx * np.array(w.scales) / so]
        return self.requantize(out, act, stages, weights, columns, b)

    @reads(9, (2, 3), 8, "0b 1b")
    def dense(self, out: Tensor, x: Tensor, w: Tensor, bias: Tensor | None, act: int, shuffled: int) -> Ints:
        one, zero, weights = len(w.scales) == 1, w.zeros[0], w.values() - w.zeros[0]
        (n, depth), rows = weights.shape, x.size // weights.shape[1]
        need((rows * depth, rows * n, n, 0) == (x.size, out.size, out.shape[-1], shuffled), "other shapes")
        self.afford(out.size * depth)
        need(-128 <= zero <= 127 if one else not any(w.zeros), "the weights' zero point")
        if one and bias is not None:
            given = bias.scales[0] if bias.scales and bias.zeros else 0.0
            need(abs(x.codes[0] * w.scales[0] - given) / out.codes[0] <= 0.02, "the bias's scale")
        return self.weighted(out, x, w, bias, act, weights[None], x.at.reshape(1, rows, depth))

    def columns(self, x: Ints, out: Tensor, pad: int, each: int, high: Any, wide: Any) -> Ints:
        """[groups, positions, taps]: the element under each tap of a window of `each` channels; 0 outside.

        high, wide: the window's size, stride and dilation.
        """
        need(len(x.shape) == len(out.shape) == 4 and x.shape[0] == out.shape[0] == 1, "the shapes")
        self.afford(out.size * high[0] * wide[0] * each)
        row = under(x.shape[1], out.shape[1], pad, *high)[:, None, :, None, None]
        column = under(x.shape[2], out.shape[2], pad, *wide)[:, None, :, None]
        depth = np.arange(x.shape[3]).reshape(-1, 1, 1, 1, 1, each)
        at = np.where((row >= 0) & (column >= 0), x[0, row, column, depth], 0)
        return at.reshape(len(depth), out.shape[1] * out.shape[2], -1)

    @reads(3, (2, 3), 1, "3b 0b 2i 1i 5I 4I")
    @reads(4, (2, 3), 2, "4b 0b 2i 1i 6I 5I 3i")
    def conv(self, out: Tensor, x: Tensor, w: Tensor, bias: Tensor | None, act: int, *o: int) -> Ints:
        """o: padding, strides and dilations of height and width; of DEPTHWISE_CONV_2D the multiplier, too."""
        pad, sh, sw, dh, dw, *depthwise = o
        data = w.values().transpose((3, 1, 2, 0) if depthwise else (0, 1, 2, 3))
        (channels, kh, kw, each), depth = data.shape, x.shape[-1]
        groups = depth // each
        whole = not depthwise or ((each, channels) == (1, depth * depthwise[0]) and depthwise[0] < 1 << 15)
        need(whole, "the filter")
        fit = (depth, out.shape[-1]) == (groups * each, channels) and channels % groups == 0
        need(fit and w.zeros and not any(w.zeros), "the channels, or the weights' zero points")
        columns = self.columns(x.at, out, pad, each, (kh, sh, dh), (kw, sw, dw))
        return self.weighted(out, x, w, bias, act, data.reshape(groups, channels // groups, -1), columns)

    @reads(67, (3, 4), 49, "3b 0b 2i 1i")
    def transposed(self, out: Tensor, _: Tensor, w: Tensor, x: Tensor, bias: Any, *o: int) -> Ints:
        """TRANSPOSE_CONV: a step spreads the centred image out by the strides, then the filters, turned, are
        those of a convolution. o: activation, padding, strides of height and width.
        """
        (act, pad, *strides), data = o, w.values()[:, ::-1, ::-1]
        (channels, *kernel, depth), ranks = data.shape, {len(x.shape), len(out.shape)}
        need(ranks == {4} and (1, depth, channels) == (*x.shape[::3], out.shape[3]), "the shapes")
        need(w.zeros and not any(w.zeros), "the weights' zero points")
        axes = [*zip(x.shape[1:3], out.shape[1:3], kernel, strides, strict=True)]
        most = math.prod([max(channels, depth), *(n * stride + k + m for n, m, k, stride in axes)])
        need(most <= 1 << 22 and math.prod(kernel) <= 1 << 12, "a TRANSPOSE_CONV that is too large")
        row, column = (spread(*axis, pad) for axis in axes)
        inside = (row[:, None, None] >= 0) & (column[:, None] >= 0)
        at = np.where(inside, x.at[0, row[:, None], column], 0)[None]
        centred = self.net.repeat(at, np.where(at, -x.codes[1], 0)).reshape(at.shape)
        columns = self.columns(centred, out, 1, depth, (kernel[0], 1, 1), (kernel[1], 1, 1))
        return self.weighted(out, x, w, bias, act, data.reshape(1, channels, -1), columns, centred=True)

    def pooled(self, out: Tensor, x: Tensor, pad: int, sh: int, sw: int, kh: int, kw: int) -> Ints:
        """[channels, positions, taps]: the element under each tap; 0 outside.

        No window lies outside: none is dilated; each begins before the image ends, and ends after it begins.
        """
        (sx, zx), (so, zo) = x.codes, out.codes
        need(zx == zo and x.shape[-1:] == out.shape[-1:], "the zero point or the channels change")
        need(abs(np.float32(sx) - np.float32(so)) <= 1e-6, "the scale changes")
        return self.columns(x.at, out, pad, 1, (kh, sh, 1), (kw, sw, 1))

    @reads(1, (1,), 5, "5b 0b 2i 1i 4i 3i")
    def average(self, out: Tensor, x: Tensor, act: int, *o: int) -> Ints:
        columns = self.pooled(out, x, *o)
        n, channel = np.unique((columns > 0).sum(axis=2).T.reshape(-1), return_inverse=True)
        rule = lambda a, c: np.sign(a) * ((np.abs(a) + n[c] // 2) // n[c])  # noqa: E731
        linear = np.ones((len(columns), 1, columns.shape[2]), np.int64), columns, np.zeros(out.size, np.int64)
        return self.net.stairs(rule, *self.clamp(act, out), channel, INT32.repeat(len(n), axis=1), *linear)

    @reads(23, (2,), 15, "2b 3b")
    def bilinear(self, out: Tensor, x: Tensor, to: Tensor, align: int, half: int) -> Ints:
        """RESIZE_BILINEAR: two elements of each axis, weighted in 2^-10; the staircase divides by 2^20."""
        n, _, _, depth = x.shape
        need(to.type == 2 and out.shape == (n, *to.values().tolist(), depth), "a resize to another size")
        need(not (align and half) and max(x.shape) <= 1 << 16, "both ways to align, or a large image")
        row, column = (between(n, m, align, half) for n, m in zip(x.shape[1:3], out.shape[1:3], strict=True))
        taps = [(x.at[:, i[:, None], j], u[:, None, None] * v[:, None]) for i, u in row for j, v in column]
        at, weights = (
            np.stack([np.broadcast_to(t, out.shape) for t in each], -1) for each in zip(*taps, strict=True)
        )
        by = lambda a, c: np.sign(a) * ((np.abs(a) + (1 << 19)) >> 20)  # noqa: E731
        rule = (lambda a, c: (a + (1 << 19)) >> 20) if self.once else by
        linear, none = (part.reshape(out.size, 1, 4) for part in (weights, at)), np.zeros(out.size, np.int64)
        return self.net.stairs(rule, -128, 127, none, INT32, *linear, none)

    @reads(17, (1,), 5, "5b 0b 2i 1i 4i 3i")
    def highest(self, out: Tensor, x: Tensor, act: int, *o: int) -> Ints:
        columns = self.pooled(out, x, *o)
        first = np.take_along_axis(columns, (columns > 0).argmax(axis=2)[..., None], axis=2)
        windows = np.where(columns > 0, columns, first).swapaxes(0, 1)
        return self.net.put(Highest, out.size, windows.reshape(out.size, -1), self.clamp(act, out))

    def combined(self, out: Tensor, x: Tensor, y: Tensor, second: int, bits: int) -> tuple[float, Any]:
        """Their common scale: twice the greater one; and the linear step of both: a table for each operand
        to that scale, with so many bits more; constants go into the bias. The second's factor is 1 or −1.
        """
        twice, bias, taps = 2 * max(x.codes[0], y.codes[0]), np.zeros(out.shape, np.int64), list[Ints]()
        need(np.broadcast_shapes(x.shape, y.shape) == out.shape, "the shapes")
        signs = np.array([sign for t, sign in ((x, 1), (y, second)) if not len(t.raw)])
        for t, sign in ((x, 1), (y, second)):
            m, shift = multiplier_of(t.scales[0] / twice, self.once)
            values = scaled((np.arange(-128, 128) - t.zeros[0]) << bits, m, shift, self.once)
            if len(t.raw):
                bias += sign * values[t.values() + 128]
                continue
            at = self.table(t.at, values).reshape(t.shape)
            taps.append(np.broadcast_to(at, out.shape).reshape(-1))
        return twice, (signs.reshape(1, 1, -1), np.stack(taps, axis=-1)[None], bias.reshape(-1))

    @reads(0, (2,), 11, "0b")
    @reads(41, (2,), 28, "0b", second=-1)
    def add(self, out: Tensor, x: Tensor, y: Tensor, act: int, second: int = 1) -> Ints:
        """The sum or difference of both, a staircase."""
        twice, parts = self.combined(out, x, y, second, 20)
        stage = multiplier_of(twice / ((1 << 20) * out.codes[0]), self.once)
        need(stage[1] <= 0, "a scale ratio of an ADD or SUB that is not below 1")
        return self.requantize(out, act, [stage], *parts)

    @reads(99, (2,))
    def squared(self, out: Tensor, x: Tensor, y: Tensor) -> Ints:
        """SQUARED_DIFFERENCE: a staircase each of the difference and of its negative, of which one is 0."""
        (twice, parts), (scale, zero), sides = self.combined(out, x, y, -1, 7), out.codes, list[Ints]()
        m, s = multiplier_of(twice * twice / float(np.float32(1 << 14) * np.float32(scale)), self.once)
        most = math.isqrt(bearable(np.array(m), np.array(s), zero)[1].item())
        rule, ends = lambda a, c: scaled(np.maximum(a, 0) ** 2, m, s, self.once), [[-most], [most]]
        for _ in range(2):
            sides.append(self.net.stairs(rule, 0, 127 - zero, 0 * parts[2], np.array(ends), *parts))
            acc = self.net.steps[-2].out
            parts = -np.ones((1, 1, 1), np.int64), acc.reshape(1, -1, 1), 0 * acc
        return self.added(-128, 127, zero, (sides[0], 1), (sides[1], 1))

    def added(self, lo: int, hi: int, bias: int, *parts: tuple[Ints, int]) -> Ints:
        """Sums of elements with factors, clamped."""
        taps, none = np.stack([at for at, _ in parts], axis=-1)[None], 0 * parts[0][0]
        linear = np.array([[[by for _, by in parts]]]), taps, none + bias
        return self.net.stairs(lambda a, c: a, lo, hi, none, INT32, *linear)

    @reads(55, (2,))
    @reads(57, (2,), least=True)
    def greater(self, out: Tensor, x: Tensor, y: Tensor, least: bool = False) -> Ints:
        """MAXIMUM: b + max(a − b, 0); MINIMUM: a − max(a − b, 0). A constant is a step, one for all readers;
        where it is spread, one more.
        """
        need(np.broadcast_shapes(x.shape, y.shape) == out.shape, "the shapes")
        need(x.type == y.type == out.type == 9, "a MAXIMUM or MINIMUM of other types")
        pair = list[Ints]()
        for t in (x, y):
            t.at = t.at if t.at.size else self.net.repeat(0 * t.values(), t.values()).reshape(t.shape)
            at = np.broadcast_to(t.at, out.shape).reshape(-1)
            pair.append(self.net.repeat(at) if len(t.raw) and t.size < out.size else at)
        (a, b), excess = pair, self.added(0, 255, 0, (pair[0], 1), (pair[1], -1))
        return self.added(-128, 127, 0, *(((a, 1), (excess, -1)) if least else ((b, 1), (excess, 1))))

    @reads(18, (2,), 21, "0b")
    def multiply(self, out: Tensor, x: Tensor, y: Tensor, act: int) -> Ints:
        """Products and a staircase; of a constant, a weight for each element."""
        x, y = (x, y) if len(y.raw) or not len(x.raw) else (y, x)
        (sx, zx), (sy, zy) = x.codes, y.codes
        need(np.broadcast_shapes(x.shape, y.shape) == out.shape, "the shapes")
        stage = multiplier_of(sx * sy / out.codes[0], self.once)
        at = np.broadcast_to(x.at, out.shape).reshape(-1, 1, 1)
        if not len(y.raw):
            pick = np.stack([at.reshape(-1), np.broadcast_to(y.at, out.shape).reshape(-1)])
            return self.requantize(out, act, [stage], pick, np.array([zx, zy]))
        weights = np.broadcast_to(y.values() - zy, out.shape).reshape(-1, 1, 1)
        return self.requantize(out, act, [stage], weights, at, -zx * weights.reshape(-1))

    def along(self, out: Tensor, x: Ints, axes: Tensor) -> Ints:
        """[outputs, elements]: those over the axes, of which each output is a function."""
        at, shape = axes.values().reshape(-1), x.shape
        need(axes.type == 2 and np.all((at >= -len(shape)) & (at < len(shape))) and at.size <= 64, "the axes")
        at = np.unique(at % len(shape))
        kept = tuple(1 if k in at else n for k, n in enumerate(shape))
        need(out.shape in (kept, tuple(np.delete(shape, at))), "an output of another shape")
        return np.moveaxis(x, at, range(-len(at), 0)).reshape(out.size, -1)

    @reads(82, (2,), 27, "0b")
    @reads(89, (2,), 27, "0b", least=True)
    def extreme(self, out: Tensor, x: Tensor, axes: Tensor, _: int, least: bool = False) -> Ints:
        """REDUCE_MAX; REDUCE_MIN is one of the complements (~x = −1 − x)."""
        need(x.codes == out.codes, "a REDUCE_MAX or REDUCE_MIN between quantizations")
        complement = np.arange(127, -129, -1)
        at = self.table(x.at, complement) if least else x.at
        at = self.net.put(Highest, out.size, self.along(out, at.reshape(x.shape), axes), (-128, 127))
        return self.table(at, complement) if least else at

    @reads(40, (2,), 27, "0b", mean=True)
    @reads(74, (2,), 27, "0b")
    def summed(self, out: Tensor, x: Tensor, axes: Tensor, _: int, mean: bool = False) -> Ints:
        """SUM; of a MEAN the division by n is part of the multiplier, which it leaves rounded downwards."""
        columns = self.along(out, x.at, axes)[None]
        n, (m, s) = columns.shape[2], multiplier_of(x.codes[0] / out.codes[0], self.once)
        by, ones = min(n.bit_length() - 1, 32, 31 + s), np.ones((1, 1, n), np.int64)
        stage, bias = ((m << by) // n, s - by) if mean else (m, s), np.full(out.size, -n * x.codes[1])
        return self.requantize(out, 0, [stage], ones, columns, bias)

    def table(self, at: Ints, values: Ints) -> Ints:
        """values: of −128..127."""
        element, index = at.reshape(-1), lambda a, c: a + 128
        return self.net.put(Pieces, at.size, element, index, values, 0 * element, INT8)

    @reads(14, (1,))
    @reads(28, (1,), tanh=True)
    def curved(self, out: Tensor, x: Tensor, tanh: bool = False) -> Ints:
        """LOGISTIC or TANH: where the input leaves Q4.27, the least or the greatest output."""
        scale, zero = x.codes
        d = np.arange(-128, 128) - zero
        need(x.shape == out.shape and (out.codes[1] == -128 or tanh), "the shape or the output's zero point")
        m, shift = multiplier_of(min(scale * 2.0**27, 2.0**31 - 1), False)
        need(m and shift >= 0 and scale < 2.0**35, "a scale of the input that is out of range")
        inside = np.abs(d) < (15 << 27) >> shift  # none where it would be shifted by more than 30
        q = scaled(np.where(inside, d, 0), m, min(shift, 30), self.once)
        values = curve(q, tanh) - (0 if tanh else 128)
        return self.table(x.at, np.where(inside, np.clip(values, -128, 127), np.where(d <= 0, -128, 127)))

    @reads(111, (1,))
    def elu(self, out: Tensor, x: Tensor) -> Ints:
        """ELU in float32, with the C library's expf: any float near the true value, which must not matter."""
        (sx, zx), (so, zo), tables = x.codes, out.codes, list[Ints]()
        real = np.float32(sx) * np.arange(-128 - zx, 128 - zx, dtype=np.float32)
        for off in (-1, 0, 1):
            power = (np.exp(np.minimum(real, 0).astype(float)) * (1 + off * 2.0**-27)).astype(np.float32)
            y = np.where(real < 0, power - np.float32(1), real) * (np.float32(1) / np.float32(so))
            whole = np.sign(y) * np.floor(np.abs(y.astype(float)) + 0.5)
            need(np.all(np.abs(whole) < 2.0**30), "a scale of an ELU that is out of range")
            tables.append(np.clip(whole.astype(np.int64) + zo, -128, 127))
        same = np.array_equal(tables[0], tables[1]) and np.array_equal(tables[1], tables[2])
        need(x.shape == out.shape and same, "an ELU that depends on the last bit of the C library's expf")
        return self.table(x.at, tables[1])

    @reads(117, (1,))
    def swish(self, out: Tensor, x: Tensor) -> Ints:
        """HARD_SWISH in int16 (reference/hard_swish.h): x times a gate, which is 0..2^15 for −3..3."""
        (sx, zx), (so, zo) = x.codes, out.codes
        (m, s), (n, t) = (multiplier_of(sx / 128 / by, False) for by in (so, 3 / 32768))
        need(x.shape == out.shape and -16 < s <= 0 and -16 < t < 16, "the shapes, or a scale ratio")
        value = (np.arange(-128, 128) - zx) << 7
        raised = high_mul16(np.clip(value << max(t - 1, 0), *INT16), n)
        gate = np.clip(raised << 1, *INT16) if t > 0 else divide(raised, -t)
        product = (gate + (1 << 15) >> 1) * high_mul16(value, m)
        whole = divide(np.sign(product) * (np.abs(product) >> 15), -s)
        return self.table(x.at, np.clip(whole + zo, -128, 127))

    @reads(54, (2,))
    def prelu(self, out: Tensor, x: Tensor, slopes: Tensor) -> Ints:
        """A table above zero, and products with constants of one below, clamped; one of the two is 0."""
        (sx, zx), (sa, za), (so, zo) = x.codes, slopes.codes, out.codes
        need(x.shape == out.shape == np.broadcast_shapes(x.shape, slopes.shape), "the shapes")
        d = np.arange(-128, 128) - zx
        (one, m), (left, s) = np.array([multiplier_of(r, self.once) for r in (sx / so, sx * sa / so)]).T
        need(max(d[-1], 0) <= bearable(one, left, zo)[1], "a scale ratio that is too large")
        values = np.clip(scaled(np.maximum(d, 0), one, left, self.once) + zo, -128, 127) - zo
        up, down = self.table(x.at, values), self.table(x.at, np.minimum(d, 0))
        weights = np.broadcast_to(slopes.values() - za, out.shape).reshape(-1, 1, 1)
        rule, ends = lambda a, c: scaled(a, m, s, self.once), bearable(m, s, zo)
        linear = weights, down.reshape(-1, 1, 1), 0 * up
        low = self.net.stairs(rule, -128 - zo, 127 - zo, 0 * up, ends.reshape(2, 1), *linear)
        return self.added(-128, 127, zo, (up, 1), (low, 1))

    @reads(19, (1,), relu=True)
    @reads(101, (1,), sizes=True)
    @reads(98, (1,), 75, "0f")
    def rescaled(self, out: Tensor, x: Tensor, alpha: float = 1.0, **of: bool) -> Ints:
        """QUANTIZE of int8; RELU; ABS (sizes); LEAKY_RELU, which is steeper or flatter below zero."""
        (sx, zx), (so, zo), relu = x.codes, out.codes, "relu" in of
        need(x.shape == out.shape and alpha >= 0, "the shapes, or a slope below 0")
        d, values = np.arange(-128, 128) - zx, np.zeros(256, np.int64)
        d = np.abs(d) if "sizes" in of else d
        for part, real in ((d < 0, sx * alpha / so), (d >= 0, sx / so)):
            m, s = multiplier_of(real, self.once)
            low, high = bearable(np.array(m), np.array(s), zo)
            need(low <= d.min() and d.max() <= high, "a scale ratio that is too large")
            values[part] = np.clip(scaled(d[part], m, s, self.once) + zo, zo if relu else -128, 127)
        return self.table(x.at, values)

    @reads(6, (1,), back=True)
    @reads(114, (1,))
    def converted(self, out: Tensor, x: Tensor, back: bool = False) -> Ints:
        """QUANTIZE. That of a float or uint8 input is no step, nor that of such an output (DEQUANTIZE: back):
        a network is one of the int8 codes in between, of which an output's have its order and its ties.
        """
        if x.type == out.type == 9 and not back:
            return self.rescaled(out, x)
        codes, other = (out, x) if out.type == 9 else (x, out)
        scale, zero = codes.codes
        known = (x.type, out.type) in ([(9, 0)] if back else [(0, 9), (3, 9), (9, 3)])
        need(known and x.shape == out.shape and 2.0**-126 <= scale < 2.0**120, "a conversion, or its scale")
        same = other.type == 0 or (other.scales, other.zeros) == ([scale], [zero + 128])
        need(same, "uint8 codes that are not 128 above int8 ones of the same scale")
        self.outer = None if x is self.outer else self.outer
        return x.at

    @reads(21, (1,))
    def relu6(self, out: Tensor, x: Tensor) -> Ints:
        """Codes between the input's zero and six, whatever the output's are."""
        need(x.shape == out.shape and out.codes, "the shapes")
        return self.table(x.at, np.clip(np.arange(-128, 128), *self.clamp(3, x)))

    @reads(25, (1,), 9, "0f")
    def last(self, out: Tensor, x: Tensor, beta: float) -> Ints:
        need(out.codes == (1 / 256, -128) and x.shape == out.shape, "a SOFTMAX of another form")
        need(out.size == out.shape[-1] <= 511, "a SOFTMAX of several rows, or a long one")
        return self.net.put(Softmax, out.size, x.at.ravel(), beta * x.codes[0], self.once)
