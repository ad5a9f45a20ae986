"""What differs between runtimes in one operator's kernel, and a runtime's table of it.

A `Variant` holds the facts that a kernel asks its node for; all that is common to the runtimes stands in
`kernels/`. A `Profile` is a frozen table operator → variant: it names its oracle, and what it does not vouch
for it refuses; never a default that nobody looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from tflm_int8.fixedpoint import Rounding


class Scales(Enum):
    """The type in which products and ratios of scales are taken before they become a multiplier."""

    DOUBLE = "double"
    FLOAT32 = "float32"


class Form(Enum):
    """The shape of a kernel's arithmetic, where runtimes differ in more than rounding and scales."""

    FIXED_POINT = "fixed point"
    """As TFLM's kernel has it."""
    FLOAT_STAGE = "float output stage"
    """The accumulator times the effective scale in double, halves away from zero."""
    FLOAT_TABLE = "float32 table"
    """A table of 256 entries, filled with the C library's float32 functions."""
    RESCALED = "rescaled"
    """Codes are brought to the output's scale before they are clamped."""
    BIASED = "bias needed"
    """As TFLM's, but refused without a bias."""
    BIASED_GROUPS = "bias needed in groups"
    """As TFLM's, but several groups are refused without a bias."""
    SAME_SHAPE = "one shape"
    """As TFLM's, but operands of different shapes are refused (another kernel takes them)."""
    FOUR_DIMENSIONS = "up to four dimensions"
    """As TFLM's, but tensors of more than four dimensions are refused."""
    FOUR_MOVED = "up to four dimensions in another order"
    """The same, and an order that leaves an even number of dimensions as they are is refused."""
    WIDE_STATE = "state of int16"
    """As TFLM's, but a state of int8 is refused: CMSIS-NN neither saturates it nor heeds its zero point."""
    UNACTIVATED = "without its activation"
    """As TFLM's, but a fused activation is ignored, and shapes are refused on which CMSIS-NN's kernel leaves
    its buffers or a part of its output unwritten."""


@dataclass(frozen=True)
class Variant:
    """One operator's kernel in one runtime; `types`: of tensors on which it is vouched for (None: all)."""

    rounding: Rounding
    scales: Scales
    form: Form
    types: frozenset[str] | None

    def __str__(self) -> str:
        """What it does, in a few words."""
        if self.form in (Form.FLOAT_STAGE, Form.FLOAT_TABLE):
            return str(self.form.value)
        form = "" if self.form is Form.FIXED_POINT else f", {self.form.value}"
        return f"{self.rounding.value} rounding, {self.scales.value} scales{form}"


def _frozen() -> Mapping[str, Variant]:
    return MappingProxyType({})


def _none_refused() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True)
class Profile:
    """A runtime's kernels: `variants` by builtin operator name, `default` for every other operator.

    vouched: the operators that were held to the oracle (None: all that the package models). refused: operator
    → why the profile does not model it. oracle: what the profile was checked against, with its version.
    """

    name: str
    runtime: str
    oracle: str
    default: Variant
    variants: Mapping[str, Variant] = field(default_factory=_frozen)
    vouched: frozenset[str] | None = None
    refused: Mapping[str, str] = field(default_factory=_none_refused)

    def of(self, operator: str) -> Variant:
        """The variant of an operator, given by its builtin name."""
        return self.variants.get(operator, self.default)

    def refusal(self, operator: str, types: Set[str] = frozenset()) -> str:
        """Why the profile does not model an operator on tensors of these types; "" when it does."""
        if operator in self.refused:
            return self.refused[operator]
        if self.vouched is not None and operator not in self.vouched:
            return f"it was not checked against {self.oracle}"
        known = self.of(operator).types
        unknown: Set[str] = frozenset() if known is None else types - known
        return f"{min(unknown)} was not checked against {self.oracle}" if unknown else ""
