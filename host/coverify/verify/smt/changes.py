"""At most so many features differ from the base input: a sum of bits."""

from __future__ import annotations

from collections.abc import Mapping

from coverify.verify.bounds import Box
from coverify.verify.few_changes import changes_left
from coverify.verify.query import Robustness
from coverify.verify.smt import expressions as ex
from coverify.verify.smt.bitvectors import Term, at_least, total
from coverify.verify.smt.expressions import Condition, chosen, compared, negated


def few_changed(places: Mapping[int, Term], part: Box, query: Robustness) -> Condition:
    """Of the inputs, whose heights above the part's least values are `places`, few differ from the base.

    An input that is no place is at its base value, or at the end of the part nearest to it.
    """
    budget = changes_left(query, part)
    if budget is None:
        return True
    moved = [
        _moved(place, int(budget.base[i] - part.lo[i]))
        for i, place in places.items()
        if budget.base_inside[i]
    ]
    return negated(at_least(total(moved), budget.left + 1))


def _moved(place: Term, at: int) -> Term:
    """1 where the place is not `at`, else 0."""
    assert place.bits is not None
    stays = compared("=", place.bits, ex.value(at, place.bits.width))
    return Term(chosen(stays, ex.value(0, 1), ex.value(1, 1)), 0, 1)
