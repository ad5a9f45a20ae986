"""Integers as literals: one for each value but the least, "at least this value" (order encoding)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise


@dataclass(frozen=True, eq=False)
class Order:
    """One of `values`, which ascend; literals[k] is "at least values[k + 1]"."""

    values: tuple[int, ...]
    literals: tuple[int, ...]

    def at_least(self, value: int, true: int) -> int:
        """The literal of "at least this value"."""
        k = bisect_left(self.values, value)
        if k == 0:
            return true
        return self.literals[k - 1] if k < len(self.values) else -true

    def value(self, model: Set[int]) -> int:
        """Its value in a model."""
        return self.values[sum(literal in model for literal in self.literals)]

    def scaled(self, factor: int) -> tuple[int, Chain]:
        """factor (not 0) times the integer, as its least value and a chain."""
        gaps = [abs(factor) * (b - a) for a, b in pairwise(self.values)]
        if factor > 0:
            return factor * self.values[0], Chain(tuple(gaps), self.literals)
        return factor * self.values[-1], Chain(tuple(gaps[::-1]), tuple(-x for x in self.literals[::-1]))


@dataclass(frozen=True)
class Chain:
    """The sum of the gaps (> 0) whose literals are true; each literal implies the one before it."""

    gaps: tuple[int, ...]
    literals: tuple[int, ...]

    @cached_property
    def values(self) -> tuple[int, ...]:
        """What it may be, ascending from 0; literals[k] is "at least values[k + 1]"."""
        return (0, *accumulate(self.gaps))

    def divided(self, divisor: int) -> Chain:
        """The chain of the gaps divided by a common divisor."""
        return Chain(tuple(gap // divisor for gap in self.gaps), self.literals)
