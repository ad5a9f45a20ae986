"""Which networks are refused for their accumulators: channel by channel, and where the box reaches."""

from pathlib import Path

import numpy as np
import pytest

from coverify.check import Rejected, check
from coverify.check.certificate import network as read_network
from coverify.check.networks.integers import bearable, scaled
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, lower
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.primitives import Program, Requantize

ENGINES = ("interval", "dual", "bab", "enumerate")


def proved(folder: Path, data: bytes, profile: str, program: Program, query: Robustness, engine: str) -> None:
    """Its HOLDS has a certificate that is accepted."""
    outcome = solve(engine, Problem(program, query), Deadline.in_s(10))
    assert outcome.verdict is Verdict.HOLDS
    assert outcome.argument is not None
    Certificate(data, profile, query, outcome.argument, engine).write(folder / "c.zip")
    assert check(folder / "c.zip").label == query.label


def dense(w_scale: list[float], bias: list[int], out_scale: float) -> bytes:
    """Two inputs to two outputs."""
    b = Builder()
    x = b.input((1, 2), 1.0, 0)
    return b.finish(b.fully_connected(x, np.array([[1, 2], [3, -4]]), np.array(bias), w_scale, out_scale, 0))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_channel_of_large_accumulators_beside_one_of_a_large_scale_is_no_overflow(engine, tmp_path):
    """Sums near 2^30 times 1e-8, and small ones times 2^9."""
    data = dense([1e-8, 512.0], [2**30, -9], 1.0)
    program = lower(Model.from_bytes(data))
    proved(tmp_path, data, "tflm", program, Robustness.around(np.array([5, 5]), 0, 1), engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_scale_is_judged_by_the_accumulators_of_the_box(engine, tmp_path):
    """A left shift of 22 bits bears accumulators below 2^9; over all inputs they reach 127 · 7."""
    data = dense([2.0**22, 2.0**22], [0, 0], 1.0)
    program = lower(Model.from_bytes(data))
    near, far = (Robustness.around(np.array(x), 0, 2) for x in ([20, 20], [20, -126]))
    proved(tmp_path, data, "tflm", program, near, engine)
    good = solve(engine, Problem(program, near), Deadline.in_s(10)).argument
    for label in (0, 1):
        query = Robustness.around(far.x0, label, 2)
        Certificate(data, "tflm", query, good, engine).write(tmp_path / "c.zip")
        with pytest.raises(Rejected, match="an accumulator may overflow, of some input in the box"):
            check(tmp_path / "c.zip")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_zero_point_is_judged_by_the_accumulators_of_the_box(engine, tmp_path):
    """Of sums of up to 2^31 − 2, times 1 − 2^−28, and the zero point 100; TFLM's interpreter wraps around."""
    b = Builder()
    x = b.input((1, 2), 1 + 2.0**-14, 0)
    bias = np.array([2**31 - 129, 0])
    data = b.finish(b.fully_connected(x, np.eye(2), bias, [1 - 2.0**-14] * 2, 1.0, 100))
    program, tflm = lower(Model.from_bytes(data)), Tflm(data)
    first = [int(tflm.run(np.array([[a, 0]], np.int8))[0, 0]) for a in range(-128, 128)]
    bears = first.index(-128) - 129
    assert first == [127] * (129 + bears) + [-128] * (127 - bears)
    near, far = (Robustness.around(np.array([a - 1, 0]), 0, 1) for a in (bears, bears + 1))
    proved(tmp_path, data, "tflm", program, near, engine)
    good = solve(engine, Problem(program, near), Deadline.in_s(10)).argument
    Certificate(data, "tflm", far, good, engine).write(tmp_path / "c.zip")
    with pytest.raises(Rejected, match="an accumulator may overflow, of some input in the box"):
        check(tmp_path / "c.zip")
    reference = Reference(Model.from_bytes(data))
    assert reference.run(np.array([[bears, 0]], np.int8)).tolist() == [[127, 100]]
    with pytest.raises(AccumulatorOverflow, match="zero point"):
        reference.run(np.array([[bears + 1, 0]], np.int8))


@pytest.mark.parametrize("rounding", Rounding)
def test_what_an_output_stage_bears_is_exact_in_both_models(rounding):
    """Ends of every shift, of multipliers and zero points that matter: the next accumulator overflows."""
    once = rounding is Rounding.SINGLE
    shifts, multipliers = np.arange(-31, 32 - once), np.array([0, 2**30, 2**31 - 129, 2**31 - 7, 2**31 - 1])
    m, s = (v.reshape(-1) for v in np.meshgrid(multipliers, shifts))
    for zero in (-128, -3, 0, 5, 127):
        rule = Requantize(m, s, rounding, zero, -128, 127)
        ends = np.array(rule.domain())
        np.testing.assert_array_equal(bearable(m, s, zero), ends)
        for a, holds in ((ends, True), (ends + np.array([[-1], [1]]), False)):
            left = a << np.maximum(s, 0)
            y = scaled(np.where(np.abs(left) <= 2**31, a, 0), m, s, once) + zero
            fits = (left >= -(2**31)) & (left < 2**31) & (y >= -(2**31)) & (y < 2**31)
            assert np.all(fits == holds)


def test_sums_that_may_overflow_before_they_are_scaled_are_refused_as_by_the_reference():
    """The bias and 128 · 3, or 127 · 3."""
    for bias, overflows in ((2**31 - 1 - 3 * 128, False), (2**31 - 3 * 127, True)):
        data = dense([1e-8, 1e-8], [bias, 0], 1.0)
        if overflows:
            with pytest.raises(AccumulatorOverflow):
                Reference(Model.from_bytes(data), "tflm")
            with pytest.raises(Rejected, match="overflow"):
                read_network(data, "tflm")
        else:
            Reference(Model.from_bytes(data), "tflm")
            read_network(data, "tflm")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bias", [2**31 - 2**19 - 1, -(2**31) + 255 * 10**6])
def test_a_fixed_point_network_may_use_all_of_int32(bias, engine, tmp_path):
    """Accumulators of up to 2^31 − 1, the half of a step added, or from −2^31 on."""
    arrays = layers_of([[[0], [1]]], [[0, 0]], [20], [(-(2**10), 2**10)])
    arrays["w0"], arrays["b0"] = np.array([[-(10**6)], [1]]), np.array([bias, 0])
    network = FixedPointNetwork.from_bytes(content(arrays))
    label = int(bias < 0)
    query = Robustness.around(np.array([252 if label else 3]), label, 3, None, 0, 255)
    proved(tmp_path, network.content, "fixed-point", network.program, query, engine)


def test_a_softmax_of_one_class_is_read(tmp_path):
    b = Builder()
    logits = b.fully_connected(b.input((1, 2), 1.0, 0), np.array([[1, 2]]), None, 1.0, 1.0, 0)
    data = b.finish(b.softmax(logits, 1.0))
    program = lower(Model.from_bytes(data))
    for engine in ENGINES:
        proved(tmp_path, data, "tflm", program, Robustness.around(np.array([5, 5]), 0, 1), engine)
