"""Where do two roundings of a product differ? An accumulator and a multiplier by SMT, or a proof of none.

The question is about MultiplyByQuantizedMultiplier itself: for a given shift, is there an accumulator of
some bits and a multiplier of 2**30..2**31 − 1 that TFLM's two roundings and the single one bring to different
integers? `unsat` is a proof for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import EngineFault
from coverify.verify.smt import expressions as ex
from coverify.verify.smt.expressions import Condition, Expression, binary, compared
from coverify.verify.smt.rounding import scaled_by
from coverify.verify.smt.script import Script
from coverify.verify.smt.solvers import SOLVERS
from tflm_int8.fixedpoint import Rounding, multiply_by_quantized_multiplier

_SOLVER, _LONG = "z3", 64
FLOAT32_BITS = 24
"""Bits of a multiplier that one float32 scale can bring about exactly."""


@dataclass(frozen=True)
class Found:
    """first and second: what each rounding makes of acc * multiplier * 2**(shift − 31)."""

    acc: int
    multiplier: int
    shift: int
    first: int
    second: int


@dataclass(frozen=True)
class Roundings:
    """acc: of so many bits, two's complement; multiplier_bits: its leading bits that may be other than 0;
    reach: the greatest magnitude of a result, so that no clamp hides the difference.
    """

    first: Rounding
    second: Rounding
    acc_bits: int = 24
    multiplier_bits: int = FLOAT32_BITS
    reach: int = 127


def differing(asked: Roundings, shift: int, deadline: Deadline, seed: int = 0) -> Found | None:
    """An accumulator and a multiplier at which the two differ; None: proved that there are none.

    Raises OutOfTime when the solver leaves it open.
    """
    acc, m = ex.variable("acc", asked.acc_bits), ex.variable("m", asked.multiplier_bits)
    wide = ex.sign_extended(acc, _LONG)
    low = 31 - asked.multiplier_bits
    multiplier = binary("bvmul", ex.zero_extended(m, _LONG), ex.value(1 << low, _LONG))
    results = [scaled_by(wide, multiplier, shift, rounding) for rounding in (asked.first, asked.second)]
    conditions: list[Condition] = [
        compared("bvuge", m, ex.value(1 << (asked.multiplier_bits - 1), m.width)),
        ex.negated(compared("=", *results)),
        *(bound for result in results for bound in _within(result, asked.reach)),
    ]
    deadline.check()
    found = SOLVERS[_SOLVER](Script.of(conditions), deadline, seed)
    if isinstance(found, str):
        if found == "unsat":
            return None
        raise OutOfTime
    number = found["acc"] - (1 << asked.acc_bits if found["acc"] >> (asked.acc_bits - 1) else 0)
    return _checked(asked, number, found["m"] << low, shift)


def _within(x: Expression, reach: int) -> list[Condition]:
    return [compared("bvsge", x, ex.value(-reach, x.width)), compared("bvsle", x, ex.value(reach, x.width))]


def _checked(asked: Roundings, acc: int, multiplier: int, shift: int) -> Found:
    """The model's numbers through the kernels' own arithmetic."""
    first, second = (
        int(multiply_by_quantized_multiplier(np.array([acc]), multiplier, shift, rounding)[0])
        for rounding in (asked.first, asked.second)
    )
    if first == second:
        raise EngineFault(_SOLVER, "a model of the rounding formula makes no difference")
    return Found(acc, multiplier, shift, first, second)
