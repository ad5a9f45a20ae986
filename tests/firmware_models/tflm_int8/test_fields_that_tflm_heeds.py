"""Fields of a file that change no value, but of which TFLM refuses some: so does the reference."""

import numpy as np
import pytest

from model_builder import Builder
from oracle import Tflm
from tflm_int8 import MalformedModel, Model, Reference, TflmError, UnsupportedModel, UnsupportedOp

X = np.array([[70, -9, 100, 3]], np.int8)


def layer() -> tuple[Builder, int]:
    b = Builder()
    weights = np.random.default_rng(4).integers(-127, 128, (3, 4))
    return b, b.fully_connected(b.input((1, 4), 0.1, 0), weights, None, 0.01, 0.2, 3)


def same(content: bytes, *inputs: np.ndarray) -> None:
    """TFLM and the reference give the same."""
    expected = Tflm(content).run(*inputs)
    given = Reference(Model.from_bytes(content)).run(*(x[None] for x in inputs))
    np.testing.assert_array_equal(given.reshape(expected.shape), expected)


def refused(content: bytes, why: str, kind: type[TflmError] = UnsupportedOp) -> None:
    """Neither takes it."""
    with pytest.raises(RuntimeError, match="allocate tensors"):
        Tflm(content)
    refused_here(content, why, kind)


def refused_here(content: bytes, why: str, kind: type[TflmError] = UnsupportedOp) -> None:
    """The reference refuses what TFLM crashes on."""
    with pytest.raises(kind, match=why):
        Reference(Model.from_bytes(content))


@pytest.mark.parametrize("custom", [b"", b"\1\2\3"])
def test_custom_options_of_a_builtin_operator_are_refused(custom):
    b, y = layer()
    b.ops[0].custom = custom
    refused(b.finish(y), "op 0 FULLY_CONNECTED .*custom options")


def test_intermediate_tensors_must_be_empty():
    b, y = layer()
    b.ops[0].intermediates = [b.tensor((0,), "float32"), b.tensor((2, 0), "int8")]
    same(b.finish(y), X)
    b.ops[0].intermediates.append(y)
    refused(b.finish(y), "op 0 FULLY_CONNECTED .*intermediate")
    for outside in (-1, 10**8):
        b.ops[0].intermediates[2] = outside
        refused_here(b.finish(y), "index outside", MalformedModel)


@pytest.mark.parametrize("n", [0, 3, 8, 9])
def test_a_new_shape_of_more_than_8_dimensions_is_refused(n):
    """TFLM does not heed the others, whatever they say."""
    b = Builder()
    x = b.input((1, 4), 0.1, 0)
    content = b.finish(b.op("RESHAPE", [x], b.like(x, (2, 2)), 17, NewShape=[7] * n))
    if n > 8:
        refused(content, "more than 8 dimensions")
    else:
        same(content, X)


def typed(name: str, **types: int) -> tuple[bytes, np.ndarray]:
    """A model of one operator whose options name element types, and an input."""
    b = Builder()
    image = np.arange(4, dtype=np.int8).reshape(1, 2, 2, 1)
    if name == "FULLY_CONNECTED":
        b, y = layer()
        b.ops[0].options += types.items()
        return b.finish(y), X
    if name == "CONV_2D":
        y = b.conv(b.input(image.shape, 0.1, 0), image * 9, None, 0.1, 0.2, 3)
        b.ops[0].options += types.items()
        return b.finish(y), image
    if name == "TRANSPOSE_CONV":
        x, filters = b.input(image.shape, 0.1, 0), b.constant(image, 0.1, 0)
        operands = [b.integers(image.shape), filters, x]
        y = b.op(name, operands, b.like(x, image.shape), 49, StrideH=1, StrideW=1, **types)
        return b.finish(y), image
    x = b.input((1, 4), 0.1, 0)
    match name:
        case "CAST":
            y = b.op(name, [x], b.tensor((1, 4), "int32"), 37, **types)
        case "SHAPE":
            y = b.op(name, [x], b.tensor((2,), "int32"), 55, **types)
        case _:
            y = b.op(
                name, [x, b.integers([1])], b.tensor((1,), "int32"), 40 + 17 * (name == "ARG_MIN"), **types
            )
    return b.finish(y), X


TYPES = [
    ("FULLY_CONNECTED", "QuantizedBiasType"),
    ("CONV_2D", "QuantizedBiasType"),
    ("TRANSPOSE_CONV", "QuantizedBiasType"),
    ("CAST", "InDataType"),
    ("CAST", "OutDataType"),
    ("SHAPE", "OutType"),
    ("ARG_MAX", "OutputType"),
    ("ARG_MIN", "OutputType"),
]


@pytest.mark.parametrize(("name", "option"), TYPES)
def test_an_element_type_that_the_schema_has_not_is_refused(name, option):
    for number in range(18):
        same(*typed(name, **{option: number}))
    for number in (100, -1):
        refused(typed(name, **{option: number})[0], f"op 0 {name} .*element type {number}")


def test_the_name_of_a_custom_operator_ends_in_a_zero_byte():
    """TFLM reads on to the next one."""
    b = Builder()
    x, energies = b.input((4,), dtype="int16"), b.tensor((2,), "uint32")
    content = b.finish(b.op("CUSTOM:SignalEnergy", [x], energies, custom=b""))
    at = content.index(b"SignalEnergy") + len(b"SignalEnergy")
    refused(content[:at] + b"!" + content[at + 1 :], "zero byte", MalformedModel)


def test_the_name_of_a_variable_ends_in_a_zero_byte():
    b, y = layer()
    handle = b.op("VAR_HANDLE", [], b.tensor((), "resource"), 111, SharedName="speed")
    b.op("ASSIGN_VARIABLE", [handle, y], [], 113)
    content = b.finish(y)
    Reference(Model.from_bytes(content))
    at = content.index(b"speed") + len(b"speed")
    refused_here(content[:at] + b"!" + content[at + 1 :], "zero byte", MalformedModel)


def test_a_graph_that_nothing_calls_is_empty():
    """TFLM prepares its operators, and crashes on those that ask for scratch memory."""
    b, y = layer()
    b.subgraphs = [Builder()]
    same(b.finish(y), X)
    other, _ = layer()
    b.subgraphs = [other, Builder()]
    refused_here(b.finish(y), "subgraph 1: nothing calls it", UnsupportedModel)
    other.tensors[other.ops[0].outputs[0]].dtype = "int32"
    refused(b.finish(y), "subgraph 1: nothing calls it", UnsupportedModel)


def test_a_graph_that_nothing_calls_has_no_variables():
    """TFLM lets it share them with the others."""
    b, y = layer()
    other, value = layer()
    handle = other.op("VAR_HANDLE", [], other.tensor((), "resource"), 111, SharedName="speed")
    other.op("ASSIGN_VARIABLE", [handle, value], [], 113)
    b.subgraphs = [other]
    refused_here(b.finish(y), "nothing calls it", UnsupportedModel)


def test_more_subgraphs_than_are_read_are_refused():
    b, y = layer()
    b.subgraphs = [Builder()] * 16
    refused_here(b.finish(y), "more than 16 subgraphs", UnsupportedModel)
