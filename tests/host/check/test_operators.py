"""Operators that the checker reads: where TFLM goes by its own rules, and proofs across them."""

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, TflmError
from tflm_int8.kernels.slicing import _Masks, _positions


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
