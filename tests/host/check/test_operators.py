"""Operators that the checker reads: where TFLM goes by its own rules, and proofs across them."""

import itertools

import numpy as np
import pytest

from certified import certified
from coverify.check import Rejected
from coverify.check.certificate import network
from coverify.verify.dual.places import places
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError, lower
from tflm_int8.kernels.slicing import _Masks, _positions
from tflm_int8.program.concrete import run as run_program


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    """The outputs of the checker's steps."""
    net = network(content, "tflm")
    return net.boxes(x.reshape(1, len(x), -1).astype(np.int64))[0][:, net.outputs]


def strided(rng: np.random.Generator) -> bytes:
    """Ends and masks of any kind, far ones among them; the output's shape is what the reference says."""
    b, shape = Builder(), rng.integers(1, 6, int(rng.integers(1, 5)))
    far, n = (-(2**31), -(2**31) + 3, 2**31 - 1), len(shape)
    begin, end, step = (
        np.where(rng.random(n) < 0.04, rng.choice(far, n), rng.integers(-most, most + 1, n))
        for most in (8, 8, 3)
    )
    begins, ends, shrunk = np.where(rng.random(3) < 0.6, rng.integers(0, 1 << n, 3), 0).tolist()
    out = []
    for k in np.flatnonzero(~(shrunk >> np.arange(n)) & 1).tolist():
        bits = _Masks(begins >> k & 1, ends >> k & 1, 0, 0, 0)
        axis = (int(shape[k]), int(begin[k]), int(end[k]), int(step[k]) or 1)
        out.append(max(1, len(_positions(*axis, bits))))
    x = b.input(tuple(shape.tolist()), 0.5, 3)
    operands = [x, *(b.integers(values) for values in (begin, end, step))]
    y = b.like(x, tuple(out))
    return b.finish(
        b.op("STRIDED_SLICE", operands, y, 32, BeginMask=begins, EndMask=ends, ShrinkAxisMask=shrunk)
    )


def test_a_strided_slice_is_read_as_by_tflm_or_refused_as_by_the_reference():
    counts = {"read": 0, "refused": 0}
    for seed in range(400):
        rng = np.random.default_rng([seed, 41])
        content = strided(rng)
        try:
            reference = Reference(Model.from_bytes(content))
        except TflmError:
            with pytest.raises(Rejected):
                network(content, "tflm")
            counts["refused"] += 1
            continue
        x = rng.integers(-128, 128, (1, *reference.input.shape), dtype=np.int8)
        np.testing.assert_array_equal(run(content, x)[0], Tflm(content).run(x[0]).reshape(-1))
        counts["read"] += 1
    assert min(counts.values()) > 50


@pytest.mark.parametrize(("align", "half"), [(False, False), (False, True), (True, False), (True, True)])
def test_a_resized_line_is_read_as_by_tflm(align, half):
    """Of many lengths: in float32 some positions are others than in exact numbers."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        n, m = (int(rng.integers(1, rng.choice([9, 60, 1500]))) for _ in range(2))
        b = Builder()
        x = b.input((1, n, 1, 1), 0.5, 3)
        operands, y = [x, b.integers([m, 1])], b.like(x, (1, m, 1, 1))
        options = {"AlignCorners": align, "HalfPixelCenters": half}
        content = b.finish(b.op("RESIZE_NEAREST_NEIGHBOR", operands, y, 74, **options))
        codes = rng.integers(-128, 128, (1, 1, n, 1, 1), dtype=np.int8)
        np.testing.assert_array_equal(run(content, codes)[0], Tflm(content).run(codes[0]).reshape(-1))


def with_reduction(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    depth, scale = b.tensors[x].shape[3], b.tensors[x].scales[0]
    y = b.activation((1, 1, 1, depth), 2 * scale, 5) if op == "SUM" else b.like(x, (1, 1, 1, depth))
    return b.op(op, [x, b.integers([1, 2])], y, 27, KeepDims=True)


def with_extreme(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """Of a constant that both read, spread and not, and of what a table writes."""
    shape = b.tensors[x].shape
    for other in (
        b.constant(rng.integers(-60, 60, shape[3:]), 0.1, 0),
        b.constant(rng.integers(-60, 60, shape), 0.1, 0),
    ):
        y = b.op(op, [other, x], b.like(x, shape))
        x = b.op(op, [b.op("QUANTIZE", [y], b.activation(shape, 0.03, 7)), other], b.like(x, shape))
    return x


def with_squares(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """Of the difference from a constant, and from what a table writes."""
    shape, scale = b.tensors[x].shape, b.tensors[x].scales[0]
    for other in (
        b.constant(rng.integers(-60, 60, shape[3:]), 0.1, 0),
        b.op("QUANTIZE", [x], b.activation(shape, 0.03, 7)),
    ):
        x = b.op(op, [x, other], b.activation(shape, float(np.float32(60 * scale**2)), -90), 76)
        scale = b.tensors[x].scales[0]
    return x


def with_resize(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    return b.op(
        op, [x, b.integers([3, 1])], b.like(x, (1, 3, 1, b.tensors[x].shape[3])), 74, HalfPixelCenters=True
    )


def with_slice(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    ends = [b.integers(values) for values in ([0, 1, 0, 0], [1, 1, -1, -1])]
    return b.op(op, [x, *ends], b.like(x, (1, 1, *b.tensors[x].shape[2:])))


def with_strides(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    ends = [b.integers(values) for values in ([0, 0, 0, 0], [0, 0, 0, 0], [1, -1, 1, 2])]
    depth = -(-b.tensors[x].shape[3] // 2)
    return b.op(op, [x, *ends], b.like(x, (1, 2, 2, depth)), 32, BeginMask=15, EndMask=15)


def with_transposed(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    w = rng.integers(-127, 128, (2, 2, 3, b.tensors[x].shape[3]))
    _, *weights = b.layer_inputs(x, w, rng.integers(-900, 900, 2), [0.01, 0.02], 0)
    y = b.activation((1, 4, 4, 2), 4 * b.tensors[x].scales[0], 5)
    return b.op(
        op, [b.integers((1, 4, 4, 2)), weights[0], x, weights[1]], y, 49, Padding=0, StrideH=2, StrideW=2
    )


def with_parts(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """Three parts on the last axis, of which the first and the last are added, and one is not read."""
    shape = b.tensors[x].shape
    each = (*shape[:3], 1) if op == "SPLIT" else shape[:3]
    parts = [b.like(x, each) for _ in range(3)]
    if op == "SPLIT":
        b.op(op, [b.integers(3), x], parts, 35, NumSplits=3)
    else:
        b.op(op, [x], parts, 64, Num=3, Axis=-1)
    return b.add(parts[0], parts[2], 2 * b.tensors[x].scales[0], 5)


ACROSS = [*itertools.product(("SUM", "REDUCE_MIN"), [with_reduction])]
ACROSS += itertools.product(("MAXIMUM", "MINIMUM"), [with_extreme])
ACROSS += [("SQUARED_DIFFERENCE", with_squares)]
ACROSS += [("RESIZE_NEAREST_NEIGHBOR", with_resize), ("SLICE", with_slice), ("STRIDED_SLICE", with_strides)]
ACROSS += [("TRANSPOSE_CONV", with_transposed), ("SPLIT", with_parts), ("UNPACK", with_parts)]


@pytest.mark.parametrize(("op", "made"), ACROSS)
def test_proofs_across_an_operator_are_accepted(op, made, tmp_path):
    """Between a convolution and a dense layer; and its elements stand where evidence has them."""
    accepted = 0
    for seed in range(10):
        rng, b = np.random.default_rng([seed, 43]), Builder()
        filters, bias = rng.integers(-127, 128, (3, 1, 1, 1)), rng.integers(-900, 900, 3)
        x = made(b, b.conv(b.input((1, 2, 2, 1), 0.05, 0), filters, bias, [0.01] * 3, 0.06, 3), rng, op)
        n = int(np.prod(b.tensors[x].shape))
        weights, scale = rng.integers(-127, 128, (3, n)), b.tensors[x].scales[0] * n**0.5
        y = b.fully_connected(b.reshape(x, (1, n)), weights, rng.integers(-900, 900, 3), 0.01, scale, 0)
        content = b.finish(y)
        program, codes = lower(Model.from_bytes(content)), rng.integers(-128, 128, (9, 4))
        elements, wires = network(content, "tflm").boxes(codes[None])[0], run_program(program, codes)
        for place, values in zip(places(program, len(program.steps)), wires, strict=True):
            np.testing.assert_array_equal(elements[:, place], values)
        for engine, eps in (("interval", 1), ("bab", 3)):
            accepted += certified(content, codes[0], engine, eps, tmp_path / "c.zip")
    assert accepted > 5


@pytest.mark.parametrize(
    ("op", "parts", "number"),
    [("SPLIT", 2, 2), ("SPLIT", 0, 0), ("UNPACK", 2, 2), ("UNPACK", 3, 2), ("UNPACK", 2, 3), ("ABS", 2, 2)],
)
def test_other_parts_than_there_are_and_outputs_twice_are_refused(op, parts, number):
    """Of three elements."""
    b = Builder()
    x = b.input((1, 3), 0.05, 3)
    outputs = [b.like(x, (1, 1) if op == "SPLIT" else (1,)) for _ in range(parts)]
    operands = [b.integers(1), x] if op == "SPLIT" else [x]
    options = {"NumSplits": number} if op == "SPLIT" else {"Num": number, "Axis": 1} if op == "UNPACK" else {}
    b.op(op, operands, outputs, {"SPLIT": 35, "UNPACK": 64}.get(op, 0), **options)
    y = b.op("RELU", [outputs[0] if outputs else x], b.like(x, b.tensors[outputs[0] if outputs else x].shape))
    with pytest.raises((Rejected, ValueError)):
        network(b.finish(y), "tflm")


def test_one_tensor_is_not_two_outputs():
    b = Builder()
    x = b.input((1, 2), 0.05, 3)
    half = b.like(x, (1, 1))
    b.op("SPLIT", [b.integers(1), x], [half, half], 35, NumSplits=2)
    with pytest.raises(Rejected, match="an operator's outputs"):
        network(b.finish(half), "tflm")
