"""On which boxes of input codes would which outputs be a counterexample? A VNN-LIB file for one network.

X_i is the real value of input i and Y_j that of output j: scale · (code − zero point), exactly; or, by
choice, the codes themselves. An input's code belongs to a box when its own value satisfies the constraints;
where the network is given floats, when a float does that becomes this code (where there is none between the
limits, one of the two around them). A file that bounds inputs in several ways is several cases; constraints
of several inputs, or of inputs and outputs together, are refused.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np

from coverify.verify.property.claim import ROUNDED, at_most, in_codes, limit
from coverify.verify.property.errors import BadProperty
from coverify.verify.property.formula import AllOf, AnyOf, Formula, relation
from coverify.verify.property.quantity import Limit, Scale
from coverify.verify.property.subject import Subject
from coverify.verify.property.vnnlib import Atom, Said, Specification
from coverify.verify.property.words import span
from coverify.verify.query import I64Array

MAX_CASES = 1000
MAX_NAMED = 5

Limits = dict[int, tuple[Limit | None, Limit | None]]
"""Input → its least and greatest value."""
Codes = dict[int, tuple[int | None, int | None]]
"""Input → its least and greatest code."""


@dataclass(frozen=True, eq=False)
class Case:
    """A counterexample is an input with lo <= x <= hi, int64 [n], on whose outputs `unsafe` holds.

    notes: what is to be said of the box.
    """

    lo: I64Array
    hi: I64Array
    unsafe: Formula
    notes: tuple[str, ...] = ()


def cases_of(said: Specification, subject: Subject, path: Path, codes: bool) -> list[Case]:
    """The cases of a file that hold an input of the network; codes: X and Y are codes, not real values.

    Raises BadProperty.
    """
    sizes = subject.program.n_input, subject.n_output
    if (said.n_x, said.n_y) != sizes:
        raise BadProperty(
            path,
            None,
            f"it declares {said.n_x} inputs and {said.n_y} outputs, "
            f"the network has {sizes[0]} and {sizes[1]}",
        )
    reading = _Reading.of(subject, path, codes)
    asked = reading.all_of(said.asserted)
    found = [reading.case(limits, formula, subject) for limits, formula in asked]
    cases = [case for case in found if case is not None]
    empty = [limits for (limits, _), case in zip(asked, found, strict=True) if case is None]
    if cases and empty:
        why = f"{len(empty)} of {len(asked)} boxes hold no input of the network and are not asked about"
        note = f"{why} (the first: {reading.emptiness(empty[0], subject)})"
        cases[0] = replace(cases[0], notes=(note, *cases[0].notes))
    return cases


def emptiness(said: Specification, subject: Subject, path: Path, codes: bool) -> str:
    """Of a file without cases, what is asked of the first input that has no such code."""
    reading = _Reading.of(subject, path, codes)
    return reading.emptiness(reading.all_of(said.asserted)[0][0], subject)


@dataclass(frozen=True, eq=False)
class _Reading:
    path: Path
    input: Scale
    output: Scale

    @staticmethod
    def of(subject: Subject, path: Path, codes: bool) -> _Reading:
        own = [Scale(Fraction(1), -above) for above in subject.raised]  # of values that are codes themselves
        return _Reading(path, *(own if codes else [subject.input_scale(), subject.output_scale()]))

    def parts(self, said: Said) -> list[tuple[Limits, Formula]]:
        """Alternatives, each limits of inputs and a formula of outputs."""
        if isinstance(said, Atom):
            return [self._atom(said)]
        return self.all_of(said.parts) if said.every else self._any_of(said.parts)

    def all_of(self, parts: Sequence[Said]) -> list[tuple[Limits, Formula]]:
        found: list[tuple[Limits, list[Formula]]] = [({}, [])]
        for part in parts:
            alternatives = self.parts(part)
            if len(found) * len(alternatives) > MAX_CASES:
                raise BadProperty(self.path, None, f"it has more than {MAX_CASES} cases of inputs")
            if len(alternatives) == 1:  # the usual one: in place
                ((limits, formula),) = alternatives
                for known, formulas in found:
                    _meet(known, limits)
                    formulas.append(formula)
            else:
                found = [
                    (_meet(dict(known), limits), [*formulas, formula])
                    for known, formulas in found
                    for limits, formula in alternatives
                ]
        return [(limits, AllOf(tuple(f for f in formulas if f != AllOf(())))) for limits, formulas in found]

    def _any_of(self, parts: Sequence[Said]) -> list[tuple[Limits, Formula]]:
        found = [alternative for part in parts for alternative in self.parts(part)]
        without = [formula for limits, formula in found if not limits]
        rest = [(limits, formula) for limits, formula in found if limits]
        return [*rest, ({}, AnyOf(tuple(without)))] if without or not rest else rest

    def _atom(self, atom: Atom) -> tuple[Limits, Formula]:
        kinds = {kind for (kind, _), _ in atom.terms}
        if kinds == {"X"} and len(atom.terms) == 1:
            return self._limit(atom), AllOf(())
        if "X" in kinds:
            what = "inputs and outputs" if "Y" in kinds else "several inputs"
            raise BadProperty(self.path, atom.line, f"a constraint of {what} together is not supported")
        return {}, self._relation(atom)

    def _limit(self, atom: Atom) -> Limits:
        """c · X <= bound as a limit of X."""
        (((_, i), c),) = atom.terms
        limit = atom.bound / c, atom.strict
        return {i: (None, limit) if c > 0 else (limit, None)}

    def _relation(self, atom: Atom) -> Formula:
        """Σ c · Y <= bound in codes."""
        terms = {j: c for (_, j), c in atom.terms}
        if terms and not in_codes(terms, atom.bound, self.output):
            if len(terms) > 1:
                raise BadProperty(self.path, atom.line, ROUNDED)
            return limit(*terms.popitem(), atom.bound, self.output, atom.strict)
        bound = atom.bound / self.output.scale + self.output.zero_point * sum(terms.values(), Fraction(0))
        if not terms:
            return relation({}, 0 if (bound > 0 if atom.strict else bound >= 0) else -1)
        if not atom.strict:
            return at_most(terms, bound)
        whole = math.lcm(*(c.denominator for c in terms.values()))
        return at_most({j: c * whole for j, c in terms.items()}, Fraction(math.ceil(bound * whole) - 1))

    def case(self, limits: Limits, unsafe: Formula, subject: Subject) -> Case | None:
        """None where the box holds no input of the network."""
        n, ends = subject.program.n_input, (subject.program.input_lo, subject.program.input_hi)
        lo, hi = (np.full(n, end, np.int64) for end in ends)
        if any(map(_nothing, limits.values())):  # floats of either side may become one code
            return None
        codes = {i: _codes(self.input, *both) for i, both in limits.items()}
        for i, (first, last) in codes.items():
            if first is not None:
                lo[i] = min(max(first, int(lo[i])), int(hi[i]) + 1)
            if last is not None:
                hi[i] = max(min(last, int(hi[i])), int(lo[i]) - 1)
        return Case(lo, hi, unsafe, self._notes(codes, subject)) if np.all(lo <= hi) else None

    def emptiness(self, limits: Limits, subject: Subject) -> str:
        """Of limits without codes those of the first input that has none."""
        for i, both in sorted(limits.items()):
            if self.case({i: both}, AllOf(()), subject) is None:
                return self.limits_of(i, both, subject)
        raise AssertionError("a box without codes has an input without them")

    def limits_of(self, i: int, both: tuple[Limit | None, Limit | None], subject: Subject) -> str:
        """`X_0 >= 0.3 and X_0 <= 0.1`; where numbers are between the limits, what the input represents."""
        said = " and ".join(
            f"X_{i} {sign}{'' if limit[1] else '='} {_decimal(limit[0])}"
            for sign, limit in zip("><", both, strict=True)
            if limit is not None
        )
        if _nothing(both):
            return said
        least, most = (
            _decimal(self.input.real(end)) for end in (subject.program.input_lo, subject.program.input_hi)
        )
        return f"{said}, and its codes stand for {least} to {most}"

    def _notes(self, limits: Codes, subject: Subject) -> tuple[str, ...]:
        """Which inputs' boxes end where the network's range does, and not where the file says."""
        n, ends = subject.program.n_input, (subject.program.input_lo, subject.program.input_hi)
        said = [limits.get(i, (None, None)) for i in range(n)]
        whole = span(ends, self.input, subject.raised[0])
        there = f"what is asked about ends where the input does, at {whole}"
        unbounded = [i for i, both in enumerate(said) if None in both]
        wider = [
            i
            for i, (lo, hi) in enumerate(said)
            if (lo is not None and lo < ends[0]) or (hi is not None and hi > ends[1])
        ]
        kinds = ((unbounded, "not bounded from both sides"), (wider, "bounded beyond the input's range"))
        return tuple(f"{_named(which)} {kind}: {there}" for which, kind in kinds if which)


def _decimal(number: Fraction) -> str:
    """Ten digits of it."""
    ratio = Context(prec=10).divide(Decimal(number.numerator), Decimal(number.denominator))
    return f"{ratio.normalize():f}" if abs(ratio.adjusted()) < 10 else str(ratio.normalize())


def _named(inputs: list[int]) -> str:
    """`X_0, X_1 are`."""
    names = ", ".join(f"X_{i}" for i in inputs[:MAX_NAMED])
    more = f" and {len(inputs) - MAX_NAMED} more" if len(inputs) > MAX_NAMED else ""
    return f"{names}{more} {'is' if len(inputs) == 1 else 'are'}"


@functools.lru_cache(1 << 14)
def _codes(scale: Scale, least: Limit | None, most: Limit | None) -> tuple[int | None, int | None]:
    """Cases share most of their limits."""
    return scale.within(least, most)


def _nothing(limits: tuple[Limit | None, Limit | None]) -> bool:
    """Is there no real number within?"""
    least, most = limits
    if least is None or most is None:
        return False
    return least[0] > most[0] or (least[0] == most[0] and (least[1] or most[1]))


def _meet(known: Limits, more: Limits) -> Limits:
    """`known`, changed: where both limits hold. Of equal values the one counts that is not reached."""
    for i, (lo, hi) in more.items():
        a, b = known.get(i, (None, None))
        known[i] = (
            a if lo is None else lo if a is None else max(a, lo),
            b if hi is None else hi if b is None else min(b, hi, key=lambda end: (end[0], not end[1])),
        )
    return known
