"""An input that makes one element of a wire large: a search that proves nothing, by sign steps from corners.

The straight-through gradient says which way to move each input; whole, half and quarter steps are tried, from
the middle of the range and from random corners, until the value passes the wanted end or the rounds are over.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.gradient import Gradient
from coverify.verify.query import I64Array
from tflm_int8.program.concrete import OutsideDomain, run_step
from tflm_int8.program.primitives import Program

_STARTS = 6
_STEPS = 12
_SHARES = (1.0, 0.5, 0.2, 0.05)
"""Which parts of the inputs are moved to their ends at once."""


def ascend(
    program: Program, boxes: list[Box], wire: int, element: int, sign: int, end: int, deadline: Deadline
) -> I64Array | None:
    """The best input found, int64 [n_input]; None where no start could be run.  Raises OutOfTime."""
    rng, best, most = np.random.default_rng(0), None, -np.inf
    lo, hi = boxes[0].lo, boxes[0].hi
    gradient = Gradient(program, boxes)
    for start in range(_STARTS):
        x = (lo + hi + 1) // 2 if start == 0 else np.where(rng.random(len(lo)) < 0.5, lo, hi)
        for _ in range(_STEPS):
            deadline.check()
            tried = _moved(program, gradient, x, wire, element, sign, rng)
            if tried is None:
                break
            x, value = tried
            if value > most:
                best, most = x, value
            if most > sign * end:
                return best
    return best


def _moved(
    program: Program,
    gradient: Gradient,
    x: I64Array,
    wire: int,
    element: int,
    sign: int,
    rng: np.random.Generator,
) -> tuple[I64Array, int] | None:
    """The best of some steps along the gradient, and sign * value there; None outside TFLM's domain."""
    wires = _prefix(program, wire, x[None])
    if wires is None:
        return None
    seed = np.zeros((1, wires[wire].shape[1]))
    seed[0, element] = sign
    slope = gradient.input_gradient(wires, wire, seed)[0]
    lo, hi = gradient.boxes[0].lo, gradient.boxes[0].hi
    ends = np.where(slope > 0, hi, np.where(slope < 0, lo, x))
    tries = np.stack([x, *(np.where(rng.random(len(x)) < share, ends, x) for share in _SHARES)])
    found = [_prefix(program, wire, one[None]) for one in tries]
    values = [-np.inf if w is None else sign * int(w[wire][0, element]) for w in found]
    pick = int(np.argmax(values))
    return tries[pick], int(values[pick])


def _prefix(program: Program, wire: int, x: I64Array) -> list[I64Array] | None:
    """The wires up to `wire`, or None where an earlier step is undefined on x."""
    wires = [x.astype(np.int64)]
    try:
        for step in program.steps[:wire]:
            wires.append(run_step(step, wires))
    except OutsideDomain:
        return None
    return wires
