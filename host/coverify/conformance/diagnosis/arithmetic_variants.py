"""What may be wrong in ADD, SUB, MUL, MEAN and SUM: rounding, zero points, scales, limits, operands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array
from coverify.conformance.diagnosis.layer import unchanged
from coverify.conformance.diagnosis.narrow import cut, saturated
from coverify.conformance.diagnosis.rescaling import CODES
from coverify.conformance.diagnosis.rounding import RULES, Scaling, double, scaling, shifted
from tflm_int8.fixedpoint import Multiplier, quantize_multiplier
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.broadcasting import aligned
from tflm_int8.kernels.multiply import Multiply
from tflm_int8.kernels.reducing import SumReduction
from tflm_int8.kernels.scales import ratio
from tflm_int8.program.primitives import Requantize

_LEFT_SHIFT = 20
Kernel = Add | Multiply | SumReduction


def _scaled(scale: Scaling, values: I64Array, m: Multiplier) -> I64Array:
    return scale(values, np.int64(m.value) * np.ones(1, np.int64), np.int64(m.shift) * np.ones(1, np.int64))


@dataclass(frozen=True)
class Arithmetic:
    """One of these operators in the open; `zeros` and `factors` of its inputs (factors: ADD and SUB only).

    signs: of the two scaled inputs; accumulate: what becomes of the sum or product; early: clamped before the
    zero point is added, and once more after it.
    """

    kernel: Kernel
    zeros: tuple[int, ...]
    factors: tuple[Multiplier, ...]
    stage: Multiplier
    z_out: int
    lo: int
    hi: int
    sign: int = 1
    inner: Scaling = double
    outer: Scaling = double
    left_shift: int = _LEFT_SHIFT
    wraps: bool = False
    signs: tuple[int, int] = (1, 1)
    accumulate: Callable[[I64Array], I64Array] = unchanged
    early: bool = False

    def run(self, inputs: Sequence[Array]) -> I64Array:
        """The operator's inputs → int64 [N, output shape]."""
        scaled = _scaled(self.outer, self.accumulate(self.accumulators(inputs)), self.stage)
        if self.early:
            values = np.clip(np.clip(scaled, self.lo, self.hi) + self.z_out, -128, 127)
        elif self.wraps:
            values = ((scaled + self.z_out + 128) & 0xFF) - 128
        else:
            values = np.clip(scaled + self.z_out, self.lo, self.hi)
        shaped: I64Array = values.reshape(len(values), *self.kernel.node.output.shape)
        return shaped

    def accumulators(self, inputs: Sequence[Array]) -> I64Array:
        """What goes into the output stage."""
        if isinstance(self.kernel, SumReduction):
            axes = tuple(axis + 1 for axis in self.kernel.axes)
            total: I64Array = (inputs[0].astype(np.int64) - self.zeros[0]).sum(axis=axes)
            return total
        if isinstance(self.kernel, Multiply):
            terms = [x.astype(np.int64) - z for x, z in zip(inputs, self.zeros, strict=True)]
            a, b = aligned(self.kernel.node, terms)
            product: I64Array = a * b
            return product
        tables = [
            _scaled(self.inner, (CODES - z) << self.left_shift, m)
            for z, m in zip(self.zeros, self.factors, strict=True)
        ]
        pair = [table[x.astype(np.int64) + 128] for table, x in zip(tables, inputs, strict=True)]
        a, b = aligned(self.kernel.node, pair)
        total = self.signs[0] * a + self.sign * self.signs[1] * b
        return total


def arithmetic_of(kernel: Kernel) -> Arithmetic | None:
    """The operator that a kernel is; None for int16."""
    node, stage = kernel.node, kernel.requantize
    if node.output.dtype != "int8" or not isinstance(stage, Requantize):
        return None
    n_inputs = 1 if isinstance(kernel, SumReduction) else 2
    quantizations = [node.int8(node.input(i)) for i in range(n_inputs)]
    zeros = tuple(q.zero_point for q in quantizations)
    last = Multiplier(int(stage.multiplier[0]), int(stage.shift[0]))
    factors: tuple[Multiplier, ...] = ()
    if isinstance(kernel, Add):
        twice = 2 * max(float(q.scale) for q in quantizations)
        factors = tuple(quantize_multiplier(float(q.scale) / twice) for q in quantizations)
    sign = -1 if node.op.name == "SUB" else 1
    scale = scaling(stage.rounding)
    return Arithmetic(
        kernel, zeros, factors, last, stage.zero_point, stage.lo, stage.hi, sign, inner=scale, outer=scale
    )


def arithmetic_variants(kernel: Kernel) -> Iterator[Candidate]:
    """Every variant of one of these operators."""
    plain = arithmetic_of(kernel)
    if plain is None:
        return
    for name, says, wrong in (*_roundings(plain), *_numbers(plain), *_operands(plain)):
        yield Candidate(name, says, wrong.run)


def _roundings(plain: Arithmetic) -> Iterator[tuple[str, str, Arithmetic]]:
    for rule in RULES:
        if plain.factors:
            yield (
                rule.name,
                f"in all three products: {rule.says}",
                replace(plain, inner=rule.scale, outer=rule.scale),
            )
            yield (
                f"{rule.name}-of-inputs",
                f"in the products of the inputs: {rule.says}",
                replace(plain, inner=rule.scale),
            )
            yield (
                f"{rule.name}-of-output",
                f"in the product of the sum: {rule.says}",
                replace(plain, outer=rule.scale),
            )
        else:
            yield rule.name, rule.says, replace(plain, outer=rule.scale)
    for name, by in (("plus", 1), ("minus", -1)):
        yield (
            f"shift-off-by-{name}-1",
            f"the shift of the sum or product is off by {by}",
            replace(plain, outer=shifted(by)),
        )


def _numbers(plain: Arithmetic) -> Iterator[tuple[str, str, Arithmetic]]:
    for i, zero in enumerate(plain.zeros):
        if zero:
            changed = tuple(0 if j == i else z for j, z in enumerate(plain.zeros))
            yield (
                f"zero-point-of-input-{i}-missing",
                f"input {i} without its zero point",
                replace(plain, zeros=changed),
            )
            turned = tuple(-z if j == i else z for j, z in enumerate(plain.zeros))
            yield (
                f"zero-point-of-input-{i}-sign",
                f"input {i} plus its zero point, not minus",
                replace(plain, zeros=turned),
            )
    if sum(map(bool, plain.zeros)) > 1:
        yield (
            "input-zero-points-missing",
            "both inputs without their zero points",
            replace(plain, zeros=(0,) * len(plain.zeros)),
        )
        yield (
            "input-zero-points-sign",
            "both inputs plus their zero points, not minus",
            replace(plain, zeros=tuple(-z for z in plain.zeros)),
        )
    if plain.z_out:
        yield "output-zero-point-missing", "the output's zero point is not added", replace(plain, z_out=0)
        z = plain.z_out
        yield "output-zero-point-sign", "the output's zero point is subtracted", replace(plain, z_out=-z)
        yield "output-zero-point-twice", "the output's zero point is added twice", replace(plain, z_out=2 * z)
        yield (
            "clamp-before-and-after-zero-point",
            "clamped before the zero point is added",
            replace(plain, early=True),
        )
    if (plain.lo, plain.hi) != (-128, 127):
        yield "activation-missing", "the fused activation is not applied", replace(plain, lo=-128, hi=127)
    yield "output-wraps", "the result is cut to 8 bits instead of clamped", replace(plain, wraps=True)
    if not plain.factors:
        for name, narrow in (("wraps", cut), ("saturates", saturated)):
            yield (
                f"accumulator-{name}-int16",
                f"the sum or product {name} at 16 bits",
                replace(plain, accumulate=partial(narrow, 16)),
            )
    if isinstance(plain.kernel, SumReduction):
        yield from _reductions(plain, plain.kernel)


def _reductions(plain: Arithmetic, kernel: SumReduction) -> Iterator[tuple[str, str, Arithmetic]]:
    """Of MEAN and SUM: how often the zero point counts, when and how the division comes."""
    node = kernel.node
    n = node.input(0).size // node.output.size
    if n > 1 and plain.zeros[0]:
        yield (
            "zero-point-once",
            "the zero point is subtracted from the sum once, not from every element",
            replace(plain, accumulate=lambda acc: acc + (n - 1) * plain.zeros[0]),
        )
    if n == 1 or node.op.name != "MEAN":
        return
    x, out = node.int8(node.input(0)), node.int8(node.output)
    whole = node.multiplier(ratio(node, (x.scale,), out.scale))
    direct = quantize_multiplier(float(x.scale) / float(out.scale) / n)
    yield (
        "division-in-scale",
        "the multiplier is that of the scales' ratio over the count",
        replace(plain, stage=direct),
    )
    for name, says, divided in (
        ("division-first-cut", "cut towards zero", lambda acc: np.sign(acc) * (np.abs(acc) // n)),
        ("division-first-floored", "rounded down", lambda acc: acc // n),
        (
            "division-first-rounded",
            "rounded halves away from zero",
            lambda acc: np.sign(acc) * ((np.abs(acc) + n // 2) // n),
        ),
    ):
        yield name, f"the mean is {says} before it is scaled", replace(plain, stage=whole, accumulate=divided)


def _operands(plain: Arithmetic) -> Iterator[tuple[str, str, Arithmetic]]:
    if len(plain.zeros) == 2 and plain.zeros[0] != plain.zeros[1]:
        yield (
            "zero-points-exchanged",
            "each input has the other's zero point",
            replace(plain, zeros=plain.zeros[::-1]),
        )
    if len(plain.factors) == 2:
        if plain.factors[0] != plain.factors[1]:
            yield (
                "scales-exchanged",
                "each input has the other's scale",
                replace(plain, factors=plain.factors[::-1]),
            )
        yield (
            "sign-of-second-input",
            "the second input is added where it is subtracted, or the other way",
            (replace(plain, sign=-plain.sign)),
        )
        yield (
            "operands-exchanged",
            "the first input is subtracted from the second, or its sign is turned",
            replace(plain, signs=(-1, 1), sign=1),
        )
        for i in range(2):
            yield (
                f"scale-of-input-{i}-for-both",
                f"both inputs have the scale of input {i}",
                replace(plain, factors=(plain.factors[i],) * 2),
            )
            yield (
                f"numbers-of-input-{i}-for-both",
                f"both inputs have the zero point and the scale of input {i}",
                replace(plain, factors=(plain.factors[i],) * 2, zeros=(plain.zeros[i],) * 2),
            )
        for bits in (16, 18, 19, 21):
            yield (
                f"left-shift-{bits}",
                f"the inputs are shifted left by {bits}, the output's scale unchanged",
                (replace(plain, left_shift=bits)),
            )
        for bits in (12, 15, 16, 18):
            shift = plain.stage.shift + _LEFT_SHIFT - bits
            yield (
                f"left-shift-{bits}-throughout",
                f"the inputs are shifted left by {bits}, and the output's scale is made for that",
                replace(plain, left_shift=bits, stage=Multiplier(plain.stage.value, shift)),
            )
