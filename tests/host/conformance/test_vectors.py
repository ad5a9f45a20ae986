"""Generated inputs: corners first, then values that depend on seed, number, input and element alone."""

import numpy as np
import pytest

import mixed_inputs
from coverify.conformance.ranges import check_inputs, vectors_of
from coverify.conformance.vectors import CORNERS, generated, vectors
from coverify.errors import BadInput
from coverify.link.checks import Element
from model_builder import Builder
from tflm_int8 import Model, Reference, UnsupportedModel


def test_the_first_vectors_are_the_corners():
    x = vectors((2, 3), 4, seed=1, zero_point=-7)
    assert [set(one.reshape(-1).tolist()) for one in x] == [{-128}, {127}, {-7}, {-128, 127}]


def test_a_vector_does_not_depend_on_how_many_are_asked_for():
    np.testing.assert_array_equal(vectors((9,), 20, 5, 0)[:10], vectors((9,), 10, 5, 0))


def test_seeds_give_different_vectors_and_the_values_fill_int8():
    a, b = vectors((4096,), CORNERS + 1, 1, 0)[-1], vectors((4096,), CORNERS + 1, 2, 0)[-1]
    assert not np.array_equal(a, b)
    assert len(np.unique(a)) == 256


def test_inputs_of_one_sample_differ_and_each_keeps_to_its_values():
    elements = [Element(2, 16, -(1 << 15)), Element(2, 16, -(1 << 15)), Element(4, 5, 3, 4)]
    a, b, c = generated(elements, [("int16", (500,)), ("int16", (500,)), ("int32", (500,))], 6, 1).arrays
    assert not np.array_equal(a[4:], b[4:])
    assert (a.min(), a.max()) == (-32768, 32767)
    assert sorted(set(c[4:].reshape(-1).tolist())) == list(range(3, 35))
    assert [set(row.tolist()) for row in c[:4]] == [{3}, {34}, {4}, {3, 34}]


def test_every_type_has_the_corners_of_its_own_and_floats_reach_beyond_what_their_quantize_tells_apart():
    model = Model.from_bytes(mixed_inputs.content())
    int8, int16, int32, uint8, float32, boolean = vectors_of(Reference(model), 6, 0).batch.arrays
    ends = [(x[0].min(), x[1].max(), set(x[2].reshape(-1).tolist())) for x in (int8, int16, uint8, boolean)]
    assert ends == [(-128, 127, {-3}), (-32768, 32767, {7}), (0, 255, {130}), (False, True, {False})]
    assert (int32[0].min(), int32[1].max()) == (-(2**31), 2**31 - 1), (
        "what only moves them is defined for all"
    )
    codes = float32 / 0.5 - 3
    assert codes[0].min() < -128 and codes[1].max() > 127
    assert np.all(np.abs(codes) < 2 * 256 + 3)
    assert int8.dtype == np.int8 and boolean.dtype == bool and float32.dtype == np.float32


@pytest.mark.parametrize("scales", [(0.5, 0.01), (0.01, 0.5)])
def test_floats_reach_beyond_the_widest_of_the_quantize_operators_behind_them(scales):
    b = Builder()
    b.inputs = [x := b.tensor((1, 64), "float32")]
    for scale in scales:
        b.op("QUANTIZE", [x], b.activation((1, 64), scale, 3))
    model = Model.from_bytes(b.finish(1, 2))
    codes = vectors_of(Reference(model), 2, 0).batch.arrays[0] / 0.5 + 3
    assert codes[0].min() < -128 and codes[1].max() > 127
    assert np.all(np.abs(codes) < 2 * 256 + 3)


@pytest.mark.parametrize(
    ("content", "reach"),
    [
        (mixed_inputs.added("int32"), (-(1 << 23), (1 << 23) - 1)),  # two ends of int32 do not add up
        (mixed_inputs.gathered(8), (0, 7)),
        (mixed_inputs.gathered(5), (0, 3)),
        (mixed_inputs.gathered(1), (0, 0)),
    ],
    ids=["sums", "8 rows", "5 rows", "1 row"],
)
def test_int32_that_stands_for_itself_keeps_to_what_is_defined_and_that_is_said(content, reach):
    made = vectors_of(Reference(Model.from_bytes(content)), 8, 0)
    x = made.batch.arrays[0]
    assert (x.min(), x.max()) == reach
    assert f"outside {reach[0]}…{reach[1]}" in made.left_out[0]


def test_the_bits_of_int32_may_be_named_and_what_is_undefined_then_is_bad_input():
    reference = Reference(Model.from_bytes(mixed_inputs.added("int32")))
    x = vectors_of(reference, 8, 0, int32_bits=9).batch.arrays[0]
    assert (x.min(), x.max()) == (-256, 255)
    with pytest.raises(BadInput, match="give --inputs"):
        vectors_of(reference, 8, 0, int32_bits=32)


@pytest.mark.parametrize(("dtype", "shape"), [("int64", (2,)), ("int32", (0,))])
def test_an_input_that_cannot_be_sent_is_refused_by_its_number(dtype, shape):
    b = Builder()
    x = b.input((1, 2), 0.5, 0)
    b.inputs.append(b.tensor(shape, dtype))
    model = Model.from_bytes(b.finish(b.op("RESHAPE", [x, b.integers([2])], b.like(x, (2,)))))
    with pytest.raises(UnsupportedModel, match="its input 1"):
        check_inputs(model)
