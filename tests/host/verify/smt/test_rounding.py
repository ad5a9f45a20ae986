"""The rounding of requantizations in bit-vectors, folded to numbers by Z3, against the rules themselves."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.verify.smt import expressions as ex
from coverify.verify.smt.rounding import rounded
from coverify.verify.smt.script import Script
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.primitives import DivideRounding, HalfUpShift, Requantize
from tflm_int8.program.rules import Steps

z3 = pytest.importorskip("z3")

ACCUMULATORS = [-(2**31), -99_999, *range(-515, -509), *range(-3, 4), *range(509, 515), 2**20, 2**30]


def requantize(multiplier: int, shift: int, rounding: Rounding) -> Requantize:
    return Requantize(np.array([multiplier]), np.array([shift]), rounding, -3, -128, 127)


RULES = [
    *(HalfUpShift(np.array([k]), lo, hi) for k in (0, 1, 2, 9, 30) for lo, hi in ((-512, 511), (0, 63))),
    *(DivideRounding(np.array([n]), -128, 127) for n in (1, 2, 3, 4, 9)),
    *(
        Steps(np.array([edges], np.int64))
        for edges in ([], [0], [-515, -3, -3, 0, 2, 510], [-(2**31), -(2**31) + 1, 2**20, 2**31 - 1])
    ),
    *(
        requantize(m, s, r)
        for m in (0, 1 << 30, 1_518_500_250, 2**31 - 1)
        for s in (-12, -9, -1, 0)
        for r in (Rounding.SINGLE, Rounding.DOUBLE)
    ),
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_it_computes_what_the_rule_computes(rule):
    first, last = rule.domain()
    accs = [a for a in ACCUMULATORS if first[0] <= a <= last[0]]
    wanted = rule.apply(np.array(accs)[:, None], np.zeros(1, np.int64))[:, 0]
    for acc, expected in zip(accs, wanted.tolist(), strict=True):
        bits = rounded(rule, 0, ex.value(acc, 32))
        differs = ex.negated(ex.compared("=", bits, ex.value(expected, bits.width)))
        solver = z3.SolverFor("QF_BV")
        solver.from_string(Script.of([differs]).text)
        assert solver.check() == z3.unsat, (acc, expected)
