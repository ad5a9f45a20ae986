"""What is known of an operator that differs: the first element, the reference's way to it, the variants that
explain every byte, and where the differences are.  The rows of `coverify diagnose`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from coverify.report.rows import MAX_PICTURE, Count, Index, Int64, Row, Text

MAX_EXPLANATIONS = 400


class Stage(Row):
    """One number on the reference's way to an element: accumulator, multiplier, rounded value, …"""

    name: Text
    value: Int64


class Explanation(Row):
    """A variant of the kernel; `remaining` elements are other than it would give (0: it explains all)."""

    name: Text
    says: Text
    remaining: Count


class ErrorCount(Row):
    """How many elements are `error` more on the device than on the reference."""

    error: Int64
    elements: Count


class AxisErrors(Row):
    """Differing elements by position on one axis of the output."""

    axis: Text
    counts: Annotated[tuple[Count, ...], Field(max_length=MAX_PICTURE)]


class ErrorMap(Row):
    """Differing elements by row and column, row-major, over all samples and channels."""

    shape: tuple[Annotated[int, Field(ge=1, le=MAX_PICTURE)], Annotated[int, Field(ge=1, le=MAX_PICTURE)]]
    counts: Annotated[tuple[Count, ...], Field(max_length=MAX_PICTURE)]

    @model_validator(mode="after")
    def _fills_its_shape(self) -> ErrorMap:
        if len(self.counts) != self.shape[0] * self.shape[1]:
            raise ValueError(f"{len(self.counts)} counts for {self.shape[0]} x {self.shape[1]}")
        return self


class Diagnosis(Row):
    """One operator that differs on the inputs that the device itself gave it; `element` is the first."""

    op_index: Count
    op: Text
    tensor: Count
    samples: Count
    differing_samples: Count
    elements: Count
    differing_elements: Count
    sample: Count
    element: Index
    expected: Int64
    got: Int64
    steps: Annotated[tuple[Stage, ...], Field(max_length=100)] = ()
    explained_by: Annotated[tuple[Explanation, ...], Field(max_length=MAX_EXPLANATIONS)] = ()
    nearest: Annotated[tuple[Explanation, ...], Field(max_length=MAX_EXPLANATIONS)] = ()
    """Where no variant explains every byte: those that leave fewest, at least half of them explained."""
    patterns: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    histogram: Annotated[tuple[ErrorCount, ...], Field(max_length=1000)] = ()
    axes: Annotated[tuple[AxisErrors, ...], Field(max_length=8)] = ()
    map: ErrorMap | None = None
    part: Text | None = None
