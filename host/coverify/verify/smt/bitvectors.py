"""Integers with known bounds as bit-vectors of the least width.

A `Term` is the value lo + bits, bits unsigned and at most hi - lo: no sign, no overflow, no bit more than the
bounds need; a term with lo = hi is a number. All arithmetic is exact. A sum is a tree that adds the narrowest
two first; a step function of a term (stairs, tables) is a decision tree over the steps that its bounds reach.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import z3


@dataclass(frozen=True, eq=False)
class Term:
    """lo + bits, with lo <= value <= hi; bits is None exactly when lo == hi, else has `width` bits."""

    bits: Any
    lo: int
    hi: int

    @property
    def width(self) -> int:
        """Bits that hi - lo needs."""
        return (self.hi - self.lo).bit_length()


def constant(value: int) -> Term:
    """A number."""
    return Term(None, value, value)


def variable(name: str, hi: int) -> tuple[Term, list[Any]]:
    """A fresh variable 0..hi (hi >= 1), and the constraints that keep it at most hi."""
    width = hi.bit_length()
    bits = z3.BitVec(name, width)
    return Term(bits, 0, hi), [] if hi == (1 << width) - 1 else [z3.ULE(bits, hi)]


def extended(bits: Any, width: int) -> Any:
    """`bits` with zeros in front, to `width` bits."""
    missing = width - bits.size()
    return z3.ZeroExt(missing, bits) if missing else bits


def scaled(term: Term, factor: int) -> Term:
    """factor * term."""
    if factor == 0 or term.bits is None:
        return constant(factor * term.lo)
    if factor < 0:
        flipped = Term(mirrored(term), -term.hi, -term.lo)
        return scaled(flipped, -factor)
    lo, hi = factor * term.lo, factor * term.hi
    width = (hi - lo).bit_length()
    return Term(extended(term.bits, width) * factor if factor > 1 else term.bits, lo, hi)


def mirrored(term: Term) -> Any:
    """The bits of hi - value."""
    reach = term.hi - term.lo
    if reach == (1 << term.width) - 1:
        return ~term.bits
    return z3.BitVecVal(reach, term.width) - term.bits


def plus(a: Term, b: Term) -> Term:
    """a + b."""
    lo, hi = a.lo + b.lo, a.hi + b.hi
    if a.bits is None or b.bits is None:
        return Term(b.bits if a.bits is None else a.bits, lo, hi)
    width = (hi - lo).bit_length()
    return Term(extended(a.bits, width) + extended(b.bits, width), lo, hi)


def total(terms: Sequence[Term], bias: int = 0) -> Term:
    """bias + the sum of the terms, the narrowest two added first."""
    base = bias + sum(t.lo for t in terms if t.bits is None)
    heap = [(t.hi - t.lo, i, t) for i, t in enumerate(terms) if t.bits is not None]
    heapq.heapify(heap)
    number = len(terms)
    while len(heap) > 1:
        a, b = heapq.heappop(heap)[2], heapq.heappop(heap)[2]
        both = plus(a, b)
        heapq.heappush(heap, (both.hi - both.lo, number, both))
        number += 1
    return plus(heap[0][2], constant(base)) if heap else constant(base)


def narrowed(term: Term, lo: int, hi: int) -> Term:
    """The same value, known to lie in lo..hi as well (which must contain every value it can take)."""
    lo, hi = max(lo, term.lo), min(hi, term.hi)
    if term.bits is None or lo == hi:
        return constant(lo)
    if (lo, hi) == (term.lo, term.hi):
        return term
    width = (hi - lo).bit_length()
    return Term(z3.Extract(width - 1, 0, term.bits - (lo - term.lo)), lo, hi)


def at_least(term: Term, bound: int) -> Any:
    """term >= bound, a bool where the bounds decide it."""
    if bound <= term.lo:
        return True
    if bound > term.hi:
        return False
    return z3.UGE(term.bits, bound - term.lo)


def negated(condition: Any) -> Any:
    """Not the condition, which may be a bool."""
    return not condition if isinstance(condition, bool) else z3.Not(condition)


def rises_by(a: Term, b: Term, gap: int) -> Any:
    """a - b >= gap, a bool where the bounds decide it."""
    if a.lo - b.hi >= gap:
        return True
    if a.hi - b.lo < gap:
        return False
    if a.bits is None:
        return z3.ULE(b.bits, a.lo - gap - b.lo)
    if b.bits is None:
        return z3.UGE(a.bits, b.lo + gap - a.lo)
    shift = a.lo - b.lo - gap  # a.bits + shift >= b.bits
    width = max(a.hi - a.lo + max(shift, 0), b.hi - b.lo + max(-shift, 0)).bit_length()
    left, right = extended(a.bits, width), extended(b.bits, width)
    return z3.UGE(left + shift, right) if shift >= 0 else z3.UGE(left, right - shift)


def step_function(term: Term, starts: Sequence[int], values: Sequence[int]) -> Term:
    """values[i] for the greatest i with starts[i] <= term; starts ascending, starts[0] <= term.lo."""
    first = max(i for i, start in enumerate(starts) if start <= term.lo)
    steps = [
        (max(s, term.lo), v) for s, v in zip(starts[first:], values[first:], strict=True) if s <= term.hi
    ]
    kept = [steps[0]] + [b for a, b in pairwise(steps) if a[1] != b[1]]
    lo, hi = min(v for _, v in kept), max(v for _, v in kept)
    if lo == hi:
        return constant(lo)
    return Term(_tree(term, kept, lo, (hi - lo).bit_length()), lo, hi)


def _tree(term: Term, steps: list[tuple[int, int]], lo: int, width: int) -> Any:
    if len(steps) == 1:
        return z3.BitVecVal(steps[0][1] - lo, width)
    middle = len(steps) // 2
    low, high = _tree(term, steps[:middle], lo, width), _tree(term, steps[middle:], lo, width)
    return z3.If(at_least(term, steps[middle][0]), high, low)


def greatest(terms: Sequence[Term]) -> Term:
    """The greatest of the terms."""
    floor = max(t.lo for t in terms)
    best, *others = [t for t in terms if t.hi > floor] or [constant(floor)]
    for t in others:
        best = _greater(best, t)
    return _greater(best, constant(floor))


def _greater(a: Term, b: Term) -> Term:
    if b.lo >= a.hi:
        return b
    if a.lo >= b.hi:
        return a
    lo, hi = max(a.lo, b.lo), max(a.hi, b.hi)
    return Term(z3.If(rises_by(a, b, 0), rebased(a, lo, hi), rebased(b, lo, hi)), lo, hi)


def rebased(term: Term, lo: int, hi: int) -> Any:
    """The bits of value - lo at the width of hi - lo; only meant where lo <= value <= hi."""
    width = (hi - lo).bit_length()
    if term.bits is None:
        return z3.BitVecVal(term.lo - lo, width)
    wide = max(width, term.width)
    shifted = extended(term.bits, wide) + (term.lo - lo)
    return z3.Extract(width - 1, 0, shifted) if wide > width else shifted
