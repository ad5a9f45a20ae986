"""Two runs of one network as one program: on an input, and on the same with one feature raised.

The program's input is [x, t]; the second run has max(x_i, t) in place of x_i, so that t ranges over all
raised values and every point of a box is meant. Its output is the outputs of both runs, one after the other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coverify.verify.query import I64Array
from tflm_int8.program.primitives import (
    Affine,
    Exact,
    Max,
    Product,
    Program,
    Select,
    Softmax,
    Staircase,
    Step,
    Table,
    Term,
)
from tflm_int8.program.sparse import Sparse


def raised(x: I64Array, feature: int) -> I64Array:
    """The second run's input of [x, t]: int64 [n]."""
    changed = x[:-1].copy()
    changed[feature] = max(int(x[feature]), int(x[-1]))
    return changed


def raising(program: Program, feature: int) -> Program:
    """The program on [x, t] whose output is [y(x), y(x with feature raised to t at least)]."""
    n = program.n_input
    windows = np.stack([np.arange(n), np.arange(n)], axis=1)
    windows[feature, 1] = n
    first, second = Select(0, np.arange(n)), Max(0, windows, program.input_lo, program.input_hi)
    steps: list[Step] = [first, second]
    outputs = []
    for source in (1, 2):
        wires = [source]
        for step in program.steps:
            steps.append(rewired(step, wires))
            wires.append(len(steps))
        outputs.append(wires[program.output])
    size = program.sizes()[program.output]
    own, none = np.arange(size), np.full(size, size)
    halves = zip(outputs, ((own, none), (none, own)), strict=True)
    terms = tuple(Term(wire, Sparse.moving(size, np.concatenate(half)), 0) for wire, half in halves)
    steps.append(Affine(terms, np.zeros(2 * size, np.int64)))
    return replace(program, n_input=n + 1, steps=tuple(steps), output=len(steps), tensors={}, operators=())


def raised_feature(program: Program) -> int | None:
    """Which feature is raised in the second run; None where the program is not of two runs."""
    n = program.n_input - 1
    match program.steps[:2]:
        case Select(source=0), Max(source=0, windows=windows) if windows.shape == (n, 2):
            at = np.flatnonzero(windows[:, 1] == n)
            return int(at[0]) if len(at) == 1 else None
    return None


def rewired(step: Step, wires: list[int]) -> Step:
    """The step with wire k of its sources replaced by wires[k]."""
    match step:
        case Affine():
            return Affine(tuple(replace(t, source=wires[t.source]) for t in step.terms), step.bias)
        case Product():
            return replace(step, left=wires[step.left], right=wires[step.right])
        case Exact():
            return replace(step, sources=tuple(wires[s] for s in step.sources))
        case Staircase() | Table() | Max() | Select() | Softmax():
            return replace(step, source=wires[step.source])
