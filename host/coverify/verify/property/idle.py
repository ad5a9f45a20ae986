"""Which claims can no output break, whatever the network computes? They hold, and the result says so.

An output has so many codes; a limit beyond what these represent (a threshold of 50 for an output of 0..0.996)
asks nothing, which is rarely what was meant. Of outputs of several codes each is taken to have all of them.
"""

from __future__ import annotations

import numpy as np

from coverify.verify.property.document import AnyClaim, Decision, Joined, Linear, Monotone, Output, fraction
from coverify.verify.property.formula import (
    AllOf,
    AnyOf,
    ClassIs,
    FewFalse,
    Formula,
    Relation,
    elements,
    holds,
    names_a_class,
)
from coverify.verify.property.meaning import formula_of, needs_label, needs_own, threshold, tolerance_of
from coverify.verify.property.region import Region
from coverify.verify.property.subject import Subject
from coverify.verify.property.words import claim_words, span

MAX_OUTPUTS = 5
"""So many outputs of a relation are named."""


def idle_notes(said: AnyClaim | Formula, subject: Subject) -> list[str]:
    """What is to be said of a claim, and of every claim that it joins, that no output can break.

    Raises BadQuery: it does not fit the network.
    """
    if isinstance(said, Joined):
        found = [note for part in said.claims for note in _notes(part, subject, f"({claim_words(part)})")]
        if said.kind == "any" and _idle(said, subject):
            found.append(f"whatever the outputs are, one of these holds: {claim_words(said)}")
        return found
    return _notes(said, subject, "this claim")


def still_notes(said: AnyClaim | Formula, region: Region) -> list[str]:
    """What is to be said of claims about raising a feature that cannot be raised in the region."""
    if isinstance(said, Joined):
        return [note for part in said.claims for note in still_notes(part, region)]
    if not isinstance(said, Monotone) or not region.holds_still(said.feature):
        return []
    return [
        f"feature {said.feature} has one value in the region: that raising it changes nothing is no finding"
    ]


def _notes(said: AnyClaim | Formula, subject: Subject, which: str) -> list[str]:
    """The same; which: how the claim is called."""
    if isinstance(said, Joined):
        return idle_notes(said, subject)
    if not _idle(said, subject):
        return []
    represented = span(subject.codes, subject.output, subject.raised[1])
    match said:
        case Decision():
            return [_of_threshold(said, subject, represented)]
        case Output(index=i) | Monotone(output=i):
            outputs = f"output {i}"
        case Linear(outputs=(only,)):
            outputs = f"output {only}"
        case Linear(outputs=several):
            more = ", …" if len(several) > MAX_OUTPUTS else ""
            outputs = f"outputs {', '.join(map(str, several[:MAX_OUTPUTS]))}{more}"
        case _:
            outputs = "the outputs"
    return [f"every value that {outputs} can represent, {represented}, satisfies {which}"]


def _of_threshold(said: Decision, subject: Subject, represented: str) -> str:
    named = f"{said.threshold}" if said.threshold is not None else f"code {said.threshold_code}"
    output = "each output" if said.index is None else f"output {said.index}"
    if said.threshold is not None:
        least = fraction(said.threshold) == subject.output_scale().real(subject.codes[0])
    else:
        least = threshold(said, subject) == subject.codes[0]
    lies = "is the least value of" if least else "lies outside"
    return f"the threshold {named} {lies} what {output} represents, {represented}: it can decide nothing"


def _idle(said: AnyClaim | Formula, subject: Subject) -> bool:
    """Can no output break it?"""
    lo, hi = subject.codes
    match said:
        case Joined(kind="all", claims=claims):
            return all(_idle(part, subject) for part in claims)
        case Joined(claims=claims):
            if any(_idle(part, subject) for part in claims):
                return True
            return not (needs_label(said) or needs_own(said)) and _always(
                formula_of(said, 0, subject, None), lo, hi
            )
        case Decision():
            return not lo < threshold(said, subject) <= hi
        case Output(within=int(codes)):
            return codes >= hi - lo
        case Output(within_real=reals) if reals is not None:
            scale = subject.output_scale()
            return fraction(reals) >= scale.real(hi) - scale.real(lo)
        case Monotone():
            return tolerance_of(said, subject) >= hi - lo
        case Output() | Linear():
            return _always(formula_of(said, 0, subject, None), lo, hi)
        case Relation() | ClassIs() | AllOf() | AnyOf() | FewFalse():
            return _always(said, lo, hi)
        case _:
            return False


def _always(formula: Formula, lo: int, hi: int) -> bool:
    """Does it hold of all outputs of these codes? True only where it does; alternatives about several outputs
    are looked at one by one.
    """
    match formula:
        case Relation(terms, bound):
            return sum(c * (hi if c > 0 else lo) for _, c in terms) <= bound
        case AllOf(parts):
            return all(_always(part, lo, hi) for part in parts)
        case AnyOf(parts):
            return any(_always(part, lo, hi) for part in parts) or _at_every_code(formula, lo, hi)
        case FewFalse(limit, parts):
            return sum(not _always(part, lo, hi) for part in parts) <= limit
        case ClassIs():
            return False


def _at_every_code(formula: Formula, lo: int, hi: int) -> bool:
    """Does a formula of a single output hold of each of its codes?"""
    named = elements(formula)
    if len(named) != 1 or names_a_class(formula):
        return False
    codes = np.arange(lo, hi + 1)[:, None]
    return bool(holds(formula, np.broadcast_to(codes, (len(codes), max(named) + 1))).all())
