"""What the operators that move and reduce do not model is refused by name, with the reason."""

import numpy as np
import pytest

from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedOp


def one(name, shape, out, operands=(), union=0, dtype="int8", out_dtype=None, out_scale=0.5, **options):
    """A model of one operator on an input of the given shape; operands: int32 constants behind it."""
    b = Builder()
    x = b.input(shape, 0.5, 3 if dtype == "int8" else 0, dtype)
    y = b.tensor(out, out_dtype or dtype, [out_scale], [3 if dtype == "int8" else 0])
    return b.finish(b.op(name, [x, *(b.integers(v) for v in operands)], y, union, **options))


REFUSED = {
    "a border that is cut off": (one("PAD", (1, 4), (1, 3), [[[0, 0], [-1, 0]]]), "paddings"),
    "a shape that is not the declared one": (one("PAD", (1, 4), (1, 9), [[[0, 0], [1, 1]]]), "computed"),
    "a mirror wider than the image": (one("MIRROR_PAD", (4,), (8,), [[[4, 0]]], 77, Mode=0), "wider"),
    "concatenation of two scales": (one("CONCATENATION", (2,), (2,), (), 10, out_scale=0.25), "quantized"),
    "a fused activation": (
        one("CONCATENATION", (2,), (2,), (), 10, FusedActivationFunction=1),
        "fused activation",
    ),
    "an axis that does not exist": (one("UNPACK", (2, 3), (2,), (), 64, Num=1, Axis=5), "axis 5"),
    "an order with a repetition": (one("TRANSPOSE", (2, 3), (2, 2), [[0, 0]]), "not an order"),
    "a slice beyond the end": (one("SLICE", (4,), (3,), [[2], [3]]), "leaves"),
    "a stride of zero": (one("STRIDED_SLICE", (4,), (2,), [[0], [4], [0]], 32), "strides"),
    "a new axis": (one("STRIDED_SLICE", (4,), (4,), [[0], [4], [1]], 32, NewAxisMask=1), "new_axis_mask"),
    "an ellipsis": (one("STRIDED_SLICE", (4,), (4,), [[0], [4], [1]], 32, EllipsisMask=1), "ellipsis_mask"),
    "a position outside": (one("GATHER", (4,), (1,), [[4]], 23), "positions outside"),
    "a flat index outside": (one("GATHER_ND", (2, 2), (1,), [[[1, 2]]]), "outside the tensor"),
    "axes that are not neighbours": (one("REVERSE_V2", (2, 2, 2), (2, 2, 2), [[0, 2]]), "neighbours"),
    "paddings that TFLM does not set": (
        one("SPACE_TO_BATCH_ND", (1, 3, 4, 1), (4, 2, 2, 1), [[2, 2], [[0, 1], [0, 0]]]),
        "uninitialized",
    ),
    "parts of a batch that was left open": (
        one("SPACE_TO_BATCH_ND", (1, 4, 2), (1, 2, 2), [[2], [[0, 0]]]),
        r"declared \[1, 2, 2\], computed \[2, 2, 2\] .*Convert the network with a batch of 1",
    ),
    "a batch that was left open, of which parts are joined": (
        one("BATCH_TO_SPACE_ND", (1, 2, 2), (1, 4, 2), [[2], [[0, 0]]]),
        "a batch of 1 is not a multiple .*Convert the network with a batch of 1",
    ),
    "a block that does not divide": (
        one("SPACE_TO_DEPTH", (1, 3, 4, 1), (1, 1, 2, 4), (), 19, BlockSize=2),
        "block",
    ),
    "two ways of centring": (
        one("RESIZE_BILINEAR", (1, 2, 2, 1), (1, 4, 4, 1), [[4, 4]], 15, AlignCorners=1, HalfPixelCenters=1),
        "exclude",
    ),
    "a dimension that is not 1": (one("SQUEEZE", (1, 3), (3,), (), 30, SqueezeDims=[1]), "squeezed"),
    "a cast to bool": (one("CAST", (3,), (3,), (), 37, "int8", "bool"), "cast to bool"),
    "a mean of int32": (one("MEAN", (1, 4), (1,), [[1]], 27, "int32"), "int32"),
    "a maximum in another scale": (one("REDUCE_MAX", (1, 4), (1,), [[1]], 27, out_scale=0.1), "quantized"),
    "a reduction to another shape": (one("SUM", (2, 4), (4,), [[1]], 27), "over axes"),
    "an index of int64": (one("ARG_MAX", (1, 4), (1,), [1], 40, out_dtype="int64"), "int64"),
    "too many dimensions": (one("TRANSPOSE", (1,) * 6, (1,) * 6, [[0, 1, 2, 3, 4, 5]]), "6 dimensions"),
    "an empty tensor": (one("PAD", (0, 4), (0, 4), [[[0, 0], [0, 0]]]), "elements"),
    "an output far larger than its file": (
        one("BROADCAST_TO", (1,), (1 << 12, 1 << 12), [[1 << 12, 1 << 12]]),
        "elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_by_name(what):
    content, why = REFUSED[what]
    with pytest.raises(UnsupportedOp, match=rf"op 0 [A-Z0-9_]+ in model.tflite: .*{why}"):
        Reference(Model.from_bytes(content))


def test_tflm_makes_only_the_declared_part_of_a_batch_that_was_left_open():
    """Which docs/operators.md says of every second step: this is why it is refused."""
    tflm = Tflm(one("SPACE_TO_BATCH_ND", (1, 4, 2), (1, 2, 2), [[2], [[0, 0]]]))
    x = np.arange(8, dtype=np.int8).reshape(1, 4, 2)
    np.testing.assert_array_equal(tflm.run(x), x[:, ::2])


def test_a_batch_is_not_said_to_be_left_open_where_something_else_is_wrong():
    with pytest.raises(UnsupportedOp, match="computed") as refused:
        Reference(Model.from_bytes(one("PAD", (1, 4), (1, 9), [[[0, 0], [1, 1]]])))
    assert "batch" not in str(refused.value)


def test_a_computed_axis_is_refused():
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    axis = b.op("SHAPE", [x], b.tensor((2,), "int32"), 55, OutType=2)
    y = b.op("MEAN", [x, axis], b.like(x, (1,)), 27)
    with pytest.raises(UnsupportedOp, match=r"op 1 MEAN .*must be a constant"):
        Reference(Model.from_bytes(b.finish(y)))


def test_a_cumulative_sum_that_overflows_int32_is_refused_when_it_happens():
    content = one("CUMSUM", (1, 40), (1, 40), [1], 102, out_scale=2.0)
    reference = Reference(Model.from_bytes(content))
    assert reference.run(np.zeros((1, 40), np.int8)).shape == (1, 40)
    with pytest.raises(AccumulatorOverflow, match="a sum leaves int32"):
        reference.run(np.full((1, 40), 127, np.int8))


def test_a_matrix_product_that_can_overflow_int32_is_refused():
    b = Builder()
    x = b.input((1, 40_000), 0.5, 0)
    y = b.op("BATCH_MATMUL", [x, x], b.activation((1, 1), 1e4, 0), 101, AdjY=True)
    with pytest.raises(AccumulatorOverflow, match="40000 products"):
        Reference(Model.from_bytes(b.finish(y)))


@pytest.mark.parametrize(("bias", "refused"), [(2**31 - 1 - 500, False), (2**31 - 500, True)])
def test_a_dense_layer_is_refused_from_the_first_sum_that_leaves_int32(bias, refused):
    """5 · 100 is the greatest product; Σ|w|·max|x − z| would be 5 · 155."""
    b = Builder()
    x = b.input((1, 2), 1.0, 27)  # x − z is −155…100
    weights = np.array([[5, 0]])
    content = b.finish(b.fully_connected(x, weights, np.array([bias]), 0.1, 1e5, 0))
    if refused:
        with pytest.raises(AccumulatorOverflow, match="can reach 2147483648 "):
            Reference(Model.from_bytes(content))
    else:
        Reference(Model.from_bytes(content))


def test_a_transposed_convolution_without_its_output_shape_is_refused():
    b = Builder()
    x = b.input((1, 2, 2, 1), 0.5, 0)
    filters = b.tensor((1, 2, 2, 1), "int8", [0.5], [0], data=np.ones((1, 2, 2, 1), np.int8))
    bias = b.tensor((1,), "int32", [0.25], [0], data=np.zeros(1, np.int32))
    y = b.activation((1, 4, 4, 1), 0.5, 0)
    content = b.finish(b.op("TRANSPOSE_CONV", [-1, filters, x, bias], y, 49, Padding=0, StrideW=2, StrideH=2))
    with pytest.raises(UnsupportedOp, match="input 0 is missing"):
        Reference(Model.from_bytes(content))
