"""Which input makes an accumulator greatest, where it is a sum of functions of single inputs?

So it is in a first layer, also behind tables, rescaling and moved elements: each function is tabulated on all
codes of its input, and the greatest entry taken. The answer is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Affine, Program, Select, Staircase, Table

_MAX_CELLS = 1 << 24


@dataclass(frozen=True, eq=False)
class _Pointwise:
    """A wire whose element i is values[i, code − input_lo] of the input index[i]: [n], [n, codes] int64."""

    index: I64Array
    values: I64Array


def greatest_separable(program: Program, wire: int, element: int, sign: int) -> I64Array | None:
    """The input that makes sign * element of an affine wire greatest: int64 [n_input]; None: no such sum."""
    step = program.steps[wire - 1]
    codes = np.arange(program.input_lo, program.input_hi + 1)
    if not isinstance(step, Affine):
        return None
    total: dict[int, I64Array] = {}
    for term in step.terms:
        columns, weights = term.map.row(element)
        part = _pointwise(program, term.source, columns, codes)
        if part is None:
            return None
        for i, gains in zip(part.index.tolist(), weights[:, None] * part.values, strict=True):
            total[i] = total[i] + gains if i in total else gains
    x = np.full(program.n_input, min(max(0, program.input_lo), program.input_hi), np.int64)
    for i, gains in total.items():
        x[i] = codes[(sign * gains).argmax()]
    return x


def _pointwise(program: Program, wire: int, elements: I64Array, codes: I64Array) -> _Pointwise | None:
    """Some elements of a wire as functions of one input each; None where they are not, or there are many."""
    if len(elements) * len(codes) > _MAX_CELLS:
        return None
    if wire == 0:
        return _Pointwise(elements, np.broadcast_to(codes, (len(elements), len(codes))))
    step = program.steps[wire - 1]
    if isinstance(step, Select):
        return _pointwise(program, step.source, step.index[elements], codes)
    below = _pointwise(program, step.source, elements, codes) if isinstance(step, Table | Staircase) else None
    if below is None:
        return None
    if isinstance(step, Table):
        return _Pointwise(below.index, step.values[below.values + 128])
    assert isinstance(step, Staircase)
    first, last = (end[step.channel[elements]][:, None] for end in step.rule.domain())
    if np.any(below.values < first) or np.any(below.values > last):
        return None
    scaled = step.rule.apply(below.values.T, step.channel[elements])
    return _Pointwise(below.index, scaled.T)
