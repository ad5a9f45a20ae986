"""At which accumulators two requantizations differ: against every accumulator, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.bounds import wire_bounds
from coverify.verify.equivalence.separation import Apart, separated, table
from oracle import NETWORKS
from tflm_int8 import Model, lower
from tflm_int8.fixedpoint import Rounding, quantize_multiplier
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import Requantize, RequantizeReal, Staircase


def rule(real: float, rounding: Rounding, zero: int = 0, lo: int = -128) -> Requantize:
    m = quantize_multiplier(real)
    return Requantize(np.array([m.value]), np.array([m.shift]), rounding, zero, lo, 127)


def in_full(apart: Apart) -> list[int]:
    return [a for s, e in zip(apart.start, apart.end, strict=True) for a in range(s, e + 1)]


@pytest.mark.parametrize("seed", range(12))
def test_they_are_exactly_the_accumulators_at_which_the_values_differ(seed):
    rng = np.random.default_rng(seed)
    real = float(2.0 ** rng.uniform(-7, 1))
    zero, lo = int(rng.integers(-60, 60)), int(rng.choice([-128, -20]))
    first = rule(real, Rounding.DOUBLE, zero, lo)
    second = [
        rule(real, Rounding.SINGLE, zero, lo),
        rule(real * (1 + 1e-4), Rounding.DOUBLE, zero, lo),
        rule(real, Rounding.DOUBLE, zero + 1, -128),
        RequantizeReal(np.array([real]), zero, -128, 127),
    ][seed % 4]
    acc = np.arange(-40_000, 40_001)
    at = np.zeros(len(acc), np.int64)
    differs = acc[first.apply(acc, at) != second.apply(acc, at)]
    found = separated(first, second, (0, 0)).within(-40_000, 40_000)
    assert in_full(found) == differs.tolist()
    assert found.count == len(differs)
    if len(differs):
        some = rng.integers(-40_000, 40_001, 50)
        nearest = [int(np.abs(differs - a).min()) for a in some]
        assert separated(first, second, (0, 0)).within(-40_000, 40_000).distance(some).tolist() == nearest
        assert [abs(found.nearest(int(a)) - a) for a in some] == nearest


def test_a_left_shift_leaves_no_difference_between_one_rounding_and_two():
    assert not separated(rule(1.7, Rounding.DOUBLE), rule(1.7, Rounding.SINGLE), (0, 0)).count


def test_no_input_reaches_what_the_table_calls_out_of_reach():
    model = Model.read(NETWORKS / "digits_mlp.tflite")
    first, second = (lower(model, p) for p in ("tflm", "tflm-single-rounding"))
    n = first.n_input
    rows = table(first, second, wire_bounds(first, np.full(n, -128), np.full(n, 127)))
    assert [sum(r.operator == k for r in rows) for k in (0, 1)] == [32, 10]
    x = np.random.default_rng(1).integers(-128, 128, (3000, n))
    wires = run(first, x)
    for row in rows:
        one, other = first.steps[row.step], second.steps[row.step]
        assert isinstance(one, Staircase) and isinstance(other, Staircase)
        acc = wires[one.source][:, one.channel == row.channel].reshape(-1)
        assert row.reach[0] <= acc.min() and acc.max() <= row.reach[1]
        channel = np.full(len(acc), row.channel)
        differs = one.rule.apply(acc, channel) != other.rule.apply(acc, channel)
        assert np.array_equal(differs, np.isin(acc, in_full(row.apart)))
