"""Operators that the checker reads: where TFLM goes by its own rules, and proofs across them."""

import itertools
import tracemalloc

import numpy as np
import pytest

from certified import certified
from coverify.check import Rejected
from coverify.check.certificate import network
from coverify.conformance.suite.grids import GRIDS
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


NOT_READ = ("ARG_MAX", "ARG_MIN", "DEQUANTIZE", "L2_NORMALIZATION", "LOG_SOFTMAX", "SHAPE", "SVDF")
"""Of the operators of the kernel suite: no output of int8, or known to no proof."""
SUITE = [op for op in GRIDS if op not in (*NOT_READ, "UNIDIRECTIONAL_SEQUENCE_LSTM") and ":" not in op]


@pytest.mark.parametrize("op", SUITE)
def test_the_cases_of_the_kernel_suite_are_read_as_by_tflm(op):
    """Those of int8 with one output; of pools some begin outside the image, of a SOFTMAX some have rows."""
    read = refused = 0
    for case in itertools.islice(GRIDS[op](op, 0), 60):
        model = case.model
        if [model.tensors[i].dtype for i in (*model.inputs, *model.outputs)] != ["int8", "int8"]:
            continue
        try:
            found = run(model.content, case.x)
        except Rejected:
            refused += 1
            continue
        tflm, shape = Tflm(model.content), model.tensors[model.inputs[0]].shape
        np.testing.assert_array_equal(found, [tflm.run(x.reshape(shape)).reshape(-1) for x in case.x])
        read += 1
    assert read >= 3
    assert refused == {"AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 2, "SOFTMAX": 3}.get(op, 0)


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


def with_border(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """PADV2 with a constant, MIRROR_PAD without the edge or with it."""
    like, wide = b.tensors[x], np.array([[0, 0], [1, 0], [0, 1], [2, 1]])
    y = b.like(x, (np.array(like.shape) + wide.sum(axis=1)).tolist())
    if op == "MIRROR_PAD":
        return b.op(op, [x, b.integers(wide)], y, 77, Mode=int(rng.integers(2)))
    border = b.constant(rng.integers(-128, 128, 1), like.scales[0], like.zero_points[0])
    return b.op(op, [x, b.integers(wide), border], y)


def with_stack(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """Of an image, a constant and what a table writes."""
    like = b.tensors[x]
    constant = b.constant(rng.integers(-128, 128, like.shape), like.scales[0], like.zero_points[0])
    parts = [x, constant, b.op("RELU", [x], b.like(x, like.shape))]
    return b.op(op, parts, b.like(x, (*like.shape[:3], 3, like.shape[3])), 59, ValuesCount=3, Axis=3)


def with_blocks(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """To depth or batches and back, with a table of what is in between."""
    n, h, w, d = b.tensors[x].shape
    if op == "SPACE_TO_DEPTH":
        y = b.op(op, [x], b.like(x, (n, h // 2, w // 2, 4 * d)), 19, BlockSize=2)
        y = b.op("ABS", [y], b.activation((n, h // 2, w // 2, 4 * d), 0.05, -3))
        return b.op("DEPTH_TO_SPACE", [y], b.like(y, (n, h, w, d)), 94, BlockSize=2)
    y = b.op(op, [x, b.integers([2, 1]), b.integers([[0, 0], [0, 0]])], b.like(x, (2 * n, h // 2, w, d)))
    y = b.op("ELU", [y], b.activation((2 * n, h // 2, w, d), 0.05, -3))
    back = [y, b.integers([2, 1]), b.integers([[1, 0], [0, 1]])]
    return b.op("BATCH_TO_SPACE_ND", back, b.like(y, (n, h - 1, w - 1, d)))


def with_gather(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """The channels turned around, and some of them, one twice; broadcast."""
    n, h, w, _ = b.tensors[x].shape
    x = b.op("REVERSE_V2", [x, b.integers([-1, 2])], b.like(x, b.tensors[x].shape))
    x = b.op(op, [x, b.integers([2, 0, 2, 1])], b.like(x, (n, h, w, 4)), 23, Axis=3)
    shape = (2, h, w, 4)
    return b.op("BROADCAST_TO", [x, b.integers(shape)], b.like(x, shape))


def with_bilinear(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    y = b.like(x, (1, 3, 5, b.tensors[x].shape[3]))
    return b.op(op, [x, b.integers([3, 5])], y, 15, HalfPixelCenters=True)


def with_lengths(b: Builder, x: int, rng: np.random.Generator, op: str) -> int:
    """A channel and the two others, of which the last one is read."""
    shape = b.tensors[x].shape[:3]
    parts = [b.like(x, (*shape, 1)), b.like(x, (*shape, 2))]
    b.op(op, [x, b.integers([1, 2]), b.integers([3])], parts, 79, NumSplits=2)
    return b.add(parts[0], parts[1], 2 * b.tensors[x].scales[0], 5)


ACROSS = [*itertools.product(("SUM", "REDUCE_MIN"), [with_reduction])]
ACROSS += itertools.product(("MAXIMUM", "MINIMUM"), [with_extreme])
ACROSS += [("SQUARED_DIFFERENCE", with_squares)]
ACROSS += [("RESIZE_NEAREST_NEIGHBOR", with_resize), ("SLICE", with_slice), ("STRIDED_SLICE", with_strides)]
ACROSS += [("TRANSPOSE_CONV", with_transposed), ("SPLIT", with_parts), ("UNPACK", with_parts)]
ACROSS += [("PADV2", with_border), ("MIRROR_PAD", with_border), ("PACK", with_stack), ("GATHER", with_gather)]
ACROSS += [("SPACE_TO_DEPTH", with_blocks), ("SPACE_TO_BATCH_ND", with_blocks)]
ACROSS += [("RESIZE_BILINEAR", with_bilinear), ("SPLIT_V", with_lengths)]


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


def far(op: str) -> bytes:
    """An operator that would write much more than is declared."""
    b = Builder()
    x = b.input((1, 64, 64, 4), 0.05, 3)
    y = b.like(x, (1, 64, 64, 4))
    if op == "GATHER":
        return b.finish(b.op(op, [x, b.integers([0] * 4000)], y, 23, Axis=0))
    border = [b.constant(np.zeros(1, int), 0.05, 3)] if op == "PADV2" else []
    ends = b.integers([[0, 0], [2**31 - 1, 2**31 - 1], [2**20, 0], [0, 0]])
    mirrored = {"union": 77, "Mode": 0} if op == "MIRROR_PAD" else {}
    return b.finish(b.op(op, [x, ends, *border], y, **mirrored))


@pytest.mark.parametrize("op", ["PAD", "PADV2", "MIRROR_PAD", "GATHER"])
def test_what_would_be_larger_than_is_declared_is_refused_before_it_is_made(op):
    content = far(op)
    tracemalloc.start()
    try:
        with pytest.raises(Rejected):
            network(content, "tflm")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


REFUSED = {
    "a resize to five dimensions": lambda b, x, y: b.op(
        "RESIZE_BILINEAR",
        [b.op("BROADCAST_TO", [x, b.integers([3] * 4)], b.like(x, (3,) * 4)), b.integers([3, 3])],
        b.like(x, (3,) * 5),
        15,
    ),
    "a GATHER before its input": lambda b, x, y: b.op("GATHER", [x, b.integers([-1, 0, 0])], y, 23, Axis=1),
    "a GATHER behind it": lambda b, x, y: b.op("GATHER", [x, b.integers([3, 0, 0])], y, 23, Axis=1),
    "a border of another code": lambda b, x, y: b.op(
        "PADV2", [x, b.integers([[0, 0]] * 3), b.constant(np.zeros(1, int), 0.06, 3)], y
    ),
    "a reflection beyond its image": lambda b, x, y: b.op(
        "MIRROR_PAD", [x, b.integers([[0, 0], [3, 0], [0, 0]])], b.like(x, (1, 6, 3)), 77, Mode=0
    ),
    "axes that are not neighbours": lambda b, x, y: b.op("REVERSE_V2", [x, b.integers([0, 2])], y),
    "an axis twice": lambda b, x, y: b.op("REVERSE_V2", [x, b.integers([1, -2])], y),
    "paddings": lambda b, x, y: b.op(
        "SPACE_TO_BATCH_ND", [x, b.integers([2]), b.integers([[0, 1]])], b.like(x, (2, 2, 3))
    ),
    "a block that does not fit": lambda b, x, y: b.op(
        "SPACE_TO_BATCH_ND", [x, b.integers([2]), b.integers([[0, 0]])], b.like(x, (2, 1, 3))
    ),
    "a batch that does not fit": lambda b, x, y: b.op(
        "BATCH_TO_SPACE_ND", [x, b.integers([2]), b.integers([[0, 0]])], b.like(x, (1, 6, 3))
    ),
    "a broadcast to another shape": lambda b, x, y: b.op(
        "BROADCAST_TO", [x, b.integers([2, 3, 3])], b.like(x, (3, 3, 3))
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_moves_that_tflm_refuses_are_refused(what):
    b = Builder()
    x = b.input((1, 3, 3), 0.05, 3)
    y = b.op("RELU", [x], b.like(x, (1, 3, 3)))
    y = REFUSED[what](b, y, b.like(x, (1, 3, 3)))
    content = b.finish(b.op("RELU", [y], b.like(x, b.tensors[y].shape)))
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(content))
    with pytest.raises((Rejected, ValueError, IndexError)):
        network(content, "tflm")
