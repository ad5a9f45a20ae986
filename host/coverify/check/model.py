"""The bytes of a network → its steps: an .npz of fixed-point layers, or a .tflite file of int8 operators as
TFLM computes them. What TFLM refuses or leaves undefined is refused, and so is what is not known here.
"""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from coverify.check.integers import Softmax, multiplier_of, scaled
from coverify.check.steps import INT32_MAX, Highest, Ints, Linear, Network, Pieces, need, norm, size

PROFILES = {"tflm": False, "tflm-single-rounding": True}  # is a requantization rounded once?


class Table:
    """A flatbuffer table at a position of `data`; its fields by their slots in TensorFlow Lite's schema 3."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        vtable = at - self.read("i", at)
        n = self.read("H", vtable)
        need(n >= 4 and n % 2 == 0, "a damaged flatbuffer")
        self.slots = struct.unpack_from(f"<{n // 2 - 2}H", data, vtable + 4)
        need(max(self.slots, default=0) < len(data) - at, "a field beyond the file")

    def read(self, kind: str, at: int) -> Any:
        need(at >= 0, "a position before the file")
        return struct.unpack_from("<" + kind, self.data, at)[0]

    def where(self, slot: int) -> int:
        """The field's position; 0 when it is absent."""
        return self.at + self.slots[slot] if slot < len(self.slots) and self.slots[slot] else 0

    def number(self, slot: int, kind: str = "i", default: Any = 0) -> Any:
        return self.read(kind, self.where(slot)) if self.where(slot) else default

    def numbers(self, slot: int, kind: str = "i", most: int = 1 << 12) -> Any:
        at = self.where(slot)
        at += self.read("I", at) if at else 0
        n = self.read("I", at) if at else 0
        need(n <= most, "a list that is too long")
        return np.frombuffer(self.data, "<" + kind, n, at + 4)

    def table(self, slot: int) -> Table | None:
        at = self.where(slot)
        return Table(self.data, at + self.read("I", at)) if at else None

    def tables(self, slot: int) -> list[Table]:
        offsets, at = self.numbers(slot, "I").tolist(), self.where(slot)
        first = at + self.read("I", at) + 4
        return [Table(self.data, first + 4 * i + offset) for i, offset in enumerate(offsets)]


class Tensor:
    """Shape, type (9: int8, 2: int32), scales, zero points, a constant's values; its wire once written."""

    def __init__(self, t: Table, buffers: list[Any]) -> None:
        self.shape, self.type, number = tuple(map(int, t.numbers(0))), t.number(1, "b"), t.number(2, "I")
        self.size, self.wire, q = math.prod(self.shape), -1, t.table(4)
        need(all(d > 0 for d in self.shape) and self.size <= 1 << 24, "a tensor's shape")
        need(not t.number(5, "B") and not t.where(6), "a variable, or a sparse tensor")
        need(q is None or not q.number(4, "B"), "a custom quantization")
        self.scales: list[float] = q.numbers(2, "f").tolist() if q else []
        self.zeros: list[int] = q.numbers(3, "q").tolist() if q else []
        need(all(0 < s < math.inf for s in self.scales), "a scale that is not a positive number")
        need(all(abs(z) <= 1 << 31 for z in self.zeros), "a zero point beyond 32 bits")
        self.raw = buffers[number] if number else buffers[0][:0]
        width = {9: 1, 2: 4}.get(self.type, -1)
        need(not len(self.raw) or len(self.raw) == self.size * width, "a constant of another type or size")

    def values(self) -> Ints:
        """A constant's integers, in its shape."""
        need(len(self.raw), "an operand that is no constant")
        values: Ints = self.raw.view("i1" if self.type == 9 else "<i4").astype(np.int64).reshape(self.shape)
        return values

    @property
    def codes(self) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor with one of each."""
        need(self.type == 9 and len(self.scales) == 1 and -128 <= self.zeros[0] <= 127, "it is not int8")
        return self.scales[0], self.zeros[0]


class Reader:
    """The walk over a .tflite file; `steps` grows."""

    def __init__(self, data: bytes, profile: str) -> None:
        self.once, self.steps, self.products = PROFILES[profile], list[Any](), 0
        self.softmax: Softmax | None = None
        model = Table(data, struct.unpack_from("<I", data)[0])
        (graph,), codes = model.tables(2), model.tables(1)
        need(all(b.number(1, "Q") <= 1 for b in model.tables(4)), "constants outside the flatbuffer")
        buffers = [b.numbers(0, "B", 1 << 26) for b in model.tables(4)]
        tensors = [Tensor(t, buffers) for t in graph.tables(0)]
        (first,), (last,) = graph.numbers(1), graph.numbers(2)
        x, y = tensors[first], tensors[last]
        need(model.number(0) == 3 and min(first, last) >= 0 and not len(x.raw) and x.type == 9, "the input")
        x.wire = 0
        for op in graph.tables(3):
            code = codes[op.number(0, "I")]
            builtin, inputs, (at,) = max(code.number(0, "b"), code.number(3)), op.numbers(1), op.numbers(2)
            need(builtin in OPERATORS, f"the checker does not know the builtin operator {builtin}")
            (method, arity, union), out = OPERATORS[builtin], tensors[at]
            need(
                len(inputs) in arity and min(inputs) >= -1 and inputs[0] >= 0 <= at, "an operator's operands"
            )
            need((union is None or op.number(3, "B") == union) and not op.where(5), "an operator's options")
            ins = [tensors[i] if i >= 0 else None for i in inputs]
            need(out.wire < 0 and not len(out.raw) and not self.softmax, "a tensor is written twice or late")
            need(all(t is None or t.wire >= 0 or len(t.raw) for t in ins), "an operand is not written")
            self.afford(sum(t.size for t in (*ins, out) if t is not None))
            method(self, op.table(4), ins, out)
        need(y.wire == len(self.steps) + (self.softmax is not None) and y.type == 9, "the output")
        self.network = Network(x.size, -128, 127, tuple(self.steps), self.softmax)

    def put(self, step: Any) -> int:
        need(min(step.sources, default=-1) >= 0, "an operator on constants alone")
        self.steps.append(step)
        return len(self.steps)

    def afford(self, products: int) -> None:
        self.products += products
        need(self.products <= 1 << 25, "a network of too many products")

    def clamp(self, code: int, out: Tensor) -> tuple[int, int]:
        """The range under a fused activation: none, RELU, RELU_N1_TO_1, RELU6 (float32, as TFLM)."""
        scale, zero = out.codes
        one, six = (math.floor(float(np.float32(r) / np.float32(scale)) + 0.5) for r in (1, 6))
        ranges = {0: (-128, 127), 1: (zero, 127), 2: (zero - one, zero + one), 3: (zero, zero + six)}
        lo, hi = max(ranges[code][0], -128), min(ranges[code][1], 127)
        need(lo <= hi, "an activation that leaves no value")
        return lo, hi

    def stairs(self, acc: int, out: Tensor, act: int, rule: Any, channel: Ints, ends: Ints) -> None:
        """The output: rule(accumulator, channel), clamped."""
        lo, hi = self.clamp(act, out)
        need(len(channel) == out.size, "an output of another size")
        piece = lambda a, c: np.clip(rule(a, c), lo, hi) - lo  # noqa: E731
        out.wire = self.put(Pieces((acc,), piece, np.arange(lo, hi + 1), channel, ends))

    def requantize(self, acc: int, out: Tensor, act: int, reals: list[float], channel: Ints) -> None:
        """The output: accumulators times the real of their channel, plus the zero point, clamped."""
        m, s = np.array([multiplier_of(real) for real in reals]).T
        ends = np.stack([-(2**31) >> np.maximum(s, 0), INT32_MAX >> np.maximum(s, 0)])
        rule = lambda a, c: scaled(a, m[c], s[c], self.once) + out.codes[1]  # noqa: E731
        self.stairs(acc, out, act, rule, channel, ends)

    def weighted(self, ins: list[Any], out: Tensor, act: int, n: int, weights: Ints, columns: Any) -> None:
        """Sums of products, row i of output channel i % n, and their staircase."""
        (x, w, bias), channel, dense = [*ins, None][:3], np.arange(out.size) % n, columns is None
        (sx, zx), so, alone = x.codes, out.codes[0], len(w.scales) == 1
        b = np.zeros(n, np.int64) if bias is None else bias.values().reshape(-1)
        need(w.type == 9 and len(w.scales) in (1, n) and w.zeros, "weights of another type or quantization")
        need(not any(w.zeros) or (dense and alone and -128 <= w.zeros[0] <= 127), "the weights' zero point")
        need(len(b) == n and (bias is None or bias.type == 2), "the bias")
        need(norm(weights) * max(127 - zx, 128 + zx) + size(b) <= INT32_MAX, "an accumulator may overflow")
        if dense and alone and bias is not None:
            given = bias.scales[0] if bias.scales and bias.zeros else 0.0
            need(abs(sx * w.scales[0] - given) / so <= 0.02, "the bias's scale")
        acc = self.put(Linear((x.wire,), weights, columns, b[channel] - zx * weights.sum(axis=1)))
        self.requantize(acc, out, act, [sx * s / so for s in w.scales] * (n // len(w.scales)), channel)

    def dense(self, o: Any, ins: list[Any], out: Tensor) -> None:
        self.afford(ins[1].size)
        weights = ins[1].values() - (ins[1].zeros[0] if len(ins[1].scales) == 1 else 0)
        need(weights.shape == (out.shape[-1], ins[0].size), "the shapes")
        need(not o.number(1, "b"), "shuffled weights")
        self.weighted(ins, out, o.number(0, "b"), len(weights), weights, None)

    def windows(self, o: Any, x: Tensor, out: Tensor, kernel: Any, dilation: Any) -> Ints:
        """[positions, taps, channels]: the element of the image under each tap; −1 outside."""
        same = {0: True, 1: False}[o.number(0, "b")]
        need(len(x.shape) == len(out.shape) == 4 and x.shape[0] == out.shape[0] == 1, "the shapes")
        image = np.pad(np.arange(x.size).reshape(x.shape[1:]), ((0, 1), (0, 1), (0, 0)), constant_values=-1)
        places = []
        for axis, k, s, d in zip((1, 2), kernel, (o.number(2), o.number(1)), dilation, strict=True):
            need(min(k, s, d) >= 1 and max(k, s, d) <= 1 << 16, "a window out of range")
            n, m, extent = x.shape[axis], out.shape[axis], (k - 1) * d + 1
            need(m == (n + s - (1 if same else extent)) // s, "an output of another size than declared")
            self.afford(m * k)
            at = np.arange(m)[:, None] * s - max(0, (m - 1) * s + extent - n) // 2 + np.arange(k) * d
            places.append(np.where((at >= 0) & (at < n), at, -1))
        self.afford(places[0].size * places[1].size * x.shape[3])
        found = image[places[0][:, None, :, None], places[1][None, :, None, :]]  # −1 is the added border
        taps: Ints = found.reshape(out.shape[1] * out.shape[2], -1, x.shape[3])
        return taps

    def conv(self, o: Any, ins: list[Any], out: Tensor) -> None:
        self.convolution(
            o, ins, out, ins[1].values(), (o.number(5, default=1), o.number(4, default=1)), o.number(3, "b")
        )

    def depthwise(self, o: Any, ins: list[Any], out: Tensor) -> None:
        x, d = ins[0], ins[1].values().transpose(3, 1, 2, 0)
        need(d.shape[3] == 1 and len(d) == x.shape[-1] * o.number(3), "the filter")
        self.convolution(o, ins, out, d, (o.number(6, default=1), o.number(5, default=1)), o.number(4, "b"))

    def convolution(self, o: Any, ins: list[Any], out: Tensor, data: Ints, dilation: Any, act: int) -> None:
        """data: [channels, height, width, channels of a group]; depthwise: one of each input channel."""
        x, (channels, height, width, each) = ins[0], data.shape
        per_group = channels * each // x.shape[-1]
        need(per_group * x.shape[-1] == channels * each and x.shape[-1] % each == 0, "the channels")
        taps = self.windows(o, x, out, (height, width), dilation)
        need(out.shape[3] == channels, "the channels")
        self.afford(len(taps) * data.size)
        read = np.arange(channels)[:, None] // per_group * each + np.arange(each)  # [channels, each]
        columns = taps[:, :, read].transpose(0, 2, 1, 3).reshape(out.size, -1)
        weights = np.where(columns < 0, 0, np.tile(data.reshape(channels, -1), (len(taps), 1)))
        self.weighted(ins, out, act, channels, weights, np.maximum(columns, 0))

    def pooled(self, o: Any, ins: list[Any], out: Tensor) -> Ints:
        """[outputs, taps]: the element under each tap; −1 outside."""
        (x,), (sx, zx), (so, zo) = ins, ins[0].codes, out.codes
        need(zx == zo and abs(np.float32(sx) - np.float32(so)) <= 1e-6, "the quantization changes")
        taps = self.windows(o, x, out, (o.number(4), o.number(3)), (1, 1))
        need(out.shape[3] == x.shape[3] and np.all(taps.max(axis=1) >= 0), "a window outside the image")
        return taps.transpose(0, 2, 1).reshape(out.size, -1)

    def average(self, o: Any, ins: list[Any], out: Tensor) -> None:
        columns = self.pooled(o, ins, out)
        inside = (columns >= 0).astype(np.int64)
        n, channel = np.unique(inside.sum(axis=1), return_inverse=True)
        acc = self.put(Linear((ins[0].wire,), inside, np.maximum(columns, 0), np.zeros(out.size, np.int64)))
        rule = lambda a, c: np.sign(a) * ((np.abs(a) + n[c] // 2) // n[c])  # noqa: E731
        self.stairs(
            acc, out, o.number(5, "b"), rule, channel.reshape(-1), np.outer([-(2**30), 2**30], 0 * n + 1)
        )

    def highest(self, o: Any, ins: list[Any], out: Tensor) -> None:
        columns = self.pooled(o, ins, out)
        windows = np.where(columns < 0, columns.max(axis=1)[:, None], columns)
        out.wire = self.put(Highest((ins[0].wire,), windows, self.clamp(o.number(5, "b"), out)))

    def add(self, o: Any, ins: list[Any], out: Tensor) -> None:
        """A table for each operand to a common scale, their sum, a staircase; constants go into the bias."""
        twice, bias, wires, n = 2 * max(t.codes[0] for t in ins), np.zeros(out.size, np.int64), [], out.size
        need(np.broadcast_shapes(ins[0].shape, ins[1].shape) == out.shape, "the shapes")
        one, real = np.ones((n, 1), np.int64), twice / ((1 << 20) * out.codes[0])
        for t in ins:
            m, shift = multiplier_of(t.scales[0] / twice)
            values = scaled((np.arange(-128, 128) - t.zeros[0]) << 20, m, np.int64(shift), self.once)
            index = np.broadcast_to(np.arange(t.size).reshape(t.shape), out.shape).reshape(-1)
            if len(t.raw):
                bias += values[t.values().reshape(-1)[index] + 128]
                continue
            ends, channel = np.array([[-128], [127]]), np.zeros(t.size, np.int64)
            wires.append(self.put(Pieces((t.wire,), lambda a, c: a + 128, values, channel, ends)))
            if t.size < n:
                wires[-1] = self.put(Linear((wires[-1],), one, index[:, None], 0 * bias))
        columns = np.arange(n * len(wires)).reshape(-1, n).T
        acc = self.put(Linear(tuple(wires), np.ones_like(columns), columns, bias))
        need(real < 1.0 and multiplier_of(real)[1] <= 0, "a scale ratio that is not below one")
        self.requantize(acc, out, o.number(0, "b"), [real], np.zeros(n, np.int64))

    def reshape(self, o: None, ins: list[Any], out: Tensor) -> None:
        need((ins[0].type, ins[0].size) == (out.type, out.size) and ins[0].wire >= 0, "a RESHAPE")
        out.wire = ins[0].wire

    def last(self, o: Any, ins: list[Any], out: Tensor) -> None:
        need(out.codes == (1 / 256, -128) and ins[0].shape == out.shape, "a SOFTMAX of another form")
        need(1 < out.size == out.shape[-1] <= 511, "a SOFTMAX of several rows, or a long one")
        need(ins[0].wire == len(self.steps), "a SOFTMAX that is not the last step")
        self.softmax, out.wire = Softmax(o.number(0, "f", 0.0) * ins[0].codes[0]), len(self.steps) + 1


Operator = tuple[Any, tuple[int, ...], int | None]  # the method, how many inputs, the number of its options
OPERATORS: dict[int, Operator] = {  # by builtin code
    0: (Reader.add, (2,), 11),
    1: (Reader.average, (1,), 5),
    3: (Reader.conv, (2, 3), 1),
    4: (Reader.depthwise, (2, 3), 2),
    9: (Reader.dense, (2, 3), 8),
    17: (Reader.highest, (1,), 5),
    22: (Reader.reshape, (1, 2), None),
    25: (Reader.last, (1,), 9),
}


def fixed_point(arrays: dict[str, Ints]) -> Network:
    """a → clip((w · a + b + half) >> shift, lo, hi) for each layer, half = 2^shift / 2; inputs 0..255."""
    steps, n, most, layers = list[Any](), arrays["w0"].shape[1], 255, int(arrays["n_layers"].reshape(()))
    need(len(arrays) == 5 * layers + 1, "a fixed-point network of other arrays")
    for i in range(layers):
        w, b, *numbers = (arrays[f"{name}{i}"] for name in ("w", "b", "shift", "lo", "hi"))
        s, lo, hi = (int(value.reshape(())) for value in numbers)
        need(b.ndim == 1 and w.shape == (len(b), n if i == 0 else len(steps[-1].channel)), "the shapes")
        need(0 <= s <= 30 and -(2**15) <= lo <= hi < 2**15, "a shift or clip range out of range")
        need(most * norm(w) + size(b) < 2**30, "an accumulator may overflow")
        piece = lambda a, c, s=s, lo=lo, hi=hi: np.clip((a + (1 << s >> 1)) >> s, lo, hi) - lo  # noqa: E731
        ends, most = np.array([[-(2**30)], [2**30]]), max(-lo, hi)
        steps.append(Linear((2 * i,), w, None, b))
        steps.append(Pieces((2 * i + 1,), piece, np.arange(lo, hi + 1), np.zeros(len(b), np.int64), ends))
    return Network(n, 0, 255, tuple(steps))
