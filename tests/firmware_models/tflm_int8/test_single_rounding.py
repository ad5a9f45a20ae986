"""The single-rounding profiles: exact rationals say what each output is, and which inputs tell them apart."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import cmsis_nn
import random_elementwise
import random_graphs
from model_builder import Builder
from tflm_int8 import Model, Reference, UnsupportedOp, lower, sample_shape
from tflm_int8.fixedpoint import Rounding, multiply_by_quantized_multiplier
from tflm_int8.kernels.staircase import prove
from tflm_int8.program.concrete import run as run_program
from tflm_int8.program.primitives import Requantize

SCALE = 0.01
CODES = np.arange(-128, 128).astype(np.int8)


def _dense(out_scale: float) -> bytes:
    """y = w · x + bias for many weights: 256 rows of one input each."""
    b = Builder()
    x = b.input((256, 1), SCALE, 0)
    weights = np.arange(1, 121).reshape(120, 1)
    return b.finish(b.fully_connected(x, weights, 7 * weights[:, 0] - 300, SCALE, out_scale, 3))


def _accumulators() -> np.ndarray:
    weights = np.arange(1, 121)
    return CODES.astype(np.int64)[:, None] * weights + 7 * weights - 300


def _half_up(real: Fraction) -> int:
    return math.floor(real + Fraction(1, 2))


def _half_away(real: Fraction) -> int:
    return _half_up(real) if real >= 0 else -_half_up(-real)


@pytest.mark.parametrize("steps", [1.7, 3.9, 11.3, 47.0, 160.0])
def test_one_rounding_is_half_up_and_two_are_half_up_then_half_away(steps):
    content = _dense(SCALE * SCALE * steps)
    double, single = (Reference(Model.from_bytes(content), p) for p in ("tflm", "tflm-single-rounding"))
    m, e = (int(v[0]) for v in (double.kernels[0].requantize.multiplier, double.kernels[0].requantize.shift))
    acc = _accumulators()
    once = [[_half_up(Fraction(int(a) * m, 1 << (31 - e))) for a in row] for row in acc]
    twice = [
        [_half_away(Fraction(_half_up(Fraction(int(a) * m, 1 << 31)), 1 << -e)) for a in row] for row in acc
    ]
    x = CODES.reshape(1, 256, 1)
    np.testing.assert_array_equal(single.run(x)[0], np.clip(np.array(once) + 3, -128, 127))
    np.testing.assert_array_equal(double.run(x)[0], np.clip(np.array(twice) + 3, -128, 127))


@pytest.mark.parametrize(
    ("profile", "neighbour"), [("tflm-single-rounding", "tflm"), ("cmsis-nn-single-rounding", "cmsis-nn")]
)
def test_at_a_tie_that_the_first_rounding_makes_the_profiles_part(profile, neighbour):
    content = _dense(SCALE * SCALE * 11.3)
    x = CODES.reshape(1, 256, 1)
    once, twice = (Reference(Model.from_bytes(content), p).run(x)[0] for p in (profile, neighbour))
    assert np.any(once != twice)
    assert np.abs(once.astype(int) - twice).max() == 1
    program = lower(Model.from_bytes(content), profile)
    np.testing.assert_array_equal(run_program(program, x.reshape(1, -1))[program.output], once.reshape(1, -1))


@pytest.mark.parametrize(("shift", "percent"), [(-1, 25), (-2, 12.5), (-4, 3.1), (-6, 0.8), (0, 0), (3, 0)])
def test_the_roundings_differ_as_often_as_the_first_one_makes_a_tie_of_a_negative(shift, percent):
    """Half of the accumulators are negative; the first rounding makes a tie of 2**shift of them."""
    rng = np.random.default_rng(1)
    acc = rng.integers(-(1 << 20), 1 << 20, 200_000)
    m = rng.integers(1 << 30, 1 << 31, 200_000)
    once, twice = (multiply_by_quantized_multiplier(acc, m, shift, r) for r in Rounding)
    assert 100 * np.mean(once != twice) == pytest.approx(percent, abs=0.3)


def test_a_single_rounding_rule_is_monotone_and_its_fast_form_is_proved_or_left_alone():
    rng = np.random.default_rng(2)
    for _ in range(50):
        one = np.array([rng.integers(1 << 30, 1 << 31)]), np.array([int(rng.integers(-12, 1))])
        rule = Requantize(*one, Rounding.SINGLE, int(rng.integers(-128, 128)), -128, 127)
        acc = np.sort(rng.integers(-(1 << 20), 1 << 20, 3000))
        values = rule.apply(acc[:, None], np.zeros(1, np.int64))[:, 0]
        assert np.all(np.diff(values) >= 0)
        stage = prove(rule, np.zeros(1, np.int64), 1 << 20)
        if stage is not None:
            out = np.empty((len(acc), 1), np.int8)
            stage.write(acc[:, None].astype(np.float64), out)
            np.testing.assert_array_equal(out[:, 0], values)


def test_a_multiplier_beyond_single_rounding_is_refused():
    b = Builder()
    x = b.input((1, 4), 1.0, 0)
    content = b.finish(b.op("QUANTIZE", [x], b.activation((1, 4), 2.0**-30, 0)))
    with pytest.raises(UnsupportedOp, match="beyond single rounding"):
        Reference(Model.from_bytes(content), "tflm-single-rounding")


OF_CMSIS_NN = {
    random_graphs: ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "POOL_2D", "ADD", "SOFTMAX"),
    random_elementwise: ("MUL", "MAXIMUM", "MINIMUM"),
}


@pytest.mark.parametrize(
    ("rounding", "profile"),
    [
        ("double", "cmsis-nn"),
        ("single", "cmsis-nn-single-rounding"),
        ("single", "tflm-single-rounding"),
    ],
)
@pytest.mark.parametrize(
    ("generator", "name"), [(g, name) for g, names in OF_CMSIS_NN.items() for name in names]
)
def test_cmsis_nn_writes_the_same_bytes(rounding, profile, generator, name):
    lib, compared = cmsis_nn.library(rounding), 0
    for seed in range(20):
        model = Model.from_bytes(generator.one_op(name, seed), f"{name}-{seed}")
        try:
            reference = Reference(model, profile)
            x = random_graphs.images(seed, sample_shape(reference.input), 6)
            trace = reference.trace(x)
        except UnsupportedOp:
            continue
        kernel = reference.kernels[-1]
        tensors = [model.tensors[i] for i in kernel.node.op.inputs]
        if not _is_called(kernel, tensors):
            continue
        for i in range(len(x)):
            known = {t.index: t.data for t in tensors} | {
                model.inputs[0]: x[i].reshape(reference.input.shape)
            }
            inputs = [trace[t.index][i] if t.index in trace else known[t.index] for t in tensors]
            got = cmsis_nn.run(lib, kernel, inputs)
            np.testing.assert_array_equal(got, trace[kernel.node.op.outputs[0]][i], f"{name}-{seed}")
        compared += 1
    assert compared >= 8


def _is_called(kernel, tensors) -> bool:
    """TFLM calls CMSIS-NN for it: not for broadcast sums and products; nor are groups without a bias sane."""
    if kernel.node.op.name in ("ADD", "MUL"):
        return tensors[0].shape == tensors[1].shape
    return kernel.node.op.name != "CONV_2D" or kernel.groups == 1 or len(tensors) == 3
