"""CAST, QUANTIZE, DEQUANTIZE: from one type to another.

A float32 wire carries bit patterns, which no primitive adds or compares. But a float that is a function of
one int8 is a table of 256 patterns, and what quantizes it is a table of int8 again: only floats of wider
integers stay `Exact`, and what reads them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from tflm_int8.errors import AccumulatorOverflow
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN, I64Array
from tflm_int8.kernels.cast import Cast
from tflm_int8.kernels.lookup import CODES
from tflm_int8.kernels.quantize import Dequantize, QuantizeFloat, Requantization
from tflm_int8.operators import Kernel
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Scaling
from tflm_int8.program.lowering.builder import Builder, integers
from tflm_int8.program.rules import Overflows, Within

_BITS: Final = {"bool": 1, "int8": 8, "int16": 16, "int32": 32, "uint32": 32}
"""Types by the bits that their wire needs; uint32 is carried as the int32 of the same bits."""


_BEYOND: Final = 1 << 40
"""More than the bounds of an int32 and of its wraps add up to."""


def cast(b: Builder, k: Cast) -> None:
    """The same wire where the new type holds every value of the old one, else less its wraps around."""
    x, out = k.node.input(0), k.node.output
    if x.dtype == "float32":
        return of_floats(b, k)
    if out.dtype == "float32":
        return _of_codes(b, k) if x.dtype in ("bool", "int8") else b.exact(k)
    wire, bits, n = b.source(k, 0), _BITS[out.dtype], out.size
    if _BITS[x.dtype] > bits:
        half = 1 << (_BITS[x.dtype] - 1)
        times = b.emit(p.Staircase(wire, Overflows(bits, -half, half - 1), np.zeros(n, np.int64)))
        terms = (p.Term(wire, Scaling(n), 0), p.Term(times, Scaling(n, -(1 << bits)), 0))
        half = 1 << (bits - 1)
        one = np.ones(1, np.int64)  # the clamp changes no value, and takes whatever a bound may say
        rule = Within(p.DivideRounding(one, -half, half - 1), -_BEYOND * one, _BEYOND * one)
        difference = b.emit(p.Affine(terms, np.zeros(n, np.int64)))
        wire = b.emit(p.Staircase(difference, rule, np.zeros(n, np.int64)))
    b.wires[out.index] = wire


def dequantize(b: Builder, k: Dequantize) -> None:
    """A table of bit patterns; floats of an int16 stay `Exact`: their patterns are no monotone function."""
    return b.exact(k) if k.node.input(0).dtype == "int16" else _of_codes(b, k)


def of_floats(b: Builder, k: QuantizeFloat | Cast) -> None:
    """A table where the float is one of an int8; else `Exact`, there being no primitive that reads floats."""
    found = _table_behind(b, b.source(k, 0))
    if found is None:
        return b.exact(k)
    wire, patterns = found
    try:
        codes = k.run([patterns.astype(np.int32).view(np.float32)[None]])[0]
    except AccumulatorOverflow:  # of a float that occurs, perhaps: the kernel will say
        return b.exact(k)
    b.wires[k.node.output.index] = b.emit(p.Table(wire, integers(codes)[0]))


def requantization(b: Builder, k: Requantization) -> None:
    """The centred value through a staircase, on the values for which the result fits int32."""
    out, n = k.node.output, k.node.output.size
    limits = np.iinfo(out.dtype)
    value, shift = np.array([k.multiplier.value], np.int64), np.array([k.multiplier.shift], np.int64)
    stage = p.Requantize(value, shift, k.node.variant.rounding, k.after, INT32_MIN << 1, INT32_MAX << 1)
    rule = replace(stage, lo=int(limits.min), hi=int(limits.max))
    first, last = (int(end[0]) for end in rule.domain())
    first, last = _reach(stage, INT32_MIN, first, last), _reach(stage, INT32_MAX + 1, first, last) - 1
    term = p.Term(b.source(k, 0), Scaling(n), k.before)
    centred = b.emit(p.Affine((term,), np.zeros(n, np.int64)))
    domain = np.array([first], np.int64), np.array([last], np.int64)
    b.requantized(centred, Within(rule, *domain), np.zeros(n, np.int64), out.index)


def _reach(rule: p.Rule, value: int, first: int, last: int) -> int:
    """The least of first..last whose value is at least `value`; last + 1 when there is none."""
    end = last + 1
    while first < end:
        middle = (first + end) >> 1
        if int(rule.apply(np.array([middle]), np.zeros(1, np.int64))[0]) >= value:
            end = middle
        else:
            first = middle + 1
    return first


def _of_codes(b: Builder, k: Kernel) -> None:
    """The kernel on every int8, bool or uint8 (which is moved to int8's range first), as a table."""
    x, wire = k.node.input(0), b.source(k, 0)
    offset = 128 if x.dtype == "uint8" else 0
    if offset:
        term = p.Term(wire, Scaling(x.size), offset)
        wire = b.emit(p.Affine((term,), np.zeros(x.size, np.int64)))
    table = integers(k.run([(CODES + offset).astype(x.dtype)[None]])[0])[0]
    b.wires[k.node.output.index] = b.emit(p.Table(wire, table))


def _table_behind(b: Builder, wire: int) -> tuple[int, I64Array] | None:
    """An int8 wire and the table [256] that yields this one, elements having been moved in between or not."""
    step = b.steps[wire - 1] if wire else None
    if isinstance(step, p.Table):
        return step.source, step.values
    behind = _table_behind(b, step.source) if isinstance(step, p.Select) else None
    if behind is None or not isinstance(step, p.Select):
        return None
    return b.emit(p.Select(behind[0], step.index)), behind[1]
