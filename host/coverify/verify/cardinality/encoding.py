"""The program's stairs as bounds of sums: [y >= v] <-> sum >= edge of v, with the integers' literals.

Inputs have one literal for each value of their box but the least; a staircase's literals are those of its
sum's bounds, so that stairs need no variables of their own; stairs of width one are the sum itself.
Tables and maxima are tied to the literals of what they read. See unrolled.py for how it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import gcd
from typing import Final

import numpy as np

from coverify.verify.cardinality.counting import Count, Counting
from coverify.verify.cardinality.formula import Formula
from coverify.verify.cardinality.orders import Chain, Order
from coverify.verify.errors import CannotDecide
from coverify.verify.linear.pieces import Pieces, affine_part
from coverify.verify.linear.unrolled import Linear

MAX_VALUES: Final = 1 << 12
"""An integer that is written in literals has no more values."""


@dataclass(eq=False)
class Sum:
    """form = least + divisor * (the sum of the chains); count: None for less than two chains."""

    form: Linear
    least: int
    divisor: int
    chains: Sequence[Chain]
    count: Count | None
    literals: dict[int, int] = field(default_factory=dict)

    @property
    def greatest(self) -> int:
        """The form's upper bound."""
        return self.least + self.divisor * sum(chain.values[-1] for chain in self.chains)


@dataclass(eq=False)
class Bounded:
    """The `Rows` of unrolled.py: numbered integers and sums, their bounds being literals of `formula`."""

    formula: Formula
    counting: Counting
    numbers: list[Order | Sum] = field(default_factory=list)
    _sums: dict[tuple[tuple[int, int], ...], Sum] = field(default_factory=dict)

    def integer(self, lo: int, hi: int) -> int:
        return self._ordered(range(lo, hi + 1))

    def _ordered(self, values: Sequence[int]) -> int:
        """A new integer with these values, which ascend."""
        if len(values) > MAX_VALUES:
            raise CannotDecide(
                f"an integer of {len(values)} values: at most {MAX_VALUES} are written in literals"
            )
        return self._tied(values, [self.formula.new() for _ in values[1:]])

    def _tied(self, values: Sequence[int], literals: Sequence[int]) -> int:
        """The integer with these values and literals, each of which is made to imply the one before it."""
        for less, more in pairwise(literals):
            self.formula.clause([less, -more])
        self.numbers.append(Order(tuple(values), tuple(literals)))
        return len(self.numbers) - 1

    def equal(self, form: Linear, lo: int, hi: int) -> int:
        self.require(form, lo)
        self.require(Linear({}).plus(form, -1), -hi)
        self.numbers.append(self._sum(form))
        return len(self.numbers) - 1

    def require(self, form: Linear, bound: int) -> None:
        """form >= bound."""
        total = self._sum(form)
        if bound <= total.least:
            return
        if total.count is None or bound > total.greatest:
            self.formula.clause([self._reached(total, bound)])
        else:
            total.count.require(-((total.least - bound) // total.divisor))

    def reached(self, form: Linear, bound: int) -> int:
        """The literal of form >= bound."""
        return self._reached(self._sum(form), bound)

    def at_least(self, number: int, bound: int) -> int:
        """The literal of "the number is at least bound"."""
        it = self.numbers[number]
        return it.at_least(bound, self.formula.true) if isinstance(it, Order) else self._reached(it, bound)

    def _reached(self, total: Sum, bound: int) -> int:
        if bound <= total.least:
            return self.formula.true
        if bound > total.greatest:
            return -self.formula.true
        steps = -((total.least - bound) // total.divisor)
        if steps not in total.literals:
            if total.count is None:
                only = Order(total.chains[0].values, total.chains[0].literals)
                total.literals[steps] = only.at_least(steps, self.formula.true)
            else:
                total.literals[steps] = total.count.at_least(steps)
        return total.literals[steps]

    def _sum(self, form: Linear) -> Sum:
        flat = self._flat(form)
        key = (*sorted(flat.terms.items()), (-1, flat.constant))
        if key not in self._sums:
            least, chains = flat.constant, []
            for number, factor in flat.terms.items():
                integer = self.numbers[number]
                assert isinstance(integer, Order)
                part, chain = integer.scaled(factor)
                least += part
                chains.append(chain)
            divisor = gcd(*(gap for chain in chains for gap in chain.gaps)) or 1
            chains = [chain.divided(divisor) for chain in chains]
            count = self.counting.of(chains) if len(chains) > 1 else None
            self._sums[key] = Sum(flat, least, divisor, chains, count)
        return self._sums[key]

    def _flat(self, form: Linear) -> Linear:
        """The form over integers alone, sums being written out."""
        flat = Linear({}, form.constant)
        for number, factor in form.terms.items():
            it = self.numbers[number]
            flat = flat.plus(it.form if isinstance(it, Sum) else Linear({number: 1}), factor)
        return flat

    def piecewise(self, argument: int, pieces: Pieces) -> int:
        line = affine_part(pieces)
        if line is not None and line[0].denominator == line[1].denominator == 1:
            self.numbers.append(self._sum(Linear({}, int(line[1])).plus(Linear({argument: 1}), int(line[0]))))
            return len(self.numbers) - 1
        starts = [self.at_least(argument, int(first)) for first in pieces.first[1:]]
        values = pieces.value.tolist()
        rise = np.diff(pieces.value)
        if np.all(rise > 0):
            return self._tied(values, starts)
        if np.all(rise < 0):
            return self._tied(values[::-1], [-literal for literal in starts[::-1]])
        return self._any_function(values, [self.formula.true, *starts, -self.formula.true])

    def _any_function(self, values: list[int], starts: list[int]) -> int:
        """values[k] where starts[k] is true and starts[k + 1] is not."""
        number = self._ordered(sorted(set(values)))
        for k, value in enumerate(values):
            elsewhere = [-starts[k], starts[k + 1]]
            self.formula.clause([*elsewhere, self.at_least(number, value)])
            self.formula.clause([*elsewhere, -self.at_least(number, value + 1)])
        return number

    def maximum(self, arguments: list[int], boxes: list[tuple[int, int]]) -> int:
        lo, hi = max(lo for lo, _ in boxes), max(hi for _, hi in boxes)
        values = [lo, *(v for v in self._values(arguments, lo, hi) if lo < v <= hi)]
        number = self._ordered(values)
        for value in values[1:]:
            reached = self.at_least(number, value)
            some = [self.at_least(a, value) for a in arguments]
            self.formula.clause([-reached, *some])
            for literal in some:
                self.formula.clause([reached, -literal])
        return number

    def product(self, arguments: tuple[int, int], boxes: tuple[tuple[int, int], tuple[int, int]]) -> int:
        raise CannotDecide("a product of two elements has no cardinality encoding")

    def _values(self, arguments: list[int], lo: int, hi: int) -> Sequence[int]:
        """What the arguments may be within lo..hi, and perhaps more; ascending."""
        integers = [self.numbers[a] for a in arguments]
        if all(isinstance(it, Order) for it in integers):
            return sorted({v for it in integers if isinstance(it, Order) for v in it.values})
        if hi - lo >= MAX_VALUES:
            raise CannotDecide(
                f"a maximum of {hi - lo + 1} values: at most {MAX_VALUES} are written in literals"
            )
        return range(lo, hi + 1)

    def values_of(self, numbers: Sequence[int], model: frozenset[int]) -> Mapping[int, int]:
        """Number → value of these integers in a model."""
        found = {}
        for number in numbers:
            integer = self.numbers[number]
            assert isinstance(integer, Order)
            found[number] = integer.value(model)
        return found
