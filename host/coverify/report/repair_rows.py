"""What a repair did: how well the network does before and after, which bytes change, the grid of a study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from coverify.report.rows import MAX_ROWS, Count, Int64, ModelRef, Row, Seconds, Text


class FitnessRow(Row):
    """Of `samples` inputs: how many classes are the float network's, and how many right (with labels)."""

    samples: Count
    agreeing: Count
    right: Count | None = None

    @model_validator(mode="after")
    def _no_more_than_samples(self) -> FitnessRow:
        if max(self.agreeing, self.right or 0) > self.samples:
            raise ValueError("more classes are right or agree than there are samples")
        return self

    @property
    def fidelity(self) -> float:
        """The share of classes that are the float network's; 0 of no samples."""
        return self.agreeing / self.samples if self.samples else 0.0

    @property
    def accuracy(self) -> float | None:
        """The share of classes that are right; None without labels."""
        return None if self.right is None or not self.samples else self.right / self.samples


class PartRow(Row):
    """One part of the data, before and after the repair; `failing`: tests that quantization broke.

    float_right: how many classes of the float network are right, where there are labels.
    """

    name: Literal["repair", "validation"]
    before: FitnessRow
    after: FitnessRow
    failing_before: Count | None = None
    failing_after: Count | None = None
    float_right: Count | None = None

    @model_validator(mode="after")
    def _float_no_more_than_samples(self) -> PartRow:
        if (self.float_right or 0) > self.before.samples:
            raise ValueError("more classes of the float network are right than there are samples")
        return self

    @property
    def float_accuracy(self) -> float | None:
        """The share of the float network's classes that are right; None without labels."""
        n = self.before.samples
        return None if self.float_right is None or not n else self.float_right / n


class NeuronRow(Row):
    """What became of one neuron. `optimal`: fewer weights cannot meet as many demands, a solver says."""

    op_index: Count
    op: Text
    neuron: Count
    score: float | None = None
    ended: Text
    changed: Count = 0
    met: Count | None = None
    wished: Count | None = None
    fixed: Int64 | None = None
    optimal: bool | None = None
    time_s: Seconds | None = None
    round: Count = 0


class ByteRow(Row):
    """One changed byte of the .tflite file; the weight counts within its neuron."""

    offset: Count
    old: Annotated[int, Field(ge=0, le=255)]
    new: Annotated[int, Field(ge=0, le=255)]
    op_index: Count
    neuron: Count
    weight: Count


class GridRow(Row):
    """One cell of a study: `neurons` of a layer repaired in the order of a metric."""

    op_index: Count
    method: Text
    metric: Text
    seed: Int64 | None = None
    neurons: Count
    changed: Count
    repair: FitnessRow
    validation: FitnessRow


class RobustRow(Row):
    """How many of a sample of robustness queries ended how; `when`: before, after, or after a round."""

    when: Text
    eps: Count
    holds: Count
    violated: Count
    unknown: Count
    validation: FitnessRow | None = None
    changed: Count | None = None
    """Bytes that differ from the original file then."""


class Repair(Row):
    """A repair of an int8 network whose float original is known."""

    original: ModelRef
    repaired: ModelRef | None = None
    """None where nothing was written."""
    interpreter: Text
    """What ran the float network."""
    method: Text
    metric: Text
    layers: Annotated[tuple[Count, ...], Field(max_length=1000)]
    labels: bool
    """Were labels given? Then right classes are what counts, else those of the float network."""
    kept: Count | None = None
    rows: Count | None = None
    """Of the paper's linear constraints, those that hold after rounding, and all."""
    parts: Annotated[tuple[PartRow, ...], Field(max_length=2)]
    neurons: Annotated[tuple[NeuronRow, ...], Field(max_length=MAX_ROWS)] = ()
    bytes: Annotated[tuple[ByteRow, ...], Field(max_length=MAX_ROWS)] = ()
    n_bytes: Count
    """How many bytes of the file differ; `bytes` lists them, up to its limit."""
    grid: Annotated[tuple[GridRow, ...], Field(max_length=MAX_ROWS)] = ()
    robustness: Annotated[tuple[RobustRow, ...], Field(max_length=1000)] = ()
