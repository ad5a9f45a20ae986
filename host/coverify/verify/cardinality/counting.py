"""When does a sum of weighted literals reach a bound? Three encodings of literal <-> sum >= bound.

Native: MiniCARD's at-most constraints, weights by repeated literals (Kiss, Kovásznai). Totalizer: merged
orders, only of the bounds that are asked for (Bailleux, Boufkhad 2003; weighted: Joshi, Martins, Manquinho
2015). Adders: a network of full adders whose result is compared (Warners 1998; Eén, Sörensson 2006).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Final, Protocol

import numpy as np

from coverify.verify.cardinality.formula import Formula
from coverify.verify.cardinality.orders import Chain, Order
from coverify.verify.errors import CannotDecide

MAX_TOTAL: Final = 1 << 16
"""A totalizer counts no further than to this."""
FEW: Final = 256
"""A sum that may be greater is counted by adders, not by totalizers, which grow with its square."""


class Count(Protocol):
    """A sum whose bounds can be asked for; total: its greatest value, at least 1."""

    def at_least(self, bound: int) -> int:
        """A literal that is true exactly where the sum is at least bound, 1..total."""

    def require(self, bound: int) -> None:
        """Require that the sum is at least bound, 1..total."""


@dataclass(eq=False)
class Native:
    """At-most constraints on repeated literals."""

    formula: Formula
    chains: Sequence[Chain]

    @cached_property
    def _total(self) -> int:
        return _total(self.chains)

    def _repeated(self, sign: int) -> list[int]:
        self.formula.room_for(self._total)
        literals = []
        for chain in self.chains:
            for gap, literal in zip(chain.gaps, chain.literals, strict=True):
                literals += [sign * literal] * gap
        return literals

    def at_least(self, bound: int) -> int:
        reached, total = self.formula.new(), self._total
        self.formula.at_most(self._repeated(-1) + [reached] * bound, total)
        self.formula.at_most(self._repeated(1) + [-reached] * (total - bound + 1), total)
        return reached

    def require(self, bound: int) -> None:
        self.formula.at_most(self._repeated(-1), self._total - bound)


@dataclass(eq=False)
class Merged:
    """A node of a totalizer: the sum of two nodes, its literals made when they are asked for."""

    formula: Formula
    left: Node
    right: Node
    _literals: dict[int, int] = field(default_factory=dict)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """What the sum may be, ascending from 0."""
        left, right = np.array(self.left.values), np.array(self.right.values)
        if left[-1] + right[-1] > MAX_TOTAL:
            raise CannotDecide(
                f"a sum of up to {left[-1] + right[-1]}: totalizers count to {MAX_TOTAL} at most"
            )
        reached = np.zeros(int(left[-1] + right[-1]) + 1, bool)
        few, many = sorted((left, right), key=len)
        for value in few:
            reached[many + value] = True
        return tuple(np.flatnonzero(reached).tolist())

    def literal(self, bound: int) -> int:
        """The literal of "at least bound"."""
        k = bisect_left(self.values, bound)
        if k == 0:
            return self.formula.true
        if k == len(self.values):
            return -self.formula.true
        value = self.values[k]
        if value not in self._literals:
            self._literals[value] = self.formula.new()
            self._tie(value, self._literals[value])
        return self._literals[value]

    def _tie(self, bound: int, reached: int) -> None:
        above = [self.left.literal(a) for a in self.left.values] + [-self.formula.true]
        for k, a in enumerate(self.left.values):
            rest = self.right.literal(bound - a)
            self.formula.clause([-above[k], -rest, reached])  # left >= a, right >= bound - a
            self.formula.clause([above[k + 1], rest, -reached])  # left <= a, right < bound - a


@dataclass(eq=False)
class Leaf:
    """A chain as a node of a totalizer."""

    formula: Formula
    chain: Chain

    @property
    def values(self) -> tuple[int, ...]:
        """What the chain may be, ascending from 0."""
        return self.chain.values

    def literal(self, bound: int) -> int:
        """The literal of "at least bound"."""
        return Order(self.chain.values, self.chain.literals).at_least(bound, self.formula.true)


Node = Leaf | Merged


def merged(formula: Formula, chains: Sequence[Chain]) -> Node:
    """A balanced tree over the chains (one or more)."""
    if len(chains) == 1:
        return Leaf(formula, chains[0])
    half = len(chains) // 2
    return Merged(formula, merged(formula, chains[:half]), merged(formula, chains[half:]))


@dataclass(eq=False)
class Totalizer:
    """A tree of merged orders."""

    formula: Formula
    chains: Sequence[Chain]

    @cached_property
    def _root(self) -> Node:
        return merged(self.formula, self.chains)

    def at_least(self, bound: int) -> int:
        return self._root.literal(bound)

    def require(self, bound: int) -> None:
        self.formula.clause([self._root.literal(bound)])


@dataclass(eq=False)
class Adders:
    """Chains as binary numbers (shared in `numbers`), added column by column; the sum's digits compared."""

    formula: Formula
    chains: Sequence[Chain]
    numbers: dict[Chain, tuple[int, ...]]

    def at_least(self, bound: int) -> int:
        reached = self.formula.true
        for k, digit in enumerate(self._digits):
            reached = self._both(digit, reached) if bound >> k & 1 else -self._both(-digit, -reached)
        return reached

    def require(self, bound: int) -> None:
        self.formula.clause([self.at_least(bound)])

    @cached_property
    def _digits(self) -> list[int]:
        """The sum's binary digits, the least first."""
        n_bits = _total(self.chains).bit_length()
        columns: list[list[int]] = [[] for _ in range(n_bits + 1)]
        for chain in self.chains:
            for column, digit in zip(columns, self._number(chain), strict=False):
                column.append(digit)
        for column, after in pairwise(columns):
            column[:] = [literal for literal in column if literal != -self.formula.true]
            at = 0
            while len(column) - at > 1:  # first in, first out: shallow adders
                three = column[at : at + 3]
                at += len(three)
                column.append(self._odd(three))
                after.append(self._two_of(three))
            column[:] = column[at:]
        return [column[0] if column else -self.formula.true for column in columns[:n_bits]]

    def _number(self, chain: Chain) -> tuple[int, ...]:
        """The chain's value in binary."""
        if chain not in self.numbers:
            digits = []
            above = [self.formula.true, *chain.literals, -self.formula.true]
            for bit in range(chain.values[-1].bit_length()):
                digits.append(self.formula.new())
                for k, value in enumerate(chain.values):
                    sign = 1 if value >> bit & 1 else -1
                    self.formula.clause([-above[k], above[k + 1], sign * digits[-1]])
            self.numbers[chain] = tuple(digits)
        return self.numbers[chain]

    def _both(self, a: int, b: int) -> int:
        """a and b."""
        true = self.formula.true
        if -true in (a, b) or a == -b:
            return -true
        if true in (a, b) or a == b:
            return a if b == true else b
        both = self.formula.new()
        for clause in ([-a, -b, both], [a, -both], [b, -both]):
            self.formula.clause(clause)
        return both

    def _odd(self, literals: list[int]) -> int:
        """The exclusive or of two or three literals."""
        odd = self.formula.new()
        everything = [*literals, odd]
        for signs in range(1 << len(everything)):
            if signs.bit_count() % 2:  # an odd number of the four would be true
                self.formula.clause([-x if signs >> k & 1 else x for k, x in enumerate(everything)])
        return odd

    def _two_of(self, literals: list[int]) -> int:
        """At least two of two or three literals."""
        if len(literals) == 2:
            return self._both(*literals)
        two = self.formula.new()
        a, b, c = literals
        for x, y in ((a, b), (a, c), (b, c)):
            self.formula.clause([-x, -y, two])
            self.formula.clause([x, y, -two])
        return two


@dataclass(eq=False)
class Counting:
    """Counts sums in the way of a variant."""

    formula: Formula
    variant: str
    _numbers: dict[Chain, tuple[int, ...]] = field(default_factory=dict)

    def of(self, chains: Sequence[Chain]) -> Count:
        """The count of two chains or more: of two always by clauses, which are few."""
        if self.variant == "minicard" and len(chains) > 2:
            return Native(self.formula, chains)
        if len(chains) == 2 or (self.variant == "cadical" and _total(chains) <= FEW):
            return Totalizer(self.formula, chains)
        return Adders(self.formula, chains, self._numbers)


def _total(chains: Sequence[Chain]) -> int:
    return sum(chain.values[-1] for chain in chains)
