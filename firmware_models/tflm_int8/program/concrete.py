"""The concrete meaning of an integer program: run it on a batch of inputs.

It promises the integers of every wire, equal to the kernels' (a test holds the two together), and refuses an
accumulator outside the domain of its staircase (where TFLM's C++ overflows).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import TflmError
from tflm_int8.fixedpoint import I64Array
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
)


class OutsideDomain(TflmError):
    """A value leaves the range on which a step of the program is defined."""


def run(program: Program, x: NDArray[np.signedinteger[Any]]) -> list[I64Array]:
    """All wires of the program: x int [N, n_input] → one int64 [N, size] per wire, wire 0 first."""
    wires: list[I64Array] = [x.astype(np.int64)]
    for step in program.steps:
        wires.append(run_step(step, wires))
    return wires


def run_step(step: Step, wires: list[I64Array]) -> I64Array:
    """The wire that one step writes, int64 [N, size]."""
    match step:
        case Affine():
            return affine(step, wires)
        case Staircase():
            return staircase(step, wires[step.source])
        case Table():
            return table(step, wires[step.source])
        case Max():
            greatest: I64Array = wires[step.source][:, step.windows].max(axis=2)
            return np.clip(greatest, step.lo, step.hi)
        case Select():
            moved: I64Array = wires[step.source][:, step.index]
            return moved
        case Product():
            return (wires[step.left] - step.left_offset) * (wires[step.right] - step.right_offset)
        case Softmax():
            rows = wires[step.source].reshape(-1, step.depth).astype(np.int8)
            outputs: I64Array = step.function.apply(rows).astype(np.int64)
            return outputs.reshape(wires[step.source].shape)
        case Exact():
            if not step.sources:  # it was run once, for all
                return np.broadcast_to(step.function.apply([]), (len(wires[0]), step.n))
            return step.function.apply([wires[s] for s in step.sources])


def table(step: Table, source: I64Array) -> I64Array:
    """The entry of each element, after the check that there is one."""
    if np.any(source < -128) or np.any(source > 127):
        raise OutsideDomain("a table of int8 is read at a value that is none")
    looked_up: I64Array = step.values[source + 128]
    return looked_up


def affine(step: Affine, wires: list[I64Array]) -> I64Array:
    """bias + Σ map(source − offset), int64 [N, n]."""
    total = np.broadcast_to(step.bias, (len(wires[0]), len(step.bias)))
    for term in step.terms:
        total = total + term.map.apply(wires[term.source] - term.offset)
    return total


def staircase(step: Staircase, acc: I64Array) -> I64Array:
    """The rule applied to each accumulator, after the check that it lies in the rule's domain."""
    first, last = step.rule.domain()
    if np.any(acc < first[step.channel]) or np.any(acc > last[step.channel]):
        raise OutsideDomain(step.undefined)
    return step.rule.apply(acc, step.channel)
