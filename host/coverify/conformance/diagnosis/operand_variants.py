"""What may be wrong in MAXIMUM, MINIMUM and PRELU, and in how operands of two shapes are put side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from coverify.conformance.diagnosis.candidate import Array, Candidate, I64Array, Run
from coverify.conformance.diagnosis.rounding import RULES, Scaling, scaling
from tflm_int8.fixedpoint import Multiplier
from tflm_int8.kernels.add import Add
from tflm_int8.kernels.broadcasting import aligned
from tflm_int8.kernels.choice import Choice, Extreme
from tflm_int8.kernels.comparison import Comparison, Logical
from tflm_int8.kernels.multiply import Multiply, SquaredDifference
from tflm_int8.kernels.prelu import Prelu
from tflm_int8.kernels.scales import ratio

Broadcasting = Add | Choice | Comparison | Extreme | Logical | Multiply | Prelu | SquaredDifference


def broadcast_variants(kernel: Broadcasting) -> Iterator[Candidate]:
    """The smaller operand read in a wrong order."""
    out = kernel.node.output.shape
    for i in range(len(kernel.node.op.inputs)):
        operand = kernel.node.input(i)
        if operand.shape == out or operand.size == 1:
            continue
        yield Candidate(
            f"input-{i}-repeated-end-to-end",
            f"input {i} is read from its start again when it ends, whatever its axes",
            _with(kernel, i, lambda x: np.resize(x, out)),
        )
        yield Candidate(
            f"input-{i}-one-element",
            f"of input {i} only the first element is read",
            _with(kernel, i, lambda x: np.full(out, x.reshape(-1)[0])),
        )


def _with(kernel: Broadcasting, number: int, spread: Callable[[Array], Array]) -> Run:
    """The kernel on an operand that `spread` has brought, sample by sample, to the output's shape."""

    def run(inputs: Sequence[Array]) -> Array:
        operands = list(inputs)
        operands[number] = np.stack([spread(x) for x in inputs[number]])
        return kernel.run(operands)[0]

    return run


def extreme_variants(kernel: Extreme) -> Iterator[Candidate]:
    """Every variant of MAXIMUM and MINIMUM."""

    def chosen(inputs: Sequence[Array], offset: int, greatest: bool) -> Array:
        a, b = aligned(kernel.node, list(inputs))
        keys = [(x.astype(np.int64) + offset) % 256 - offset for x in (a, b)]
        return np.where((keys[0] > keys[1]) == greatest, a, b)

    yield Candidate(
        "other-extreme",
        "the greater where the lesser is wanted, or the other way",
        lambda inputs: chosen(inputs, 128, not kernel.greatest),
    )
    yield Candidate(
        "compared-unsigned",
        "the codes are compared as unsigned bytes",
        lambda inputs: chosen(inputs, 0, kernel.greatest),
    )


@dataclass(frozen=True)
class OpenPrelu:
    """y = clamp(scale(x − z, above) or scale((x − z) · (alpha − z_alpha), below) + z_out)."""

    kernel: Prelu
    above: Multiplier
    below: Multiplier
    z_in: int
    z_alpha: int
    z_out: int
    scale: Scaling
    turned: bool = False
    threshold: int = 0

    def run(self, inputs: Sequence[Array]) -> I64Array:
        """int8 [N, shape], slopes int8 [N, shape] → int64 [N, output shape]."""
        x, alpha = aligned(self.kernel.node, [a.astype(np.int64) for a in inputs])
        value = x - self.z_in
        products = (value + 0 * alpha, self.above), (value * (alpha - self.z_alpha), self.below)
        sides = [
            self.scale(v.reshape(-1, 1), np.array([m.value]), np.array([m.shift])).reshape(v.shape)
            for v, m in products
        ]
        scaled: I64Array = np.where((value >= self.threshold) != self.turned, sides[0], sides[1])
        return np.clip(scaled + self.z_out, -128, 127)


def prelu_variants(kernel: Prelu) -> Iterator[Candidate]:
    """Every variant of an int8 PRELU."""
    node = kernel.node
    x, alpha, out = node.int8(node.input(0)), node.int8(node.input(1)), node.int8(node.output)
    plain = OpenPrelu(
        kernel,
        node.multiplier(ratio(node, (x.scale,), out.scale)),
        node.multiplier(ratio(node, (x.scale, alpha.scale), out.scale)),
        x.zero_point,
        alpha.zero_point,
        out.zero_point,
        scaling(node.variant.rounding),
    )
    for rule in RULES:
        yield Candidate(rule.name, rule.says, replace(plain, scale=rule.scale).run)
    found = {
        "multipliers-exchanged": (
            "each side of zero has the other's multiplier",
            replace(plain, above=plain.below, below=plain.above),
        ),
        "sides-exchanged": ("the slope is applied above zero", replace(plain, turned=True)),
        "threshold-at-code-zero": (
            "the slope is applied below the code 0, not the zero point",
            replace(plain, threshold=-x.zero_point),
        ),
        "zero-point-of-input-0-missing": ("x without its zero point", replace(plain, z_in=0)),
        "zero-point-of-input-1-missing": ("the slope without its zero point", replace(plain, z_alpha=0)),
        "output-zero-point-missing": ("the output's zero point is not added", replace(plain, z_out=0)),
    }
    for name, (says, wrong) in found.items():
        if wrong != plain:
            yield Candidate(name, says, wrong.run)
