"""What changes from one width of a network to the next? Verdicts by input and width, compared.

More bits need not mean more robust: `changes` lists every input that is robust at one width and broken (or
misclassified as it is) at a neighbouring one, `carried` how many counterexamples of a width still work at
another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from coverify.verify.query import I64Array


class Standing(Enum):
    """Of one input at one width: wrong before anything moves, robust, broken by a witness, or not decided."""

    WRONG = "wrong"
    ROBUST = "robust"
    BROKEN = "broken"
    OPEN = "open"

    @staticmethod
    def of(verdict: str) -> Standing:
        """What a verdict on a query says of its input; anything but HOLDS and VIOLATED leaves it open."""
        return {"HOLDS": Standing.ROBUST, "VIOLATED": Standing.BROKEN}.get(verdict, Standing.OPEN)


@dataclass(frozen=True)
class Change:
    """Input `index` is robust at one width, broken or wrong at a neighbouring one (numbers of widths)."""

    index: int
    robust: int
    broken: int

    @property
    def lost(self) -> bool:
        """Robust with fewer bits, broken with more: against what one would expect."""
        return self.robust < self.broken


@dataclass(frozen=True)
class Carried:
    """Of the counterexamples of width `first`, as many as are tried at width `second` (the base input is
    classified correctly there), and those that break it there too.
    """

    first: int
    second: int
    tried: int
    breaking: int
    failing: tuple[int, ...]
    """The inputs whose counterexample does not break `second`."""


def changes(standings: Sequence[Mapping[int, Standing]]) -> list[Change]:
    """Every robust input that is not at a neighbouring width; standings: one mapping per width, fewest bits
    first. What is open is no change.
    """
    found = []
    for first in range(len(standings) - 1):
        pair = first, first + 1
        for index in sorted(standings[first].keys() & standings[first + 1].keys()):
            for robust, broken in (pair, pair[::-1]):
                lost = standings[broken][index] in (Standing.BROKEN, Standing.WRONG)
                if standings[robust][index] is Standing.ROBUST and lost:
                    found.append(Change(index, robust, broken))
    return found


def carried(
    witnesses: Sequence[Mapping[int, I64Array]],
    standings: Sequence[Mapping[int, Standing]],
    keeps: Callable[[int, int, I64Array], bool],
) -> list[Carried]:
    """Every ordered pair of widths with a counterexample to try.

    witnesses: per width, input → counterexample; keeps(width, index, x): does x keep the label there?
    """
    found = []
    for first, by_input in enumerate(witnesses):
        for second, standing in enumerate(standings):
            tried = [i for i in by_input if standing.get(i, Standing.WRONG) is not Standing.WRONG]
            if first == second or not tried:
                continue
            failing = tuple(i for i in tried if keeps(second, i, by_input[i]))
            found.append(Carried(first, second, len(tried), len(tried) - len(failing), failing))
    return found
