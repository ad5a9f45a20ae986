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

from coverify.verify.smt import expressions as ex
from coverify.verify.smt.expressions import Condition, Expression, chosen, compared
from coverify.verify.smt.expressions import zero_extended as extended


@dataclass(frozen=True, eq=False)
class Term:
    """lo + bits, with lo <= value <= hi; bits is None exactly when lo == hi, else has `width` bits."""

    bits: Expression | None
    lo: int
    hi: int

    @property
    def width(self) -> int:
        """Bits that hi - lo needs."""
        return (self.hi - self.lo).bit_length()


def constant(value: int) -> Term:
    """A number."""
    return Term(None, value, value)


def variable(name: str, hi: int) -> tuple[Term, list[Condition]]:
    """A fresh variable 0..hi (hi >= 1), and the constraints that keep it at most hi."""
    width = hi.bit_length()
    bits = ex.variable(name, width)
    whole = hi == (1 << width) - 1
    return Term(bits, 0, hi), [] if whole else [compared("bvule", bits, ex.value(hi, width))]


def scaled(term: Term, factor: int) -> Term:
    """factor * term."""
    if factor == 0 or term.bits is None:
        return constant(factor * term.lo)
    if factor < 0:
        flipped = Term(mirrored(term), -term.hi, -term.lo)
        return scaled(flipped, -factor)
    lo, hi = factor * term.lo, factor * term.hi
    width = (hi - lo).bit_length()
    if factor == 1:
        return Term(term.bits, lo, hi)
    return Term(ex.binary("bvmul", extended(term.bits, width), ex.value(factor, width)), lo, hi)


def product(a: Term, b: Term) -> Term:
    """a * b, modulo a power of two above what it can be."""
    if a.bits is None or b.bits is None:
        return scaled(b, a.lo) if a.bits is None else scaled(a, b.lo)
    ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    lo, width = min(ends), (max(ends) - min(ends)).bit_length()
    both = [
        ex.binary("bvadd", ex.low_bits(extended(bits, max(width, bits.width)), width), ex.value(least, width))
        for bits, least in ((a.bits, a.lo), (b.bits, b.lo))
    ]
    return Term(ex.binary("bvsub", ex.binary("bvmul", *both), ex.value(lo, width)), lo, max(ends))


def mirrored(term: Term) -> Expression:
    """The bits of hi - value, of a term that is no number."""
    assert term.bits is not None
    reach = term.hi - term.lo
    if reach == (1 << term.width) - 1:
        return ex.inverted(term.bits)
    return ex.binary("bvsub", ex.value(reach, term.width), term.bits)


def plus(a: Term, b: Term) -> Term:
    """a + b."""
    lo, hi = a.lo + b.lo, a.hi + b.hi
    if a.bits is None or b.bits is None:
        return Term(b.bits if a.bits is None else a.bits, lo, hi)
    width = (hi - lo).bit_length()
    return Term(ex.binary("bvadd", extended(a.bits, width), extended(b.bits, width)), lo, hi)


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
    moved = ex.binary("bvsub", term.bits, ex.value(lo - term.lo, term.width)) if lo > term.lo else term.bits
    return Term(ex.low_bits(moved, (hi - lo).bit_length()), lo, hi)


def at_least(term: Term, bound: int) -> Condition:
    """term >= bound, a bool where the bounds decide it."""
    if bound <= term.lo:
        return True
    if bound > term.hi:
        return False
    assert term.bits is not None
    return compared("bvuge", term.bits, ex.value(bound - term.lo, term.width))


def rises_by(a: Term, b: Term, gap: int) -> Condition:
    """a - b >= gap, a bool where the bounds decide it."""
    if a.lo - b.hi >= gap:
        return True
    if a.hi - b.lo < gap:
        return False
    if b.bits is None:
        return at_least(a, b.lo + gap)
    if a.bits is None:
        return compared("bvule", b.bits, ex.value(a.lo - gap - b.lo, b.width))
    shift = a.lo - b.lo - gap  # a.bits + shift >= b.bits
    width = max(a.hi - a.lo + max(shift, 0), b.hi - b.lo + max(-shift, 0)).bit_length()
    left, right = extended(a.bits, width), extended(b.bits, width)
    if shift >= 0:
        return compared("bvuge", ex.binary("bvadd", left, ex.value(shift, width)), right)
    return compared("bvuge", left, ex.binary("bvadd", right, ex.value(-shift, width)))


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


def _tree(term: Term, steps: list[tuple[int, int]], lo: int, width: int) -> Expression:
    if len(steps) == 1:
        return ex.value(steps[0][1] - lo, width)
    middle = len(steps) // 2
    low, high = _tree(term, steps[:middle], lo, width), _tree(term, steps[middle:], lo, width)
    above = at_least(term, steps[middle][0])
    assert isinstance(above, Expression)  # the steps begin within the term's bounds
    return chosen(above, high, low)


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
    above = rises_by(a, b, 0)
    assert isinstance(above, Expression)  # else one would be the greater by its bounds
    return Term(chosen(above, rebased(a, lo, hi), rebased(b, lo, hi)), lo, hi)


def rebased(term: Term, lo: int, hi: int) -> Expression:
    """The bits of value - lo at the width of hi - lo; only meant where lo <= value <= hi."""
    width = (hi - lo).bit_length()
    if term.bits is None:
        return ex.value(term.lo - lo, width)
    wide = max(width, term.width)
    shifted = ex.binary("bvadd", extended(term.bits, wide), ex.value(term.lo - lo, wide))
    return ex.low_bits(shifted, width)
