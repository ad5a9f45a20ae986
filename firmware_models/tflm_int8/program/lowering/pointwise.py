"""Functions of one element: a table of int8, the rises less the falls of an int16."""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.lookup import Lookup, Pointwise, undefined
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Scaling
from tflm_int8.program.lowering.builder import Builder
from tflm_int8.program.rules import INT16_MIN, Entries, Within


def lookup(b: Builder, k: Lookup) -> None:
    """A table; where it is not defined everywhere, behind a staircase that is the identity where it is."""
    wire = b.source(k, 0)
    if k.first > -128:
        identity = p.DivideRounding(np.ones(1, np.int64), k.first, 127)
        domain = np.array([k.first], np.int64), np.array([127], np.int64)
        channel = np.zeros(k.node.output.size, np.int64)
        wire = b.emit(p.Staircase(wire, Within(identity, *domain), channel, _undefined(k)))
    b.wires[k.node.output.index] = b.emit(p.Table(wire, k.values))


def pointwise(b: Builder, k: Pointwise) -> None:
    """Any function of an int16 is its rises less its falls: two staircases, one for a monotone function.

    |rises|, |falls| < 2^17: every function here turns at most once and yields int16.
    """
    known = k.function(np.arange(k.first, -INT16_MIN))
    steps, unused = np.diff(known), np.zeros(k.first - INT16_MIN, np.int64)
    rises, falls = (np.concatenate([unused, [0], np.cumsum(np.maximum(s, 0))]) for s in (steps, -steps))
    n, source, tensor = k.node.output.size, b.source(k, 0), k.node.output.index
    channel, base = np.zeros(n, np.int64), int(known[0])
    if not falls[-1]:
        return b.requantized(source, Entries(rises + base, k.first), channel, tensor)
    entries = (Entries(s, k.first) for s in (rises, falls))
    up, down = (b.emit(p.Staircase(source, rule, channel, _undefined(k))) for rule in entries)
    terms = (p.Term(up, Scaling(n), 0), p.Term(down, Scaling(n, -1), 0))
    total = b.emit(p.Affine(terms, np.full(n, base, np.int64)))
    clamp = p.DivideRounding(np.ones(1, np.int64), int(known.min()), int(known.max()))
    b.requantized(total, clamp, channel, tensor)


def _undefined(k: Lookup | Pointwise) -> str:
    """What it means that its first staircase meets a code that it has no value for."""
    return f"op {k.node.op.index} {k.node.op.name} is {undefined(k.first)}"
