"""Operands that TFLM refuses or leaves undefined, and models whose inputs or outputs have no values."""

import numpy as np
import pytest

from model_builder import Builder
from oracle import Tflm
from tflm_int8 import (
    AccumulatorOverflow,
    MalformedModel,
    Model,
    Reference,
    TflmError,
    UnsupportedModel,
    UnsupportedOp,
)
from tflm_int8.operators import OPERATORS


def refused(content: bytes, why: str, kind: type[TflmError] = UnsupportedOp) -> None:
    with pytest.raises(kind, match=why):
        Reference(Model.from_bytes(content))


def same(content: bytes) -> None:
    """TFLM and the reference give the same."""
    reference = Reference(Model.from_bytes(content))
    x = np.random.default_rng(7).integers(-128, 128, (1, *reference.input.shape)).astype(np.int8)
    expected = Tflm(content).run(x[0])
    np.testing.assert_array_equal(reference.run(x).reshape(expected.shape), expected)


def expand_dims(axis) -> bytes:
    b = Builder()
    x = b.input((2, 3), 0.5, 3)
    return b.finish(b.op("EXPAND_DIMS", [x, b.integers(axis)], b.like(x, (2, 1, 3))))


def mirror_pad(paddings) -> bytes:
    b = Builder()
    x = b.input((2, 3), 0.5, 3)
    return b.finish(b.op("MIRROR_PAD", [x, b.integers(paddings)], b.like(x, (3, 4)), 77, Mode=0))


def update(start) -> bytes:
    b = Builder()
    x = b.input((2, 3), 0.5, 3)
    part = b.constant(np.array([[7, 8]]), 0.5, 3)
    return b.finish(b.op("DYNAMIC_UPDATE_SLICE", [x, part, b.integers(start)], b.like(x, (2, 3))))


def svdf(*bias_shape: int) -> bytes:
    """Three units."""
    b, rng = Builder(), np.random.default_rng(2)
    x = b.input((1, 2), 0.5, 3)
    features = b.constant(rng.integers(-127, 128, (3, 2)), 0.1, 0)
    times = b.tensor((3, 4), "int16", [0.01], [0], data=rng.integers(-99, 99, (3, 4)).astype(np.int16))
    bias = b.tensor(bias_shape, "int32", [0.001], [0], data=np.zeros(bias_shape, np.int32))
    state = b.variable((1, 12), 0.1, 0, "int16")
    operands = [x, features, times, bias, state]
    return b.finish(b.op("SVDF", operands, b.activation((1, 3), 0.2, 0), 6, Rank=1))


OF_ANOTHER_RANK = {
    "EXPAND_DIMS": (expand_dims, [1], [[1]]),
    "MIRROR_PAD": (mirror_pad, [[1, 0], [0, 1]], [1, 0, 0, 1]),
    "MIRROR_PAD, rows": (mirror_pad, [[1, 0], [0, 1]], [[1, 0, 0, 1]]),
    "DYNAMIC_UPDATE_SLICE": (update, [1, 0], [[1, 0]]),
    "SVDF": (lambda shape: svdf(*shape), (3, 1), (1, 3)),
}


@pytest.mark.parametrize("name", OF_ANOTHER_RANK)
def test_an_operand_of_another_rank_is_refused(name):
    make, good, bad = OF_ANOTHER_RANK[name]
    same(make(good))
    with pytest.raises(RuntimeError, match="allocate tensors"):
        Tflm(make(bad))
    refused(make(bad), f"op 0 {name.split(',')[0]}")


def sliced(size: int, begin: int, stride: int, shrink: int) -> bytes:
    b = Builder()
    x, positions = b.input((size,), 0.5, 3), [b.integers([v]) for v in (begin, size, stride)]
    y = b.like(x, () if shrink else (1,))
    return b.finish(b.op("STRIDED_SLICE", [x, *positions], y, 32, ShrinkAxisMask=shrink))


@pytest.mark.parametrize("shrink", [0, 1])
@pytest.mark.parametrize(("size", "begin"), [(2, 1), (4, 3), (2, 0)])
def test_a_stride_that_leads_out_of_int32_is_refused(size, begin, shrink):
    """TFLM adds it once more than it takes an element."""
    last = 2**31 - 1 - begin
    same(sliced(size, begin, last, shrink))
    if begin:
        refused(sliced(size, begin, last + 1, shrink), "op 0 STRIDED_SLICE .*int32")


def test_a_dimension_beyond_int32_is_refused_by_broadcast_args():
    b = Builder()
    x, y = b.input((2,), dtype="int64"), b.integers([1, 1], "int64")
    b.tensors[x].scales.clear()
    content = b.finish(b.op("BROADCAST_ARGS", [x, y], b.tensor((2,), "int64")))
    reference, tflm = Reference(Model.from_bytes(content)), Tflm(content)
    for shape in ([3, 4], [2**31 - 1, 1]):
        values = np.array(shape, np.int64)
        np.testing.assert_array_equal(reference.run(values[None])[0], tflm.run(values))
    large = np.array([2**33 + 1, 38], np.int64)
    assert tflm.run(large).tolist() == [1, 38]
    with pytest.raises(AccumulatorOverflow, match="beyond int32"):
        reference.run(large[None])


def test_an_int4_constant_is_no_output():
    """TFLM gives out its packed bytes."""
    b = Builder()
    b.input((1, 2))
    values = np.array([1, -8, 7], np.int8)
    refused(b.finish(b.tensor((3,), "int4", [0.5], [0], data=values)), "output 0 .*int4", UnsupportedModel)


@pytest.mark.parametrize("value", [0, 1, 2, 255])
def test_a_bool_is_0_or_1(value):
    b = Builder()
    b.input((1, 2))
    data = np.array([value, 1], np.uint8)
    content = b.finish(b.op("LOGICAL_NOT", [b.tensor((2,), "bool", data=data)], b.tensor((2,), "bool")))
    if value > 1:
        refused(content, "neither 0 nor 1", MalformedModel)
    else:
        Reference(Model.from_bytes(content))


def test_an_input_without_elements_is_refused():
    b = Builder()
    x = b.input((1, 2))
    b.input((3, 0))
    refused(b.finish(b.add(x, x, 1.0, 0)), "tensor 1, is empty", UnsupportedModel)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_an_operator_without_outputs_or_inputs_is_refused(name):
    for n_inputs in range(4):
        b = Builder()
        x = b.input((1, 2), 0.5, 0)
        b.op(name, [x] * n_inputs, [])
        refused(b.finish(x), f"op 0 {name}|not a valid", TflmError)


@pytest.mark.parametrize("activation", [2, 3])
@pytest.mark.parametrize("scale", [1e-38, 1e-42])
def test_a_scale_by_which_an_activation_is_infinite_is_refused(scale, activation):
    b = Builder()
    x = b.input((1, 2), scale, 0)
    refused(b.finish(b.add(x, x, scale, 0, activation)), "op 0 ADD .*int32|op 0 ADD .*float32")
