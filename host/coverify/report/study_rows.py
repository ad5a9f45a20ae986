"""What a study of several quantized networks found: one row per width, and what differs between them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from coverify.report.rows import MAX_ROWS, Count, ModelRef, Row, Seconds, Text
from coverify.report.verdict import Verdict


class WidthRow(Row):
    """One network: how many of `samples` classes are right, and what became of the inputs asked about."""

    scheme: Text
    bits: Count
    model: ModelRef
    samples: Count
    right: Count
    wrong: Count
    robust: Count
    broken: Count
    open: Count
    time_s: Seconds = 0.0
    folder: Text | None = None
    """Where its queries and witnesses are, within the study's folder."""

    @model_validator(mode="after")
    def _no_more_than_samples(self) -> WidthRow:
        if self.right > self.samples:
            raise ValueError("more classes are right than there are samples")
        return self

    @property
    def asked(self) -> int:
        """How many inputs were asked about."""
        return self.wrong + self.robust + self.broken + self.open

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.scheme} {self.bits} bits"

    @property
    def accuracy(self) -> float:
        """The share of classes that are right."""
        return self.right / self.samples if self.samples else 0.0

    @property
    def robust_accuracy(self) -> tuple[float, float]:
        """The share that is right and robust: proved, and possible where queries are open."""
        n = self.asked or 1
        return self.robust / n, (self.robust + self.open) / n


class ChangeRow(Row):
    """Input `index` is robust in one network and not in its neighbour of another width.

    There a witness breaks it, or, where there is no witness, the input is misclassified as it is.
    """

    index: Count
    scheme: Text
    robust_bits: Count
    broken_bits: Count
    label: Count
    predicted: Count
    """The class that the witness (or the input) gets where it works."""
    witness: Text | None = None
    on_device: Verdict | None = None
    """CONFIRMED: on the device the witness (or the input) breaks the one network and not the other."""

    @property
    def lost(self) -> bool:
        """Robust with fewer bits, broken with more."""
        return self.robust_bits < self.broken_bits


class CarriedRow(Row):
    """Counterexamples of one width tried at another."""

    scheme: Text
    from_bits: Count
    to_bits: Count
    tried: Count
    breaking: Count
    failing: Annotated[tuple[Count, ...], Field(max_length=MAX_ROWS)] = ()
    """The inputs whose counterexample stops working there."""
    on_device: Count | None = None
    """How many of `tried` got the same class on the device as in the reference, at both widths."""


class GapRow(Row):
    """The largest difference of a score between two copies that differ in protected features alone, in codes.

    at_least: of a pair that was run (the file `pair`); at_most: proved. unit: the real value of one code.
    flipped: of `samples` inputs, those whose class changes with the protected features alone. sampled: only
    some of the features' values were tried, so that more inputs may be.
    """

    scheme: Text
    bits: Count
    model: ModelRef
    samples: Count
    right: Count
    flipped: Count
    sampled: bool = False
    at_least: Count
    at_most: Count
    unit: Annotated[float, Field(gt=0)] | None = None
    queries: Count = 0
    time_s: Seconds = 0.0
    boxes: Count = 0
    certificates: Count = 0
    """Of `boxes` that hold all pairs of copies, those with a certificate that no gap is above at_most."""
    pair: Text | None = None
    pair_flips: bool = False
    """Do the two copies of the pair get different classes?"""
    on_device: Verdict | None = None

    @model_validator(mode="after")
    def _ordered(self) -> GapRow:
        if self.at_least > self.at_most:
            raise ValueError("a gap that was seen is larger than the one proved")
        return self

    @property
    def closed(self) -> bool:
        """Is it known exactly?"""
        return self.at_least == self.at_most

    @property
    def flips(self) -> str:
        """Of how many inputs the class changes, for people."""
        more = self.sampled and self.flipped < self.samples
        return f"{'at least ' if more else ''}{self.flipped} of {self.samples}"


class RealRow(Row):
    """The float network in exact real arithmetic: what became of the inputs asked about."""

    wrong: Count
    robust: Count
    broken: Count
    open: Count
    lost_by_rounding: Count = 0
    """Counterexamples whose nearest codes the float network itself classifies correctly."""
    time_s: Seconds = 0.0
    folder: Text | None = None


class TransferRow(Row):
    """The float network's verdicts against one quantized network's; vulnerable: broken, or misclassified.

    misclassified: of false_robust, what the quantized network gets wrong as it is. from_float, to_float: how
    many counterexamples of the float network were tried here (rounded to codes), and of this one there.
    """

    scheme: Text
    bits: Count
    both_robust: Count
    both_vulnerable: Count
    false_robust: Count
    false_vulnerable: Count
    open: Count
    misclassified: Count = 0
    from_float: Count = 0
    from_float_breaking: Count = 0
    to_float: Count = 0
    to_float_breaking: Count = 0
    replayed: Count | None = None
    replayed_same: Count | None = None
    """Inputs run on the device, and those with the reference's outputs."""

    @property
    def compared(self) -> int:
        """Inputs on which both have a verdict."""
        return self.both_robust + self.both_vulnerable + self.false_robust + self.false_vulnerable


Example = Literal[
    "false robust", "false vulnerable", "float counterexample fails", "quantized counterexample fails"
]


class ExampleRow(Row):
    """An input on which a float verdict, or a counterexample, means nothing for a quantized network.

    predicted: the class that `witness` (None: the input itself) gets in the network that it breaks.
    """

    kind: Example
    scheme: Text
    bits: Count
    index: Count
    label: Count
    predicted: Count
    witness: Text | None = None
    on_device: Verdict | None = None


class Study(Row):
    """What was studied; `original`: the float network, where there is one."""

    kind: Literal["bits", "fairness", "transfer"]
    eps: Count | None = None
    """None: all inputs of the data's ranges."""
    original: ModelRef | None = None
    original_right: Count | None = None
    widths: Annotated[tuple[WidthRow, ...], Field(max_length=1000)] = ()
    changes: Annotated[tuple[ChangeRow, ...], Field(max_length=MAX_ROWS)] = ()
    carried: Annotated[tuple[CarriedRow, ...], Field(max_length=MAX_ROWS)] = ()
    protected: Annotated[tuple[Count, ...], Field(max_length=100)] = ()
    gaps: Annotated[tuple[GapRow, ...], Field(max_length=1000)] = ()
    real: RealRow | None = None
    transfers: Annotated[tuple[TransferRow, ...], Field(max_length=1000)] = ()
    examples: Annotated[tuple[ExampleRow, ...], Field(max_length=MAX_ROWS)] = ()
