"""What does a claim of a property file mean of one input? A formula of the network's output codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coverify.verify.errors import BadQuery
from coverify.verify.property import claim
from coverify.verify.property.document import (
    AnyClaim,
    Decision,
    Joined,
    Linear,
    Monotone,
    Output,
    Stays,
    Targeted,
    Top,
    fraction,
)
from coverify.verify.property.formula import AllOf, AnyOf, Formula
from coverify.verify.property.subject import Subject
from coverify.verify.query import I64Array, IntArray
from tflm_int8.program.concrete import run


def formula_of(said: AnyClaim | Formula, label: int, subject: Subject, base: IntArray | None) -> Formula:
    """The formula of a claim about an input, int [n], with this label.  Raises BadQuery."""
    match said:
        case Stays():
            if subject.n_output < 2:
                raise BadQuery(
                    "the network has a single output, and so no class: kind = 'decision' and kind = 'output' "
                    "are about it"
                )
            return claim.stays(label)
        case Targeted(classes=classes):
            check_outputs(classes, subject.n_output, "classes")
            return claim.never(list(classes))
        case Top(k=k):
            if k >= subject.n_output:
                raise BadQuery(f"k = {k}: any label is among the {k} greatest of {subject.n_output} outputs")
            return claim.among_top(label, k, subject.n_output)
        case Output(index=i, codes=(lo, hi)):
            check_outputs([i], subject.n_output, "index")
            return claim.within(i, lo - subject.raised[1], hi - subject.raised[1])
        case Output(index=i, real=(low, high)):
            check_outputs([i], subject.n_output, "index")
            return claim.within_reals(i, fraction(low), fraction(high), subject.output_scale())
        case Output(index=i, within=int(codes)):
            code = int(_own(subject, base, [i])[i])
            return claim.within(i, code - codes, code + codes)
        case Output(index=i, within_real=reals) if reals is not None:
            code = int(_own(subject, base, [i])[i])
            return claim.near(i, code, fraction(reals), subject.output_scale())
        case Decision(index=index):
            every = range(subject.n_output) if index is None else (index,)
            least, own = threshold(said, subject), _own(subject, base, every)
            return AllOf(tuple(claim.same_side(i, int(own[i]), least) for i in every))
        case Linear():
            check_outputs(said.outputs, subject.n_output, "outputs")
            terms = {i: fraction(c) for i, c in zip(said.outputs, said.coefficients, strict=True)}
            if said.units == "codes":
                return claim.at_most(terms, fraction(said.at_most) - subject.raised[1] * sum(terms.values()))
            return claim.at_most_reals(terms, fraction(said.at_most), subject.output_scale())
        case Joined(kind=kind, claims=claims):
            parts = tuple(formula_of(part, label, subject, base) for part in claims)
            return AllOf(parts) if kind == "all" else AnyOf(parts)
        case Output() | Monotone():
            raise AssertionError  # an output has codes or reals; a monotone claim is no formula of one run
        case _:
            return said


def threshold(said: Decision, subject: Subject) -> int:
    """The least code on the upper side."""
    if said.threshold_code is not None:
        return said.threshold_code - subject.raised[1]
    assert said.threshold is not None
    return subject.output_scale().first(fraction(said.threshold))


def tolerance_of(said: Monotone, subject: Subject) -> int:
    """By how many codes the output may go the other way.  Raises BadQuery."""
    if said.tolerance_real is None:
        return said.tolerance or 0
    return claim.tolerance(fraction(said.tolerance_real), subject.output_scale())


def _own(subject: Subject, base: IntArray | None, index: Sequence[int]) -> I64Array:
    """The codes of all outputs of the input itself; index: those that are named.  Raises BadQuery."""
    check_outputs(index, subject.n_output, "index")
    if base is None:
        raise BadQuery("the claim compares outputs with those of a given input: inputs are needed")
    x = np.asarray(base, np.int64).reshape(1, -1)
    return run(subject.program, x)[subject.program.output].reshape(-1)


def check_outputs(outputs: Sequence[int], n: int, key: str) -> None:
    """BadQuery where one of them is no output of the network's n."""
    if (beyond := max(outputs)) >= n:
        raise BadQuery(f"{key}: output {beyond} is not an output of the network (0..{n - 1})")


def needs_label(said: AnyClaim | Formula) -> bool:
    """Does it speak of the input's label?"""
    if isinstance(said, Joined):
        return any(map(needs_label, said.claims))
    return isinstance(said, Stays | Top)


def needs_own(said: AnyClaim | Formula) -> bool:
    """Does it compare outputs with those of the input itself?"""
    match said:
        case Joined(claims=claims):
            return any(map(needs_own, claims))
        case Output():
            return said.within is not None or said.within_real is not None
        case _:
            return isinstance(said, Decision)
