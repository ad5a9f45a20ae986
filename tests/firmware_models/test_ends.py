"""A network between the conversions at its ends."""

import numpy as np
import pytest

from model_builder import Builder
from oracle import Tflm
from tflm_int8 import BadTensor, Ends, Model, Reference, TflmError, UnknownProfile, UnsupportedModel, lower

CODES = np.arange(-128, 128).astype(np.int8)


def between(
    first: tuple[str, float, int], last: tuple[str, float, int], code: float = 0.05, zero: int = 3
) -> bytes:
    """256 codes, each doubled by a RELU of another scale; float32, uint8 or int8 around them."""
    b, shape = Builder(), (1, 256)
    x = b.input(shape, first[1] or 1.0, first[2], first[0])
    if first[0] != "int8":
        x = b.op("QUANTIZE", [x], b.activation(shape, code, zero))
    y = b.op("LEAKY_RELU", [x], b.activation(shape, 0.1, -20), 75, Alpha=0.5)
    if last[0] == "float32":
        y = b.op("DEQUANTIZE", [y], b.tensor(shape, "float32"))
    elif last[0] == "uint8":
        y = b.op("QUANTIZE", [y], b.activation(shape, last[1], last[2], "uint8"))
    return b.finish(y)


@pytest.mark.parametrize("first", [("int8", 0.05, 3), ("float32", 0.0, 0), ("uint8", 0.05, 131)])
@pytest.mark.parametrize("last", [("int8", 0.1, -20), ("float32", 0.0, 0), ("uint8", 0.1, 108)])
def test_what_lies_between_is_the_whole_network_on_codes(first, last):
    content = between(first, last)
    ends = Ends.of(Model.from_bytes(content))
    assert [ends.core.tensors[i].dtype for i in (*ends.core.inputs, *ends.core.outputs)] == ["int8", "int8"]
    assert [op.name for op in ends.core.operators] == ["LEAKY_RELU"]
    values = ends.entered(CODES[None])
    assert values.dtype == first[0]
    np.testing.assert_array_equal(ends.codes(values), CODES[None])
    given = Tflm(content).run(values)
    y = Reference(ends.core).run(CODES[None])
    np.testing.assert_array_equal(ends.left(given), y)
    whole = {t: v[0] for t, v in Reference(ends.whole).trace(values).items()}
    core = {t: v[0] for t, v in Reference(ends.core).trace(CODES[None]).items()}
    known = {**core, **ends.written(CODES[None], y)}
    assert known.keys() == whole.keys()
    for tensor, expected in whole.items():
        np.testing.assert_array_equal(np.reshape(known[tensor], expected.shape), expected)


def test_a_value_that_no_code_has_is_told_as_the_next_greater_one():
    """So that the order of what a device gives out stays."""
    ends = Ends.of(Model.from_bytes(between(("int8", 0.05, 3), ("float32", 0, 0))))
    exact = ends.last.values
    np.testing.assert_array_equal(ends.left(exact), CODES)
    np.testing.assert_array_equal(ends.left((exact[:-1] + exact[1:]) / 2), CODES[1:])
    assert ends.left(np.array([np.inf, -np.inf, np.nan], np.float32)).tolist() == [127, -128, 127]


@pytest.mark.parametrize(
    ("first", "last", "code"),
    [
        (("uint8", 0.04, 131), ("int8", 0.1, -20), 0.05),  # of two pixels one code
        (("uint8", 0.05, 130), ("int8", 0.1, -20), 0.05),  # 255 is 127, too
        (("float32", 0.0, 0), ("int8", 0.1, -20), 3e38),  # no float is so large
        (("int8", 0.05, 3), ("uint8", 0.2, 108), 0.05),  # two codes tie
        (("int8", 0.05, 3), ("uint8", 0.1, 100), 0.05),
    ],
)
def test_conversions_that_are_not_one_to_one_are_refused(first, last, code):
    with pytest.raises(UnsupportedModel, match="QUANTIZE, at its end, does not map values one-to-one"):
        Ends.of(Model.from_bytes(between(first, last, code)))


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (("uint8", 0.0501, 131), ("int8", 0.1, -20)),
        (("uint8", 0.0499, 131), ("int8", 0.1, -20)),
        (("int8", 0.05, 3), ("uint8", 0.1002, 108)),
    ],
)
def test_uint8_codes_of_another_worth_are_refused_though_they_are_one_to_one(first, last):
    """What is said of real values inside would not hold at the end."""
    with pytest.raises(
        UnsupportedModel, match=r"the uint8 codes \(scale 0\.\d+, zero point 1\d\d\) are not those"
    ):
        Ends.of(Model.from_bytes(between(first, last)))


def test_other_ends_are_left_as_they_are():
    """A float that two operators read, or that another operator writes; an end that is only converted."""
    b = Builder()
    x = b.input((1, 4), dtype="float32")
    q = b.op("QUANTIZE", [x], b.activation((1, 4), 0.05, 3))
    y = b.op("DEQUANTIZE", [q], b.tensor((1, 4), "float32"))
    only = Model.from_bytes(b.finish(y))
    assert Ends.of(only).core is only

    b = Builder()
    x = b.input((1, 4), dtype="float32")
    q = b.op("QUANTIZE", [x], b.activation((1, 4), 0.05, 3))
    b.op("QUANTIZE", [x], b.activation((1, 4), 0.1, 3))
    y = b.op("RELU", [q], b.activation((1, 4), 0.05, 3))
    twice = Model.from_bytes(b.finish(y))
    assert Ends.of(twice).core is twice


@pytest.mark.parametrize("first", ["float32", "int8"])
def test_a_profile_that_does_not_exist_is_refused(first):
    with pytest.raises(UnknownProfile):
        Ends.of(Model.from_bytes(between((first, 0.05, 3), ("int8", 0.1, -20))), "no such profile")


def test_inputs_of_another_size_are_refused():
    ends = Ends.of(Model.from_bytes(between(("float32", 0, 0), ("int8", 0.1, -20))))
    with pytest.raises(TflmError, match="5 values"):
        ends.codes(np.zeros((3, 5), np.float32))


def test_a_list_is_refused_with_what_to_make_of_it():
    with pytest.raises(BadTensor, match=r"is a list; it must be .* numpy.asarray\(x, numpy.int8\)"):
        Reference(Model.from_bytes(between(("int8", 0.05, 3), ("int8", 0.1, -20)))).run([[1, 2, 3]])


def test_lower_names_what_lowers_a_network_of_floats():
    model = Model.from_bytes(between(("float32", 0.0, 0), ("float32", 0.0, 0)))
    with pytest.raises(UnsupportedModel, match=r"int8 is lowered; .*tflm_int8.Ends.of\(model\).core"):
        lower(model)
    assert lower(Ends.of(model).core).n_input == 256
