"""Bit-vector and Boolean expressions as plain data, each node an operator of SMT-LIB 2's QF_BV.

They are built without any solver and written once as text (see script.py), which every solver reads. A width
of 0 is a Boolean. Nothing is simplified here; who builds them does not build what bounds decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Expression:
    """`operator` applied to args, or a leaf (no args): a variable's name or a literal."""

    operator: str
    args: tuple[Expression, ...]
    width: int


def variable(name: str, width: int) -> Expression:
    """A variable of `width` bits; the name is an SMT-LIB symbol."""
    return Expression(name, (), width)


def value(number: int, width: int) -> Expression:
    """A number of `width` bits, two's complement where it is negative."""
    return Expression(f"(_ bv{number % (1 << width)} {width})", (), width)


def zero_extended(a: Expression, width: int) -> Expression:
    """Zeros in front, to `width` bits."""
    missing = width - a.width
    return Expression(f"(_ zero_extend {missing})", (a,), width) if missing else a


def sign_extended(a: Expression, width: int) -> Expression:
    """The sign in front, to `width` bits."""
    missing = width - a.width
    return Expression(f"(_ sign_extend {missing})", (a,), width) if missing else a


def low_bits(a: Expression, width: int) -> Expression:
    """The lowest `width` bits."""
    return Expression(f"(_ extract {width - 1} 0)", (a,), width) if width < a.width else a


def binary(operator: str, a: Expression, b: Expression) -> Expression:
    """bvadd, bvsub, bvmul, bvashr, … of two vectors of one width."""
    assert a.width == b.width > 0, (operator, a.width, b.width)
    return Expression(operator, (a, b), a.width)


def inverted(a: Expression) -> Expression:
    """All bits flipped."""
    return Expression("bvnot", (a,), a.width)


def compared(operator: str, a: Expression, b: Expression) -> Expression:
    """bvuge, bvule, bvsge, =, …: a Boolean."""
    assert a.width == b.width, (operator, a.width, b.width)
    return Expression(operator, (a, b), 0)


def chosen(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    """`then` where the condition holds."""
    assert condition.width == 0 and then.width == otherwise.width
    return Expression("ite", (condition, then, otherwise), then.width)


Condition = Expression | bool
"""A bool where bounds decide it."""


def negated(condition: Condition) -> Condition:
    """Not the condition."""
    return not condition if isinstance(condition, bool) else Expression("not", (condition,), 0)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Every condition holds."""
    open_ = [c for c in conditions if not isinstance(c, bool)]
    if len(open_) < len([c for c in conditions if c is not True]):
        return False
    return _joined("and", open_) if open_ else True


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Some condition holds."""
    open_ = [c for c in conditions if not isinstance(c, bool)]
    if any(c is True for c in conditions):
        return True
    return _joined("or", open_) if open_ else False


def _joined(operator: str, conditions: list[Expression]) -> Expression:
    return conditions[0] if len(conditions) == 1 else Expression(operator, tuple(conditions), 0)
