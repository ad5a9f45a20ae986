"""Overflow verdicts against brute force over every input: two int8 inputs, biases near the ends of int32.

The sums are computed here from the models' own integers; left shifts are judged by what the kernels refuse.
"""

import numpy as np
import pytest

from coverify.verify.accumulators import Overflow, accumulators
from coverify.verify.deadline import Deadline
from model_builder import Builder
from tflm_int8 import AccumulatorOverflow, Model, Reference
from tflm_int8.program.lowering import lower_reference

INT32 = -(2**31), 2**31 - 1
ALL = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)), -1).reshape(-1, 2)


def dense(b: Builder, x: int, rng: np.random.Generator, near: int, out_scale: float) -> tuple:
    """A layer of two units whose biases are `near` what the weights can still reach; its integers."""
    weights = rng.integers(-127, 128, (2, 2))
    bias = rng.choice([-1, 1], 2) * (INT32[1] - rng.integers(0, near, 2))
    y = b.fully_connected(x, weights, bias, 0.01, out_scale, int(rng.integers(-128, 128)))
    return weights, bias, y


def judged(content: bytes) -> list:
    reference = Reference(Model.from_bytes(content), may_overflow=True)
    return accumulators(lower_reference(reference), Deadline.in_s(60))


def sums_of(weights: np.ndarray, bias: np.ndarray, x: np.ndarray, zero_point: int) -> np.ndarray:
    """Every sum, with its bias and without: int64 [N, 4]."""
    products = (x.astype(np.int64) - zero_point) @ weights.T
    return np.concatenate([products, products + bias], axis=1)


def outside(sums: np.ndarray) -> np.ndarray:
    return (sums < INT32[0]) | (sums > INT32[1])


@pytest.mark.parametrize("seed", range(40))
def test_a_first_layer_is_decided_exactly(seed):
    rng = np.random.default_rng([seed, 1])
    b, zero = Builder(), int(rng.integers(-128, 128))
    x = b.input((1, 2), 0.5, zero)
    weights, bias, y = dense(b, x, rng, 100_000, 1e6)
    (one,) = judged(b.finish(y))
    truth = outside(sums_of(weights, bias, ALL, zero)).any()
    assert one.overflow is (Overflow.FOUND if truth else Overflow.IMPOSSIBLE)
    if truth:
        sums = sums_of(weights, bias, one.input[None], zero)
        assert one.value in sums[outside(sums)]


def test_both_verdicts_occur_in_a_first_layer():
    verdicts = set()
    for seed in range(40):
        rng = np.random.default_rng([seed, 1])
        b, zero = Builder(), int(rng.integers(-128, 128))
        x = b.input((1, 2), 0.5, zero)
        verdicts |= {a.overflow for a in judged(b.finish(dense(b, x, rng, 100_000, 1e6)[2]))}
    assert verdicts == {Overflow.FOUND, Overflow.IMPOSSIBLE}


def test_a_second_layer_is_never_judged_wrongly():
    """OPEN is allowed; an input that is shown overflows, and a proof holds for all 65536 inputs."""
    seen = []
    for seed in range(60):
        rng = np.random.default_rng([seed, 2])
        b = Builder()
        x = b.input((1, 2), 0.5, 0)
        hidden = b.fully_connected(x, rng.integers(-127, 128, (2, 2)), None, 0.01, 1.0, 3)
        weights, bias, y = dense(b, hidden, rng, 60_000, 1e6)
        second = judged(b.finish(y))[1]
        seen.append(second.overflow)
        b.ops.pop()
        first = Reference(Model.from_bytes(b.finish(hidden)))
        where = ALL if second.input is None else second.input[None]
        codes = first.run(where.astype(np.int8)).astype(np.int64)
        bad = outside(sums_of(weights, bias, codes, 3))
        if second.overflow is Overflow.IMPOSSIBLE:
            assert not bad.any(), seed
        elif second.overflow is Overflow.FOUND:
            assert bad.any(), seed
            assert second.value in sums_of(weights, bias, codes, 3)[bad]
    assert seen.count(Overflow.FOUND) >= 10
    assert seen.count(Overflow.IMPOSSIBLE) >= 10


@pytest.mark.parametrize("seed", range(20))
def test_a_left_shift_that_overflows_is_shown_by_an_input_that_the_kernel_refuses(seed):
    rng = np.random.default_rng([seed, 3])
    b = Builder()
    x = b.input((1, 2), 1.0, 0)
    weights = rng.integers(-127, 128, (2, 2))
    out_scale = float(2.0 ** -int(rng.integers(12, 19)))  # a left shift of 5 to 18 bits
    content = b.finish(b.fully_connected(x, weights, None, 0.1, out_scale, 0))
    (one,) = judged(content)
    reference = Reference(Model.from_bytes(content))
    if one.overflow is Overflow.IMPOSSIBLE:
        reference.run(ALL.astype(np.int8))
    else:
        assert one.overflow is Overflow.FOUND
        with pytest.raises(AccumulatorOverflow):
            reference.run(one.input[None].astype(np.int8))


def test_sixteen_bit_activations_with_a_32_bit_bias_are_judged_too():
    b = Builder()
    x = b.input((1, 600), 1e-3, 0, "int16")
    weights = b.tensor((1, 600), "int8", [0.01], [0], data=np.full((1, 600), 127, np.int8))
    bias = b.tensor((1,), "int32", [1e-5], [0], data=np.zeros(1, np.int32))
    y = b.activation((1, 1), 10.0, 0, "int16")
    content = b.finish(b.op("FULLY_CONNECTED", [x, weights, bias], y, 8, FusedActivationFunction=0))
    program = lower_reference(Reference(Model.from_bytes(content), may_overflow=True), int16=True)
    (one,) = accumulators(program, Deadline.in_s(60))
    assert one.overflow is Overflow.FOUND
    assert one.value == int(one.input.sum()) * 127  # 600 * 32767 * 127 = 2496845400 or its mirror image
    assert abs(one.value) > 2**31
