"""What does a property say of the outputs of an input whose label is known? A formula for each claim.

Codes are the output tensor's integers. A claim in real values is turned into one of codes exactly: the scale
of an output is a fraction, so that a bound on integers can be rounded without changing what it says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from coverify.verify.errors import BadQuery
from coverify.verify.property.formula import (
    AllOf,
    ClassIs,
    FewFalse,
    Formula,
    Relation,
    not_above,
    relation,
)
from coverify.verify.property.quantity import Scale

MAX_COEFFICIENT = 1 << 30
ROUNDED = (
    "a relation of real values of outputs that DEQUANTIZE rounds to floats: only ranges of single outputs, "
    "and comparisons of two, are exact; say it in codes"
)
MAX_OUTPUT = 1 << 16
"""No magnitude of an output is greater: a limit beyond what sums of them reach says the same at their end."""


def stays(label: int) -> Formula:
    """The class is the label."""
    return ClassIs(label)


def never(classes: list[int]) -> Formula:
    """The class is none of these."""
    return AllOf(tuple(ClassIs(c, False) for c in classes))


def among_top(label: int, k: int, n: int) -> Formula:
    """Fewer than k outputs come before the label's: of equal outputs the first index comes first."""
    behind = tuple(not_above(j, label, -1 if j < label else 0) for j in range(n) if j != label)
    return FewFalse(k - 1, behind)


def within(element: int, lo: int | None, hi: int | None) -> Formula:
    """lo <= y[element] <= hi, in codes."""
    parts = []
    if lo is not None:
        parts.append(relation({element: -1}, _reached(-lo, 1)))
    if hi is not None:
        parts.append(relation({element: 1}, _reached(hi, 1)))
    return AllOf(tuple(parts))


def within_reals(element: int, lo: Fraction | None, hi: Fraction | None, scale: Scale) -> Formula:
    """lo <= the real value of y[element] <= hi."""
    return within(
        element,
        None if lo is None else scale.first(lo),
        None if hi is None else scale.last(hi),
    )


def near(element: int, code: int, by: Fraction, scale: Scale) -> Formula:
    """The real value of y[element] differs from that of a code by at most so much."""
    return within_reals(element, scale.real(code) - by, scale.real(code) + by, scale)


def same_side(element: int, code: int, least: int) -> Formula:
    """y[element] is at least `least`, or below it, as the code is."""
    return within(element, least, None) if code >= least else within(element, None, least - 1)


def at_most(coefficients: Mapping[int, Fraction], bound: Fraction) -> Relation:
    """Σ coefficient · y <= bound in codes, scaled to integers.  Raises BadQuery (too large)."""
    denominator = math.lcm(*(c.denominator for c in coefficients.values()))
    whole = {i: int(c * denominator) for i, c in coefficients.items()}
    limit = math.floor(bound * denominator)
    common = math.gcd(*whole.values()) or 1
    scaled = {i: c // common for i, c in whole.items()}
    found = relation(scaled, _reached(limit // common, sum(map(abs, scaled.values()))))
    if max([abs(found.bound), *(abs(c) for _, c in found.terms)]) > MAX_COEFFICIENT:
        raise BadQuery(
            f"a relation of the outputs needs integers beyond {MAX_COEFFICIENT} once its coefficients are "
            "scaled to integers: give coefficients with fewer digits"
        )
    return found


def _reached(limit: int, coefficients: int) -> int:
    """The limit, drawn to just beyond what a sum with coefficients of this size in all may be."""
    most = coefficients * MAX_OUTPUT
    return max(-most - 1, min(limit, most))


def in_codes(coefficients: Mapping[int, Fraction], bound: Fraction, scale: Scale) -> bool:
    """Does a relation of real values say the same of codes? Of rounded ones a comparison of two does."""
    two = sorted(c for c in coefficients.values() if c)
    return scale.linear or (not bound and len(two) == 2 and two[0] == -two[1])


def tolerance(real: Fraction, scale: Scale) -> int:
    """By how many codes outputs differ whose real values differ by at most so much.  Raises BadQuery: outputs
    that are rounded to floats.
    """
    if not scale.linear:
        raise BadQuery(f"tolerance_real: {ROUNDED}")
    return scale.radius(real)


def at_most_reals(coefficients: Mapping[int, Fraction], bound: Fraction, scale: Scale) -> Relation:
    """Σ coefficient · (real value of y) <= bound.  Raises BadQuery: outputs that are rounded to floats."""
    terms = {i: c for i, c in coefficients.items() if c}
    if in_codes(terms, bound, scale):
        return at_most(terms, bound / scale.scale + scale.zero_point * sum(terms.values()))
    if len(terms) > 1:
        raise BadQuery(ROUNDED)
    return limit(*terms.popitem(), bound, scale) if terms else relation({}, 0 if bound >= 0 else -1)


def limit(
    element: int, coefficient: Fraction, bound: Fraction, scale: Scale, strict: bool = False
) -> Relation:
    """coefficient · (real value of y[element]) <= bound, or below it: of one output, also a rounded one."""
    if coefficient > 0:
        return relation({element: 1}, _reached(scale.last(bound / coefficient, strict), 1))
    return relation({element: -1}, _reached(-scale.first(bound / coefficient, strict), 1))
