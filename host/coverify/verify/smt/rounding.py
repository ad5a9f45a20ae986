"""The arithmetic of a requantization as signed bit-vectors, as the kernels have it: multiply, round, shift.

`acc` may have any width that holds the accumulator; the result is at a width that holds the clamped value.
"""

from __future__ import annotations

from coverify.verify.errors import CannotDecide
from coverify.verify.smt import expressions as ex
from coverify.verify.smt.expressions import Expression, binary, chosen, compared
from tflm_int8.fixedpoint import Rounding
from tflm_int8.program.primitives import DivideRounding, HalfUpShift, Requantize, Rule
from tflm_int8.program.rules import Steps

_LONG = 64


def rounded(rule: Rule, channel: int, acc: Expression) -> Expression:
    """The rule's value.  Raises CannotDecide for a rule whose arithmetic is not known here."""
    match rule:
        case HalfUpShift():
            return _half_up(rule, channel, acc)
        case Requantize():
            return _requantized(rule, channel, acc)
        case DivideRounding():
            return _divided(rule, channel, acc)
        case Steps():
            return _counted(rule, channel, acc)
        case _:
            raise CannotDecide(
                "a rounding of this kind is encoded by its stairs only: the encoding threshold (z3:threshold)"
            )


def _counted(rule: Steps, channel: int, acc: Expression) -> Expression:
    """How many edges are reached."""
    width = max(acc.width, 33, rule.hi.bit_length() + 1)
    wide, found = ex.sign_extended(acc, width), ex.value(rule.hi, width)
    for k, edge in reversed(list(enumerate(rule.edges[channel].tolist()))):
        found = chosen(compared("bvslt", wide, ex.value(edge, width)), ex.value(k, width), found)
    return found


def _half_up(rule: HalfUpShift, channel: int, acc: Expression) -> Expression:
    shift = int(rule.shift[channel])
    width = max(acc.width, shift + 1) + 2  # neither the half nor a bound of the clamp overflows
    width = max(width, rule.hi.bit_length() + 2, rule.lo.bit_length() + 2)
    wide = ex.sign_extended(acc, width)
    half = binary("bvadd", wide, ex.value((1 << shift) >> 1, width))
    return _clamped(binary("bvashr", half, ex.value(shift, width)), rule.lo, rule.hi)


def _requantized(rule: Requantize, channel: int, acc: Expression) -> Expression:
    multiplier, shift = int(rule.multiplier[channel]), int(rule.shift[channel])
    wide = ex.sign_extended(acc, _LONG)
    scaled = scaled_by(wide, ex.value(multiplier, _LONG), shift, rule.rounding)
    return _clamped(binary("bvadd", scaled, ex.value(rule.zero_point, _LONG)), rule.lo, rule.hi)


def scaled_by(acc: Expression, multiplier: Expression, shift: int, rounding: Rounding) -> Expression:
    """MultiplyByQuantizedMultiplier at 64 bits, for any multiplier of 31 bits, a variable one too."""
    if rounding is Rounding.SINGLE:
        product, total_shift = binary("bvmul", acc, multiplier), 31 - shift
        return _shifted(binary("bvadd", product, ex.value(1 << (total_shift - 1), _LONG)), total_shift)
    left = binary("bvmul", acc, ex.value(1 << max(shift, 0), _LONG))
    product = binary("bvmul", left, multiplier)
    high = _shifted(binary("bvadd", product, ex.value(1 << 30, _LONG)), 31)
    return _divided_by_power(high, max(-shift, 0))


def _divided_by_power(x: Expression, exponent: int) -> Expression:
    """x / 2**exponent to the nearest, ties away from zero (RoundingDivideByPOT)."""
    if exponent == 0:
        return x
    mask = (1 << exponent) - 1
    rest = binary("bvand", x, ex.value(mask, x.width))
    negative = compared("bvslt", x, ex.value(0, x.width))
    threshold = chosen(negative, ex.value((mask >> 1) + 1, x.width), ex.value(mask >> 1, x.width))
    up = chosen(compared("bvsgt", rest, threshold), ex.value(1, x.width), ex.value(0, x.width))
    return binary("bvadd", _shifted(x, exponent), up)


def _divided(rule: DivideRounding, channel: int, acc: Expression) -> Expression:
    count = int(rule.count[channel])
    width = max(acc.width, count.bit_length() + 1) + 2
    wide, n, half = ex.sign_extended(acc, width), ex.value(count, width), ex.value(count // 2, width)
    zero = ex.value(0, width)
    above = binary("bvsdiv", binary("bvadd", wide, half), n)
    below = binary("bvsub", zero, binary("bvsdiv", binary("bvsub", half, wide), n))
    return _clamped(chosen(compared("bvsgt", wide, zero), above, below), rule.lo, rule.hi)


def _shifted(x: Expression, by: int) -> Expression:
    return binary("bvashr", x, ex.value(by, x.width))


def _clamped(x: Expression, lo: int, hi: int) -> Expression:
    width = max(x.width, lo.bit_length() + 1, hi.bit_length() + 1)
    x = ex.sign_extended(x, width)
    low, high = ex.value(lo, width), ex.value(hi, width)
    x = chosen(compared("bvslt", x, low), low, x)
    return chosen(compared("bvsgt", x, high), high, x)
