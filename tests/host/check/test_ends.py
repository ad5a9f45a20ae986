"""Networks whose input or output is float32 or uint8: the checker's is that of the int8 codes in between."""

import numpy as np
import pytest

from certified import certified
from coverify.check import Rejected
from coverify.check.certificate import network
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference

SCALE, ZERO = 0.05, -7


def ended(rng: np.random.Generator, first: str, last: str) -> tuple[Builder, int]:
    """One or two layers between conversions from and to these types, or none; and the output's scale."""
    b, n = Builder(), int(rng.integers(1, 5))
    x = b.input((1, n), SCALE, ZERO + 128 * (first == "uint8"), first)
    if first != "int8":
        x = b.op("QUANTIZE", [x], b.activation((1, n), SCALE, ZERO))
    for _ in range(int(rng.integers(1, 3))):
        w, bias = rng.integers(-127, 128, (3, b.tensors[x].shape[1])), rng.integers(-3000, 3000, 3)
        x = b.fully_connected(x, w, bias, 0.01, float(rng.choice([0.1, 0.25])), int(rng.integers(-9, 9)))
    if rng.random() < 0.3:
        x = b.softmax(x)
    scale, zero = b.tensors[x].scales[0], b.tensors[x].zero_points[0]
    if last == "float32":
        x = b.op("DEQUANTIZE", [x], b.tensor((1, 3), "float32"))
    elif last == "uint8":
        x = b.op("QUANTIZE", [x], b.activation((1, 3), scale, zero + 128, "uint8"))
    return b, x


@pytest.mark.parametrize("first", ["int8", "float32", "uint8"])
@pytest.mark.parametrize("last", ["int8", "float32", "uint8"])
def test_codes_between_conversions_are_those_of_tflm(first, last):
    for seed in range(12):
        rng = np.random.default_rng([seed, 51])
        b, y = ended(rng, first, last)
        content, codes_of = b.finish(y), b.tensors[b.ops[-1].inputs[0]]
        net, tflm = network(content, "tflm"), Tflm(content)
        codes = rng.integers(-128, 128, (20, net.domain.shape[1]))
        given = {"int8": codes.astype(np.int8), "uint8": (codes + 128).astype(np.uint8)}
        given["float32"] = ((codes - ZERO) * np.float32(SCALE)).astype(np.float32)
        expected = np.stack([tflm.run(row[None]).reshape(-1) for row in given[first]])
        found = net.boxes(codes[None])[0][:, net.outputs]
        if last == "float32":
            scale = np.float64(np.float32(codes_of.scales[0]))
            found = (scale * (found - codes_of.zero_points[0])).astype(np.float32)
        np.testing.assert_array_equal(found + 128 * (last == "uint8"), expected)
        reference = Reference(Model.from_bytes(content)).run(given[first][:, None])
        np.testing.assert_array_equal(reference.reshape(expected.shape), expected)


def test_elements_are_those_of_the_network_of_int8_alone():
    for seed in range(6):
        made = [ended(np.random.default_rng([seed, 52]), dtype, dtype) for dtype in ("int8", "float32")]
        plain, outer = (network(b.finish(y), "tflm") for b, y in made)
        assert plain.end == outer.end and np.array_equal(plain.outputs, outer.outputs)
        x = np.random.default_rng(seed).integers(-128, 128, (1, 9, plain.domain.shape[1]))
        np.testing.assert_array_equal(plain.boxes(x), outer.boxes(x))


@pytest.mark.parametrize("types", [("float32", "float32"), ("uint8", "uint8"), ("float32", "int8")])
def test_a_proof_about_codes_is_one_of_a_network_with_conversions(types, tmp_path):
    """The argument is about the network of int8 alone."""
    accepted = 0
    for seed in range(15):
        plain, other = (ended(np.random.default_rng([seed, 53]), *ends) for ends in (("int8", "int8"), types))
        content, x0 = plain[0].finish(plain[1]), np.full(plain[0].tensors[plain[0].inputs[0]].shape[1], 9)
        accepted += certified(content, x0, "bab", 3, tmp_path / "c.zip", other[0].finish(other[1]))
    assert accepted > 5


def quantized(b: Builder, x: int, scale=SCALE, zero=ZERO, dtype="int8") -> int:
    return b.op("QUANTIZE", [x], b.activation(b.tensors[x].shape, scale, zero, dtype))


def floats(b: Builder, x: int) -> int:
    return b.op("DEQUANTIZE", [x], b.tensor(b.tensors[x].shape, "float32"))


def twice_quantized(b: Builder) -> int:
    x = b.input((1, 2), 1.0, 0, "float32")
    return b.add(quantized(b, x), quantized(b, x, 0.3), 1.0, 0)


def never_quantized(b: Builder) -> int:
    return b.input((1, 2), 1.0, 0, "float32")


def in_the_middle(b: Builder) -> int:
    x = b.input((1, 2), SCALE, ZERO)
    return quantized(b, floats(b, x), 0.3)


def behind_a_reshape(b: Builder) -> int:
    return quantized(b, b.reshape(b.input((1, 2), 1.0, 0, "float32"), (2, 1)))


def read_again(b: Builder) -> int:
    y = floats(b, b.input((1, 2), SCALE, ZERO))
    return b.op("RESHAPE", [y, b.integers([2, 1])], b.tensor((2, 1), "float32"), 17)


def the_input_itself(b: Builder) -> int:
    x = b.input((1, 2), 1.0, 0, "float32")
    quantized(b, x)
    return x


def of_int16(b: Builder) -> int:
    return quantized(b, b.input((1, 2), SCALE, 0, "int16"))


def to_int16(b: Builder) -> int:
    return quantized(b, b.input((1, 2), SCALE, ZERO), SCALE, 0, "int16")


def of_other_uint8(b: Builder) -> int:
    return quantized(b, b.input((1, 2), SCALE, ZERO + 127, "uint8"))


def to_other_uint8(b: Builder) -> int:
    return quantized(b, b.input((1, 2), SCALE, ZERO), 2 * SCALE, ZERO + 128, "uint8")


def to_infinity(b: Builder) -> int:
    return floats(b, b.input((1, 2), 2e36, 0))


def to_subnormal_floats(b: Builder) -> int:
    return floats(b, b.input((1, 2), 1e-40, 0))


def to_a_float_of_another_shape(b: Builder) -> int:
    return b.op("DEQUANTIZE", [b.input((1, 2), SCALE, ZERO)], b.tensor((2, 1), "float32"))


REFUSED = [twice_quantized, never_quantized, in_the_middle, behind_a_reshape, read_again, the_input_itself]
REFUSED += [of_int16, to_int16, of_other_uint8, to_other_uint8, to_infinity, to_subnormal_floats]
REFUSED += [to_a_float_of_another_shape]


@pytest.mark.parametrize("made", REFUSED)
def test_other_conversions_are_refused(made):
    b = Builder()
    y = made(b)
    for profile in ("tflm", "tflm-single-rounding"):
        with pytest.raises(Rejected):
            network(b.finish(y), profile)
