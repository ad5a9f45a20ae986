"""The program as signed bit-vector arithmetic, as the literature encodes it: to compare with the stairs.

`literal` is the arithmetic as the kernels write it: 32 bits for everything (64 for the products of a
requantization), sums as chains. `balanced` is that of Henzinger, Lechner and Žikelić (AAAI 2021): every value
at the least width that interval bounds allow, sums as balanced trees, each product of an element and a weight
built once. Both compute the rounding of a requantization by multiplication and shift, where the encoding by
stairs (encoding.py) compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from coverify.verify.bounds import Box
from coverify.verify.deadline import Deadline
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array
from coverify.verify.smt import expressions as ex
from coverify.verify.smt.bitvectors import Term, constant, variable
from coverify.verify.smt.expressions import Condition, Expression, binary, chosen, compared
from coverify.verify.smt.rounding import rounded
from tflm_int8.program.primitives import Affine, Max, Product, Program, Select, Staircase, Step, Table

WORD = 32


@dataclass(frozen=True, eq=False)
class Signed:
    """A two's complement value, known to lie in lo..hi, which fits its width."""

    bits: Expression
    lo: int
    hi: int


def width_of(lo: int, hi: int) -> int:
    """The least width of two's complement that holds lo..hi."""
    return 1 + max((-lo - 1).bit_length() if lo < 0 else lo.bit_length(), hi.bit_length() if hi >= 0 else 0)


@dataclass(eq=False)
class SignedEncoding:
    """Terms for the wires of a program, from signed arithmetic; `boxes`: the natural bounds of all wires."""

    program: Program
    boxes: list[Box]
    deadline: Deadline
    balanced: bool
    constraints: list[Condition] = field(default_factory=list)
    places: dict[int, Term] = field(default_factory=dict)
    _values: dict[tuple[int, int], Signed] = field(default_factory=dict)
    _products: dict[tuple[int, int, int, int], Signed] = field(default_factory=dict)

    def term(self, wire: int, i: int) -> Term:
        """Element i of a wire as a term.  Raises CannotDecide, OutOfTime."""
        lo, hi = int(self.boxes[wire].lo[i]), int(self.boxes[wire].hi[i])
        if lo == hi:
            return constant(lo)
        value = self.value(wire, i)
        moved = binary("bvsub", value.bits, ex.value(lo, value.bits.width))
        width = (hi - lo).bit_length()
        wide = ex.sign_extended(moved, max(width, moved.width))
        return Term(ex.low_bits(wide, width), lo, hi)

    def input_of(self, values: Mapping[str, int], base: I64Array) -> I64Array:
        """The input of a model (variable → value), int64 [n]; other features as in `base` if they can be."""
        x = np.clip(base, self.boxes[0].lo, self.boxes[0].hi)
        for i in self.places:
            x[i] = self.boxes[0].lo[i] + values[f"x{i}"]
        return x

    def value(self, wire: int, i: int) -> Signed:
        """Element i of a wire, built once."""
        key = (wire, i)
        if key not in self._values:
            self.deadline.check()
            self._values[key] = self._element(self.program.steps[wire - 1], i) if wire else self._input(i)
        return self._values[key]

    def _width(self, lo: int, hi: int) -> int:
        return width_of(lo, hi) if self.balanced else WORD

    def _number(self, number: int) -> Signed:
        return Signed(ex.value(number, self._width(number, number)), number, number)

    def _input(self, i: int) -> Signed:
        lo, hi = int(self.boxes[0].lo[i]), int(self.boxes[0].hi[i])
        if lo == hi:
            return self._number(lo)
        self.places[i], constraints = variable(f"x{i}", hi - lo)
        self.constraints += constraints
        width = max(self._width(lo, hi), 1 + (hi - lo).bit_length())
        bits = self.places[i].bits
        assert bits is not None
        raised = binary("bvadd", ex.zero_extended(bits, width), ex.value(lo, width))
        return self._resized(Signed(raised, lo, hi), lo, hi)

    def _resized(self, a: Signed, lo: int, hi: int) -> Signed:
        """The value, which lies in lo..hi, at the width for that."""
        width = self._width(lo, hi)
        longer = ex.sign_extended(a.bits, max(width, a.bits.width))
        return Signed(ex.low_bits(longer, width), lo, hi)

    def _element(self, step: Step, i: int) -> Signed:
        match step:
            case Affine():
                return self._affine(step, i)
            case Staircase():
                acc = self.value(step.source, i)
                bits = rounded(step.rule, int(step.channel[i]), acc.bits)
                lo, hi = (
                    int(v) for v in step.rule.apply(np.array([acc.lo, acc.hi]), step.channel[i : i + 1])
                )
                return self._resized(Signed(bits, lo, hi), lo, hi)
            case Table():
                return self._table(step, self.value(step.source, i))
            case Max():
                return self._maximum(step, i)
            case Select():
                return self.value(step.source, int(step.index[i]))
            case Product():
                left = self._sum(self.value(step.left, i), self._number(-step.left_offset))
                return self._times(
                    left, self._sum(self.value(step.right, i), self._number(-step.right_offset))
                )
            case _:
                raise CannotDecide(f"a step ({type(step).__name__}) has no bit-vector meaning")

    def _affine(self, step: Affine, i: int) -> Signed:
        parts: list[Signed] = []
        for term in step.terms:
            columns, weights = term.map.row(i)
            for c, w in zip(columns.tolist(), weights.tolist(), strict=True):
                parts.append(self._product(term.source, c, term.offset, w))
        parts.append(self._number(int(step.bias[i])))
        if not self.balanced:
            total = parts.pop()
            for part in parts:
                total = self._sum(total, part)
            return total
        while len(parts) > 1:
            pairs = [self._sum(*parts[k : k + 2]) for k in range(0, len(parts) - 1, 2)]
            parts = pairs + parts[2 * len(pairs) :]
        return parts[0]

    def _product(self, wire: int, i: int, offset: int, weight: int) -> Signed:
        key = (wire, i, offset, weight)
        if not self.balanced or key not in self._products:
            x = self.value(wire, i)
            moved = self._sum(x, self._number(-offset)) if offset else x
            ends = sorted((moved.lo * weight, moved.hi * weight))
            width = self._width(min(*ends, moved.lo, weight), max(*ends, moved.hi, weight))
            bits = binary("bvmul", ex.sign_extended(moved.bits, width), ex.value(weight, width))
            self._products[key] = self._resized(Signed(bits, *ends), *ends)
        return self._products[key]

    def _times(self, a: Signed, b: Signed) -> Signed:
        ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        lo, hi = min(ends), max(ends)
        width = max(self._width(lo, hi), a.bits.width, b.bits.width)
        bits = binary("bvmul", ex.sign_extended(a.bits, width), ex.sign_extended(b.bits, width))
        return self._resized(Signed(bits, lo, hi), lo, hi)

    def _sum(self, a: Signed, b: Signed) -> Signed:
        lo, hi = a.lo + b.lo, a.hi + b.hi
        width = max(self._width(lo, hi), a.bits.width, b.bits.width)
        bits = binary("bvadd", ex.sign_extended(a.bits, width), ex.sign_extended(b.bits, width))
        return self._resized(Signed(bits, lo, hi), lo, hi)

    def _table(self, step: Table, x: Signed) -> Signed:
        first, last = (max(x.lo, -128), min(x.hi, 127)) if self.balanced else (-128, 127)
        values = step.values[first + 128 : last + 129].tolist()
        lo, hi = min(values), max(values)
        width = self._width(lo, hi)
        bits = ex.value(values[-1], width)
        for number, said in zip(range(last - 1, first - 1, -1), values[-2::-1], strict=True):
            here = compared("=", x.bits, ex.value(number, x.bits.width))
            bits = chosen(here, ex.value(said, width), bits)
        return Signed(bits, lo, hi)

    def _maximum(self, step: Max, i: int) -> Signed:
        elements = [self.value(step.source, int(k)) for k in np.unique(step.windows[i])]
        best = elements[0]
        for other in elements[1:]:
            best = self._greater(best, other)
        best = self._greater(best, self._number(step.lo))
        if best.hi <= step.hi:
            return best
        lo, width = min(best.lo, step.hi), best.bits.width
        top = ex.value(step.hi, width)
        bits = chosen(compared("bvsge", best.bits, top), top, best.bits)
        return self._resized(Signed(bits, lo, step.hi), lo, step.hi)

    def _greater(self, a: Signed, b: Signed) -> Signed:
        lo, hi = max(a.lo, b.lo), max(a.hi, b.hi)
        width = max(a.bits.width, b.bits.width)
        x, y = ex.sign_extended(a.bits, width), ex.sign_extended(b.bits, width)
        return self._resized(Signed(chosen(compared("bvsge", x, y), x, y), lo, hi), lo, hi)
