"""What the reference refuses of an operator, the firmware refuses too, with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from tflm_int8 import AccumulatorOverflow, Model, Reference, TflmError


def one(name, shape, out, operands=(), union=0, dtype="int8", out_dtype=None, out_scale=0.5, **options):
    """A model of one operator on an input of the given shape; operands: int32 constants behind it."""
    b = Builder()
    x = b.input(shape, 0.5, 3 if dtype == "int8" else 0, dtype)
    out_dtype = out_dtype or dtype
    y = b.tensor(out, out_dtype, [out_scale], [3 if out_dtype == "int8" else 0])
    return b.finish(b.op(name, [x, *(b.integers(v) for v in operands)], y, union, **options))


def mirrored(paddings, out, dtype="int32", mode=0):
    b = Builder()
    x = b.input((1, 4), 0.5, 3)
    table = b.tensor(np.shape(paddings), dtype, data=np.array(paddings, dtype))
    return b.finish(b.op("MIRROR_PAD", [x, table], b.like(x, out), 77, Mode=mode))


def product(a, b, out, dtype="int8", union=101, **options):
    """Of an input and a constant."""
    x = Builder()
    given = x.input(a, 0.5, 0, dtype)
    other = x.tensor(b, dtype, [0.5], [0], data=np.ones(b, dtype))
    return x.finish(x.op("BATCH_MATMUL", [given, other], x.tensor(out, dtype, [0.5], [0]), union, **options))


def gathered(shape, at, out, axis=0, batch=0, union=23):
    b = Builder()
    x = b.input(shape, 0.5, 3)
    return b.finish(b.op("GATHER", [x, b.integers(at)], b.like(x, out), union, Axis=axis, BatchDims=batch))


def added(scale, shape=(1, 4), *more):
    b = Builder()
    x, other = b.input((1, 4), 0.5, 3), b.constant(np.ones(shape), scale, 3)
    return b.finish(b.op("ADD_N", [x, other, *more], b.like(x, (1, 4))))


def compared(scale, name="LESS", out=(1, 4), out_dtype="bool", dtype="int8"):
    b = Builder()
    x = b.input((1, 4), scale, 0, dtype)
    other = b.tensor((1, 4), dtype, [0.5], [0], data=np.arange(4).astype(dtype))
    return b.finish(b.op(name, [x, other], b.tensor(out, out_dtype, [0.5], [0])))


def chosen(condition, condition_dtype="bool", dtype="int8", out=(1, 4), other=None):
    """By a constant, of an input and itself, or a constant of another shape."""
    b = Builder()
    x = b.input((1, 4), 0.5, 0, dtype)
    where = b.tensor(condition.shape, condition_dtype, data=condition.astype(np.int8))
    y = x if other is None else b.constant(np.zeros(other), 0.5, 0)
    return b.finish(b.op("SELECT_V2", [where, x, y], b.like(x, out)))


def sliced(begin, size, size_dtype="int64"):
    b = Builder()
    x = b.input((4,), 0.5, 3)
    return b.finish(
        b.op("SLICE", [x, b.integers(begin, "int64"), b.integers(size, size_dtype)], b.like(x, (2,)))
    )


REFUSED = {
    "paddings that TFLM does not set": (
        one("SPACE_TO_BATCH_ND", (1, 3, 4, 1), (4, 2, 2, 1), [[2, 2], [[0, 1], [0, 0]]]),
        "paddings, whose value TFLM does not set",
    ),
    "parts of a batch that was left open": (
        one("SPACE_TO_BATCH_ND", (1, 4, 2), (1, 2, 2), [[2], [[0, 0]]]),
        "the block does not lead to the output's shape",
    ),
    "a batch that was left open, of which parts are joined": (
        one("BATCH_TO_SPACE_ND", (1, 2, 2), (1, 4, 2), [[2], [[0, 0]]]),
        "the block does not lead to the output's shape",
    ),
    "a block of no rows": (one("SPACE_TO_BATCH_ND", (1, 4, 2), (1, 4, 2), [[0], [[0, 0]]]), "block 0"),
    "a block that leaves rows": (
        one("SPACE_TO_BATCH_ND", (1, 5, 2), (2, 2, 2), [[2], [[0, 0]]]),
        "block and borders do not lead",
    ),
    "a border cut off that is more than there is": (
        one("BATCH_TO_SPACE_ND", (2, 2, 2), (1, 5, 2), [[2], [[-2, 1]]]),
        "block and borders do not lead",
    ),
    "a border cut off that is almost an int32": (
        one("BATCH_TO_SPACE_ND", (2, 2, 2), (1, 5, 2), [[2], [[(1 << 31) - 1, 1]]]),
        "block and borders do not lead",
    ),
    "a block for one side of two": (
        one("BATCH_TO_SPACE_ND", (2, 2, 2, 1), (1, 4, 2, 1), [[2], [[0, 0]]]),
        "the number of its elements",
    ),
    "an image without a batch": (
        one("BATCH_TO_SPACE_ND", (2, 2), (4, 1), [[2], [[0, 0]]]),
        "not 3 or 4 dimensions",
    ),
    "blocks of int16": (
        one("SPACE_TO_DEPTH", (1, 2, 2, 1), (1, 1, 1, 4), (), 19, "int16", BlockSize=2),
        "tensor 0: INT16",
    ),
    "a block that does not divide": (
        one("SPACE_TO_DEPTH", (1, 3, 4, 1), (1, 1, 2, 4), (), 19, BlockSize=2),
        "the block does not lead to the output's shape",
    ),
    "a block of no pixel": (
        one("DEPTH_TO_SPACE", (1, 2, 2, 4), (1, 2, 2, 4), (), 94, BlockSize=0),
        "DEPTH_TO_SPACE: block 0",
    ),
    "a block without options": (one("DEPTH_TO_SPACE", (1, 2, 2, 4), (1, 4, 4, 1)), "no options"),
    "depth of three dimensions": (
        one("DEPTH_TO_SPACE", (2, 2, 4), (4, 4, 1), (), 94, BlockSize=2),
        "not four dimensions",
    ),
    "a mirror wider than the image": (mirrored([[0, 0], [4, 0]], (1, 8)), "wider than what it mirrors"),
    "a mirror of its edge wider than the image": (
        mirrored([[0, 0], [0, 5]], (1, 9), mode=1),
        "wider than what it mirrors",
    ),
    "a mirror of less than nothing": (mirrored([[0, 0], [-1, 1]], (1, 4)), "paddings do not lead"),
    "a mirror by a list": (mirrored([0, 0, 1, 0], (1, 5)), "two widths for each dimension"),
    "a mirror by what no int32 holds": (
        mirrored([[0, 0], [1 << 32, 0]], (1, 4), "int64"),
        "beyond int32",
    ),
    "a shape that is not the output's": (
        one("BROADCAST_TO", (1, 4), (3, 4), [[2, 4]]),
        "the shape is not the output's",
    ),
    "a row repeated into another length": (
        one("BROADCAST_TO", (1, 4), (3, 8), [[3, 8]]),
        "does not go together",
    ),
    "a shape that is no list": (one("BROADCAST_TO", (1, 4), (3, 4), [[[3, 4]]]), "no list"),
    "rows of another length than columns": (
        product((2, 3), (4, 2), (2, 2), AdjX=False, AdjY=False),
        "do not go together",
    ),
    "matrices of other numbers": (
        product((2, 1, 3), (3, 3, 1), (3, 1, 1), AdjX=False, AdjY=False),
        "do not go together",
    ),
    "a product with dimensions too many": (
        product((2, 3), (3, 2), (1, 2, 2), AdjX=False, AdjY=False),
        "do not go together",
    ),
    "a product of vectors": (product((3,), (3, 1), (1,), AdjX=False, AdjY=False), "fewer than 2"),
    "a product that may leave int32": (
        product((1, 33026), (33026, 1), (1, 1), AdjX=False, AdjY=False),
        "a sum that may overflow int32",
    ),
    "a product without options": (product((1, 3), (3, 1), (1, 1), union=0), "no options"),
    "a position beyond the end": (gathered((4,), [4], (1,)), "position 4"),
    "a position before the start": (gathered((4,), [-1], (1,)), "position -1"),
    "an axis that does not exist": (gathered((4,), [0], (1,), 1), "axis 1"),
    "more batches than axes before": (gathered((2, 3), [[0], [1]], (2, 1), 0, 1), "batch dimensions: 1"),
    "batches of another number": (gathered((2, 3), [[0]], (2, 1), 1, 1), "do not lead to the output's shape"),
    "gathered into another shape": (gathered((4,), [0, 1], (3,)), "do not lead to the output's shape"),
    "gathered without options": (gathered((4,), [0], (1,), union=0), "no options"),
    "two axes at once": (one("ARG_MAX", (2, 2), (2,), [[0, 1]], 40, out_dtype="int32"), "the number of its"),
    "a position with its axis kept": (
        one("ARG_MAX", (2, 2), (2, 1), [[1]], 40, out_dtype="int32"),
        "the axis does not lead",
    ),
    "a position of int8": (one("ARG_MIN", (2, 2), (2,), [[1]], 57), "INT8, only INT32 is supported"),
    "a least element in another scale": (
        one("REDUCE_MIN", (1, 4), (1,), [[1]], 27, out_scale=0.1),
        "quantized differently",
    ),
    "sums along two axes": (one("CUMSUM", (2, 2), (2, 2), [[0, 1]], 102), "the number of its elements"),
    "sums along no axis": (one("CUMSUM", (2, 2), (2, 2), [2], 102), "axis 2"),
    "sums of another shape": (one("CUMSUM", (2, 2), (2, 3), [1], 102), "differ in shape"),
    "sums of too small a scale": (
        one("CUMSUM", (1, 4), (1, 4), [1], 102, out_scale=0.4 / (1 << 19)),
        "the output's scale is too small",
    ),
    "sums without options": (one("CUMSUM", (2, 2), (2, 2), [1]), "no options"),
    "a sum of two scales": (added(0.25), "tensor 1: is quantized differently"),
    "a sum of two shapes": (added(0.5, (1, 5)), "differ in shape"),
    "a sum that lacks one": (added(0.5, (1, 4), -1), "lacks its input 2"),
    "a normalization with an activation": (
        one("L2_NORMALIZATION", (1, 4), (1, 4), (), 12, FusedActivationFunction=1),
        "fused activation 1",
    ),
    "a normalization without options": (one("L2_NORMALIZATION", (1, 4), (1, 4)), "no options"),
    "a normalization of long rows": (
        one("L2_NORMALIZATION", (1, 33026), (1, 33026), (), 12),
        "may overflow int32",
    ),
    "a normalization of five dimensions": (
        one("L2_NORMALIZATION", (1, 1, 1, 1, 4), (1, 1, 1, 1, 4), (), 12),
        "dimensions: 5",
    ),
    "an inverse square root beyond any": (
        one("RSQRT", (1, 4), (1, 4), (), 0, out_scale=1e-10),
        r"the effective scale is 2\^30 or more",
    ),
    "an inverse square root below any": (
        one("RSQRT", (1, 4), (1, 4), (), 0, out_scale=1e6),
        "the output's scale is out of range",
    ),
    "an exponential of no int32": (one("ELU", (1, 4), (1, 4), (), 0, out_scale=1e-9), "leaves int32"),
    "numbers of a scale of one": (compared(1.0), "tensor 0: its scale is not below one"),
    "numbers of int16": (compared(0.5, dtype="int16"), "INT16, only INT8 is supported"),
    "truths in an order": (compared(0.5, dtype="bool"), "BOOL, only INT8 is supported"),
    "numbers of another shape": (compared(0.5, out=(1, 5)), "do not go together"),
    "numbers with numbers": (compared(0.5, name="LOGICAL_AND"), "INT8, only BOOL is supported"),
    "a comparison whose result is a number": (compared(0.5, out_dtype="int8"), "only BOOL is supported"),
    "a truth that is two": (chosen(np.full((1, 4), 2, np.uint8)), "BOOL that is neither 0 nor 1"),
    "a choice by numbers": (chosen(np.ones((1, 4)), "int8"), "INT8, only BOOL is supported"),
    "a choice of int32": (chosen(np.ones((1, 4)), dtype="int32"), "INT32"),
    "a choice of another shape": (chosen(np.ones((2, 4))), "do not go together"),
    "a choice for another shape": (chosen(np.ones((1, 4)), out=(2, 4)), "do not go together"),
    "a choice from another shape": (chosen(np.ones((1, 4)), other=(1, 3)), "do not go together"),
    "numbers that all hold": (
        one("REDUCE_ALL", (1, 4), (1,), [[1]], 27, out_dtype="bool"),
        "INT8, only BOOL is supported",
    ),
    "the contrary of a number": (one("LOGICAL_NOT", (1, 4), (1, 4), out_dtype="bool"), "INT8, only BOOL"),
    "a slice by integers of two types": (sliced([1], [2], "int32"), "begins and sizes differ in type"),
    "a slice from what no int32 holds": (sliced([1 << 32], [2]), "beyond int32"),
    "a magnitude that leaves int32": (one("ABS", (4,), (4,), (), 0, out_scale=1e-9), "leaves int32"),
    "magnitudes of another shape": (one("ABS", (4,), (5,)), "differ in shape"),
    "magnitudes of int32": (one("ABS", (4,), (4,), (), 0, "int32"), "only INT8 is supported here"),
}


def test_a_cumulative_sum_that_leaves_int32_ends_the_run(client):
    model = Model.from_bytes(one("CUMSUM", (1, 40), (1, 40), [1], 102, out_scale=2.0))
    stepper = Stepper(client, model)
    few, many = np.full((1, 1, 40), 3, np.int8), np.full((1, 1, 40), 127, np.int8)
    assert stepper.trace(few[0])[model.outputs[0]].tobytes() == Reference(model).run(few).tobytes()
    with pytest.raises(AccumulatorOverflow):
        Reference(model).run(many)
    with pytest.raises(DeviceRefused, match="CUMSUM: failed while running"):
        stepper.trace(many[0])


def test_a_product_whose_sum_leaves_int32_when_it_is_shifted_ends_the_run(client):
    b = Builder()
    x = b.input((1, 1), 1.0, 0)
    other = b.constant(np.full((1, 1), 127), 1.0, 0)
    y = b.op("BATCH_MATMUL", [x, other], b.activation((1, 1), 2.0**-18, 0), 101, AdjX=False, AdjY=False)
    model = Model.from_bytes(b.finish(y))
    one, none = np.full((1, 1, 1), 127, np.int8), np.zeros((1, 1, 1), np.int8)
    stepper = Stepper(client, model)
    assert stepper.trace(none[0])[y].tobytes() == Reference(model).run(none).tobytes()
    with pytest.raises(AccumulatorOverflow):
        Reference(model).run(one)
    with pytest.raises(DeviceRefused, match="BATCH_MATMUL: failed while running"):
        stepper.trace(one[0])


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_reference_refuses_the_firmware_refuses_with_the_reason(client, case):
    content, why = REFUSED[case]
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(content))
    with pytest.raises(DeviceRefused, match=why) as refused:
        client.ensure_model(content)
    assert refused.value.status in (Status.UNSUPPORTED, Status.BAD_MODEL)
