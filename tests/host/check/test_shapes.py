"""What Keras computes before a RESHAPE is read: SHAPE, STRIDED_SLICE, PACK of int32, which are no steps."""

import numpy as np
import pytest

from certified import certified
from coverify.check import Rejected
from coverify.check.certificate import network
from model_builder import Builder
from oracle import Tflm


def flattened(seed: int, padded: bool = False, **changed: object) -> bytes:
    """A convolution, flattened as a batch of any size, and a dense layer; what is changed of that."""
    rng, b = np.random.default_rng([seed, 71]), Builder()
    x = b.input((1, 3, 3, 1), 0.05, 4)
    if padded:
        borders = b.integers([[0, 0], [1, 1], [1, 1], [0, 0]])
        x = b.op("PAD", [x, borders], b.like(x, (1, 5, 5, 1)))
    x = b.conv(x, rng.integers(-90, 91, (2, 2, 2, 1)), rng.integers(-900, 900, 2), 0.02, 0.06, -9, padding=1)
    dims = b.tensors[x].shape
    found = b.op("SHAPE", [x], b.tensor(changed.get("dims", (4,)), changed.get("dtype", "int32")), 55,
                 OutType=changed.get("kind", 2))  # fmt: skip
    one = b.integers([1])
    batch = b.op("STRIDED_SLICE", [found, b.integers([0]), b.integers([changed.get("end", 1)]), one],
                 b.tensor(changed.get("batch", ()), "int32"), 32, ShrinkAxisMask=1)  # fmt: skip
    n = int(np.prod(dims[1:]))
    both = b.op("PACK", [batch, b.integers(n)], b.tensor(changed.get("both", (2,)), "int32"), 59,
                ValuesCount=changed.get("count", 2), Axis=changed.get("axis", 0))  # fmt: skip
    x = b.op("RESHAPE", [x, both], b.like(x, (1, n)), 17)
    w, bias = rng.integers(-90, 91, (3, n)), rng.integers(-500, 500, 3)
    return b.finish(b.fully_connected(x, w, bias, 0.01, 0.05, 7))


@pytest.mark.parametrize("padded", [False, True])
def test_a_network_whose_shape_is_computed_is_read_as_tflm_runs_it(padded, tmp_path):
    accepted = 0
    for seed in range(15):
        content, rng = flattened(seed, padded), np.random.default_rng(seed)
        codes, net, tflm = rng.integers(-128, 128, (12, 9)), network(content, "tflm"), Tflm(content)
        expected = [tflm.run(row.astype(np.int8).reshape(1, 3, 3, 1)).reshape(-1) for row in codes]
        np.testing.assert_array_equal(net.boxes(codes[None])[0][:, net.outputs], expected)
        for engine, eps in (("interval", 1), ("bab", 6)):
            accepted += certified(content, codes[0], engine, eps, tmp_path / "c.zip")
    assert accepted > 8


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"dims": (3,)}, "a SHAPE of another form"),
        ({"dtype": "int64"}, "a SHAPE of another form"),
        ({"kind": 4}, "a SHAPE of another form"),
        ({"end": 0, "batch": (2,)}, "an output of another form"),
        ({"batch": (1, 1)}, "an output of another form"),
        ({"both": (3,)}, "an output of another form"),
        ({"count": 3}, "a PACK of other values"),
        ({"axis": 2}, None),
    ],
)
def test_shapes_of_another_form_are_refused(changed, why):
    with pytest.raises((Rejected, ValueError), match=why):
        network(flattened(0, **changed), "tflm")


def test_shapes_packed_with_other_values_are_refused():
    b = Builder()
    x = b.input((1,), 0.05, 4)
    shape = b.op("SHAPE", [x], b.tensor((1,), "int32"), 55, OutType=2)
    both = b.op("PACK", [x, shape], b.like(x, (2, 1)), 59, ValuesCount=2)
    with pytest.raises(Rejected, match="a PACK of other values"):
        network(b.finish(both), "tflm")


@pytest.mark.parametrize("operator", ["ADD", "RELU", "TRANSPOSE", "output"])
def test_what_is_left_open_of_a_shape_goes_nowhere(operator):
    """An int32 is any element: no operator but a RESHAPE reads it, and it is no output."""
    b = Builder()
    x = b.input((2,), 0.05, 4)
    found = b.op("SHAPE", [x], b.tensor((1,), "int32"), 55, OutType=2)
    pair = b.op("PACK", [found, found], b.tensor((2, 1), "int32"), 59, ValuesCount=2)
    flat = b.op("RESHAPE", [pair, b.integers([2])], b.tensor((2,), "int32"), 17)
    outputs = {
        "ADD": lambda: b.op("ADD", [x, flat], b.like(x, (2,)), 11),
        "RELU": lambda: b.op("RELU", [flat], b.like(x, (2,))),
        "TRANSPOSE": lambda: b.op("TRANSPOSE", [flat, b.integers([0])], b.like(x, (2,))),
        "output": lambda: flat,
    }
    assert network(b.finish(x), "tflm").steps == []
    with pytest.raises(
        Rejected, match="that is not int8" if operator == "output" else "other values than int8"
    ):
        network(b.finish(outputs[operator]()), "tflm")
