"""Where do the elements of a program's wires stand in a certificate?

Its elements are one vector (docs/certificates.md): a constant, the input, then what every step writes, one
after the other. Steps that only move elements have none of their own.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.query import I64Array
from tflm_int8.program.primitives import Max, Program, Select, Staircase, Table


def places(program: Program, last: int) -> tuple[I64Array, ...]:
    """For each wire up to `last`: int64 [n]."""
    end, found = 1, list[I64Array]()
    sizes = program.sizes()
    for wire in range(last + 1):
        step = program.steps[wire - 1] if wire else None
        if isinstance(step, Select):
            found.append(found[step.source][step.index])
        else:
            found.append(end + np.arange(sizes[wire]))
            end += sizes[wire]
    return tuple(found)


def unread(program: Program, logits: int) -> dict[int, int]:
    """The wires that have multipliers after the logits, which prove nothing of them, and how many each has.

    Where a softmax reads the logits, the checker leaves it out, and knows nothing that comes after one.
    """
    sizes, found = program.sizes(), dict[int, int]()
    for wire, step in enumerate(program.steps[logits:] if logits == program.output else (), logits + 1):
        if isinstance(step, Staircase | Table | Max):
            found[wire] = step.windows.size if isinstance(step, Max) else sizes[wire]
    return found
