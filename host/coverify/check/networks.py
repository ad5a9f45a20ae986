"""The bytes of a network → its steps: a .tflite file of int8 (FULLY_CONNECTED, CONV_2D, DEPTHWISE_CONV_2D,
ADD, AVERAGE_POOL_2D, MAX_POOL_2D, RESHAPE, a last SOFTMAX) or an .npz fixed-point network. The rest is
refused.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from coverify.check.integers import multiplier_of, scaled, softmax
from coverify.check.steps import INT32_MAX, Highest, Ints, Linear, Lookup, Map, Network, Softmax, Stairs, need

MAX_BYTES = 64 << 20


def read_array(data: bytes) -> Ints:
    """An integer array from the bytes of a .npy file, as int64."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    need(isinstance(array, np.ndarray) and array.dtype.kind in "iu", "an array that holds no integers")
    need(array.dtype != np.uint64 and array.ndim <= 2, "an array of an unknown form")
    integers: Ints = array.astype(np.int64, order="C")
    return integers


def read_zip(data: bytes) -> dict[str, bytes]:
    """The members of a zip archive, at most 4 · MAX_BYTES in all."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        need(len({i.filename for i in infos}) == len(infos) <= 4096, "too many members, or two of one name")
        need(sum(i.file_size for i in infos) <= 4 * MAX_BYTES, "the members are too large")
        found = {i.filename: archive.read(i) for i in infos}
        need(
            all(len(found[i.filename]) == i.file_size for i in infos),
            "a member of another length than stated",
        )
        return found


def fixed_point(data: bytes) -> Network:
    """a → clip((w · a + b + half) >> shift, lo, hi) for each layer, half = 2^shift / 2; inputs 0..255."""
    arrays = {name: read_array(member) for name, member in read_zip(data).items()}
    steps: list[Any] = []
    n = n_input = arrays["w0.npy"].shape[1]
    least, most, layers = 0, 255, int(arrays["n_layers.npy"].reshape(()))
    need(1 <= layers <= 64 and len(arrays) == 5 * layers + 1, "a fixed-point network of other arrays")
    for i in range(layers):
        w, b = arrays[f"w{i}.npy"], arrays[f"b{i}.npy"]
        s, lo, hi = (int(arrays[f"{name}{i}.npy"].reshape(())) for name in ("shift", "lo", "hi"))
        need(w.ndim == 2 and w.shape[1] == n > 0 and b.shape == w.shape[:1], "layers that do not fit")
        need(np.all(np.abs(w) <= 1 << 24) and np.all(np.abs(b) <= INT32_MAX), "weights out of range")
        need(0 <= s <= 30 and -(2**15) <= lo <= hi < 2**15, "a shift or clip range out of range")
        m, n = Map(n, w), len(w)
        need(max(abs(least), abs(most)) * m.rows + int(np.abs(b).max()) < 2**30, "it may overflow")
        steps.append(Linear(((len(steps), 0, m),), b))
        ends = np.array([[-(2**31)], [2**30]])
        steps.append(Stairs(len(steps), half_up(s, lo, hi), np.zeros(n, np.int64), lo, hi, ends))
        least, most = lo, hi
    return Network(n_input, 0, 255, tuple(steps))


def half_up(shift: int, lo: int, hi: int) -> Callable[[Ints, Ints], Ints]:
    """a / 2^shift to the nearest, halves up, clamped."""
    return lambda a, channel: np.clip((a + ((1 << shift) >> 1)) >> shift, lo, hi)


class Table:
    """A flatbuffer table at a position of `data`; a field by its slot in TFLite's schema (v3)."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at
        self.vtable = at - struct.unpack_from("<i", data, at)[0]
        need(self.vtable >= 0, "a damaged flatbuffer")
        self.length = struct.unpack_from("<H", data, self.vtable)[0]

    def where(self, slot: int) -> int | None:
        offset = 4 + 2 * slot
        field = struct.unpack_from("<H", self.data, self.vtable + offset)[0] if offset < self.length else 0
        return self.at + field if field else None

    def number(self, slot: int, fmt: str, default: Any = 0) -> Any:
        at = self.where(slot)
        return default if at is None else struct.unpack_from(fmt, self.data, at)[0]

    def vector(self, slot: int, dtype: str) -> Any:
        at = self.where(slot)
        if at is None:
            return np.zeros(0, dtype)
        at += struct.unpack_from("<I", self.data, at)[0]
        return np.frombuffer(self.data, dtype, struct.unpack_from("<I", self.data, at)[0], at + 4)

    def table(self, slot: int) -> Table:
        at = self.where(slot)
        need(at is not None, "a part of the model is missing")
        assert at is not None
        return Table(self.data, at + struct.unpack_from("<I", self.data, at)[0])

    def tables(self, slot: int) -> list[Table]:
        at = self.where(slot)
        offsets = self.vector(slot, "<u4")
        need(at is not None and len(offsets) <= 4096, "too many parts, or none")
        assert at is not None
        start = at + struct.unpack_from("<I", self.data, at)[0] + 4
        return [Table(self.data, start + 4 * i + int(o)) for i, o in enumerate(offsets)]


class Tensor:
    """A tensor's shape, its constant's values or None, scales and zero points, and its wire once written."""

    def __init__(self, table: Table, buffers: list[Table]) -> None:
        self.shape = tuple(int(d) for d in table.vector(0, "<i4"))
        need(all(d > 0 for d in self.shape) and math.prod(self.shape) <= 1 << 24, "a tensor's shape")
        self.size, self.type, self.wire = math.prod(self.shape), table.number(1, "<b"), -1
        need(not table.number(5, "<B") and table.where(6) is None, "a variable or sparse tensor")
        buffer = buffers[table.number(2, "<I")]
        need(buffer.number(1, "<Q") <= 1, "constants outside the flatbuffer")
        raw = buffer.vector(0, "<u1") if table.number(2, "<I") else np.zeros(0, "<u1")
        self.data = None
        if len(raw) and self.type in (2, 9):
            self.data = raw.view("<i4" if self.type == 2 else "i1").astype(np.int64).reshape(self.shape)
        need(not len(raw) or self.data is not None, "a constant that is neither int8 nor int32")
        q = table.table(4) if table.where(4) is not None else None
        need(q is None or not q.number(4, "<B"), "custom quantization")
        self.axis = 0 if q is None else q.number(6, "<i")
        self.scales = [] if q is None else [float(s) for s in q.vector(2, "<f4")]
        self.zeros = [0] if q is None or not len(q.vector(3, "<i8")) else q.vector(3, "<i8").tolist()
        need(all(math.isfinite(s) and s > 0 for s in self.scales), "a scale that is not a positive number")

    def codes(self) -> tuple[float, int]:
        """Scale and zero point of an int8 tensor with one of each."""
        need(self.type == 9 and len(self.scales) == len(self.zeros) == 1, "a tensor that is not plain int8")
        need(-128 <= self.zeros[0] <= 127, "a zero point out of range")
        return self.scales[0], self.zeros[0]


class Reader:
    """The walk over a .tflite file; `steps` grows."""

    def __init__(self, data: bytes) -> None:
        root = Table(data, struct.unpack_from("<I", data, 0)[0])
        need(root.number(0, "<I") == 3 and len(root.tables(2)) == 1, "not one subgraph of schema 3")
        graph, buffers, self.steps = root.tables(2)[0], root.tables(4), list[Any]()
        self.tensors = [Tensor(t, buffers) for t in graph.tables(0)]
        codes = [max(c.number(0, "<b"), c.number(3, "<i")) for c in root.tables(1)]
        first, last = graph.vector(1, "<i4"), graph.vector(2, "<i4")
        need(len(first) == len(last) == 1, "not one input and one output")
        x, y = self.tensors[int(first[0])], self.tensors[int(last[0])]
        need(x.data is None and x.codes(), "a constant input")
        x.wire = 0
        known = {
            9: self.dense,
            3: self.conv,
            4: self.depthwise,
            0: self.add,
            1: self.average,
            17: self.highest,
            22: self.reshape,
            25: self.softmax,
        }
        for op in graph.tables(3):
            code = codes[op.number(0, "<I")]
            need(code in known, f"the checker does not know the operator of builtin code {code}")
            at = [int(i) for i in op.vector(1, "<i4")]
            need(all(-1 <= i < len(self.tensors) for i in at) and at[0] >= 0, "an operator's inputs")
            out = op.vector(2, "<i4")
            need(len(out) == 1 and 0 <= out[0] < len(self.tensors), "an operator's outputs")
            inputs, result = [self.tensors[i] if i >= 0 else None for i in at], self.tensors[int(out[0])]
            need(result.wire < 0 and result.data is None, "a tensor that is written twice")
            need(all(t is None or t.wire >= 0 or t.data is not None for t in inputs), "an unwritten tensor")
            known[code](op, inputs, result)
        need(y.wire == len(self.steps) and y.type == 9, "the output is not the last step's")
        self.network = Network(x.size, -128, 127, tuple(self.steps))

    def emit(self, step: Any) -> int:
        self.steps.append(step)
        return len(self.steps)

    def clamp(self, code: int, out: Tensor) -> tuple[int, int]:
        """The output's range under a fused activation: none, RELU, RELU_N1_TO_1, RELU6 (float32, as TFLM)."""
        need(0 <= code <= 3, "a fused activation that is not known")
        scale, zero = out.codes()
        at = [-128, 127, *(math.floor(abs(float(np.float32(r) / np.float32(scale))) + 0.5) for r in (1, 6))]
        lo, hi = ((-128, 127), (zero, 127), (zero - at[2], zero + at[2]), (zero, zero + at[3]))[code]
        need(max(lo, -128) <= min(hi, 127), "an activation that leaves no value")
        return max(lo, -128), min(hi, 127)

    def requantize(self, acc: int, out: Tensor, reals: list[float], code: int, channel: Ints) -> None:
        m, s = (np.array(v, np.int64) for v in zip(*(multiplier_of(r) for r in reals), strict=True))
        (lo, hi), zero, left = self.clamp(code, out), out.codes()[1], np.maximum(s, 0)
        ends = np.stack([np.int64(-(2**31)) >> left, np.int64(INT32_MAX) >> left])
        rule = lambda a, c: np.clip(scaled(a, m[c], s[c]) + zero, lo, hi)  # noqa: E731
        need(len(channel) == out.size, "an output of the wrong size")
        out.wire = self.emit(Stairs(acc, rule, channel, lo, hi, ends))

    def weighted(
        self,
        x: Tensor,
        out: Tensor,
        w: Tensor,
        bias: Tensor | None,
        m: Map,
        channel: Ints,
        code: int,
        dense: bool,
    ) -> None:
        """The linear step and its staircase; channel: the output channel of every element."""
        (sx, zx), (so, _), n = x.codes(), out.codes(), int(channel.max()) + 1
        need(
            len(w.scales) in (1, n) and not any(w.zeros) and x.wire >= 0, "weights with other scales or zeros"
        )
        b = np.zeros(n, np.int64) if bias is None else bias.data
        need(b is not None and b.size == n and (bias is None or bias.type == 2), "the bias")
        assert b is not None
        need(not dense or bias is None or len(w.scales) > 1 or len(bias.scales) == 0
             or abs(sx * w.scales[0] - bias.scales[0]) / so <= 0.02, "the bias's scale")  # fmt: skip
        need(
            m.rows * max(127 - zx, 128 + zx) + int(np.abs(b).max()) <= INT32_MAX,
            "an accumulator may overflow",
        )
        acc = self.emit(Linear(((x.wire, zx, m),), b.reshape(-1)[channel]))
        self.requantize(acc, out, [sx * s / so for s in w.scales] * (n // len(w.scales)), code, channel)

    def dense(self, op: Table, ins: list[Any], out: Tensor) -> None:
        x, w, bias = (*ins, None)[:3]
        need(
            op.number(3, "<B") == 8 and len(ins) in (2, 3) and w.data is not None and w.type == 9,
            "the weights",
        )
        need(w.data.ndim == 2 and x.size == w.data.shape[1] and not op.table(4).number(1, "<b"), "the shapes")
        m = Map(x.size, w.data)
        self.weighted(x, out, w, bias, m, np.arange(len(w.data)), op.table(4).number(0, "<b"), dense=True)

    def window(self, x: Tensor, out: Tensor, kernel: Any, stride: Any, dilation: Any, padding: int) -> Ints:
        """[positions, taps]: the pixel under each tap, or the number of pixels when outside."""
        need(
            len(x.shape) == 4 and x.shape[0] == 1 and padding in (0, 1) and len(out.shape) == 4, "the shapes"
        )
        axes = []
        for n, k, s, d, declared in zip(x.shape[1:3], kernel, stride, dilation, out.shape[1:3], strict=True):
            need(min(k, s, d) >= 1 and max(k, s, d) <= 1 << 12, "a window out of range")
            extent = (k - 1) * d + 1
            size = (n + s - (1 if padding == 0 else extent)) // s
            need(size == declared and size * k <= 1 << 20, "an output of another size than declared")
            at = np.arange(size)[:, None] * s - max(0, (size - 1) * s + extent - n) // 2 + np.arange(k) * d
            axes.append(np.where((at >= 0) & (at < n), at, -1))
        need(axes[0].size * axes[1].size * x.shape[3] <= 1 << 22, "a window over too many pixels")
        row, column = axes[0][:, None, :, None], axes[1][None, :, None, :]
        pixel = np.where((row < 0) | (column < 0), x.shape[1] * x.shape[2], row * x.shape[2] + column)
        return pixel.reshape(axes[0].shape[0] * axes[1].shape[0], -1)

    def conv(self, op: Table, ins: list[Any], out: Tensor) -> None:
        self.convolution(op, ins, out, 1, (5, 4), 3)

    def depthwise(self, op: Table, ins: list[Any], out: Tensor) -> None:
        self.convolution(op, ins, out, 2, (6, 5), 4)

    def convolution(
        self, op: Table, ins: list[Any], out: Tensor, union: int, dilation: Any, act: int
    ) -> None:
        x, w, bias = (*ins, None)[:3]
        need(op.number(3, "<B") == union and len(ins) in (2, 3), "the options")
        need(w.data is not None and w.type == 9 and w.data.ndim == 4, "the weights")
        o, data, depth = op.table(4), w.data, x.shape[3] if len(x.shape) == 4 else 0
        if union == 2:
            need(data.shape[0] == 1 and depth and data.shape[3] == depth * o.number(3, "<i"), "the filter")
            data = data.transpose(3, 1, 2, 0)
        channels, each = data.shape[0], data.shape[3]
        need(depth and depth % each == 0 and channels % (depth // each) == 0, "the channels")
        taps = self.window(x, out, data.shape[1:3], (o.number(2, "<i"), o.number(1, "<i")),
                           [o.number(slot, "<i", 1) for slot in dilation], o.number(0, "<b"))  # fmt: skip
        group = np.arange(channels) // (channels // (depth // each)) * each
        columns = taps[:, None, :, None] * depth + group[:, None, None] + np.arange(each)
        n = x.size
        columns = np.where(taps[:, None, :, None] < n // depth, columns, n).reshape(len(taps) * channels, -1)
        need(columns.size <= 1 << 23, "a convolution of too many products")
        weights = np.tile(data.reshape(channels, -1), (len(taps), 1))
        channel = np.tile(np.arange(channels), len(taps))
        self.weighted(x, out, w, bias, Map(n, weights, columns), channel, o.number(act, "<b"), dense=False)

    def pooled(self, op: Table, ins: list[Any], out: Tensor) -> tuple[Tensor, Ints, tuple[int, int]]:
        x, o = ins[0], op.table(4)
        need(op.number(3, "<B") == 5 and x.codes()[1] == out.codes()[1], "the quantization changes")
        need(abs(np.float32(x.scales[0]) - np.float32(out.scales[0])) <= 1e-6, "the quantization changes")
        taps = self.window(
            x,
            out,
            (o.number(4, "<i"), o.number(3, "<i")),
            (o.number(2, "<i"), o.number(1, "<i")),
            (1, 1),
            o.number(0, "<b"),
        )
        need(np.all(taps.min(axis=1) < x.size // x.shape[3]), "a window outside the image")
        outside = taps[:, None, :] == x.size // x.shape[3]
        columns = np.where(outside, x.size, taps[:, None, :] * x.shape[3] + np.arange(x.shape[3])[:, None])
        need(out.size == len(taps) * x.shape[3], "an output of the wrong size")
        return x, columns.reshape(out.size, -1), self.clamp(o.number(5, "<b"), out)

    def average(self, op: Table, ins: list[Any], out: Tensor) -> None:
        x, columns, (lo, hi) = self.pooled(op, ins, out)
        counts = (columns < x.size).sum(axis=1)
        values, channel = np.unique(counts, return_inverse=True)
        acc = self.emit(
            Linear(((x.wire, 0, Map(x.size, np.ones_like(columns), columns)),), np.zeros(out.size, np.int64))
        )

        def rule(a: Ints, c: Ints) -> Ints:
            n, half = values[c], values[c] // 2
            return np.clip(np.where(a > 0, (a + half) // n, -((half - a) // n)), lo, hi)

        ends = np.stack([np.full(len(values), -(2**30)), np.full(len(values), 2**30)])
        out.wire = self.emit(Stairs(acc, rule, channel.reshape(-1), lo, hi, ends))

    def highest(self, op: Table, ins: list[Any], out: Tensor) -> None:
        x, columns, (lo, hi) = self.pooled(op, ins, out)
        out.wire = self.emit(
            Highest(x.wire, np.where(columns < x.size, columns, columns.min(axis=1)[:, None]), lo, hi)
        )

    def add(self, op: Table, ins: list[Any], out: Tensor) -> None:
        need(
            len(ins) == 2 and all(t.wire >= 0 and t.shape == out.shape for t in ins), "an ADD of other shapes"
        )
        twice = 2 * max(t.codes()[0] for t in ins)
        terms = []
        for t in ins:
            m, shift = multiplier_of(t.scales[0] / twice)
            need(shift <= 0, "a scale ratio that is not below one")
            table = scaled((np.arange(-128, 128) - t.zeros[0]) << 20, m, shift)
            one = np.ones((t.size, 1), np.int64)
            terms.append((self.emit(Lookup(t.wire, table)), 0, Map(t.size, one, np.arange(t.size)[:, None])))
        acc = self.emit(Linear(tuple(terms), np.zeros(out.size, np.int64)))
        real = twice / ((1 << 20) * out.codes()[0])
        need(real < 1.0 and multiplier_of(real)[1] <= 0, "a scale ratio that is not below one")
        code = op.table(4).number(0, "<b") if op.number(3, "<B") == 11 else -1
        self.requantize(acc, out, [real], code, np.zeros(out.size, np.int64))

    def reshape(self, op: Table, ins: list[Any], out: Tensor) -> None:
        need(
            len(ins) in (1, 2) and ins[0].wire >= 0 and (ins[0].type, ins[0].size) == (out.type, out.size),
            "a RESHAPE",
        )
        out.wire = ins[0].wire

    def softmax(self, op: Table, ins: list[Any], out: Tensor) -> None:
        scale, zero = out.codes()
        need(op.number(3, "<B") == 9 and (scale, zero) == (1 / 256, -128) and ins[0].wire >= 0, "a SOFTMAX")
        need(
            ins[0].shape == out.shape and 1 < out.size == out.shape[-1] <= 511,
            "a SOFTMAX of other than one row",
        )
        out.wire = self.emit(
            Softmax(ins[0].wire, *softmax(op.table(4).number(0, "<f", 0.0) * ins[0].codes()[0]))
        )
