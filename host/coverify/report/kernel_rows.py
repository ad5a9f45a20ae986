"""What does the kernel suite say? A row per operator and class of shapes (`coverify kernels`)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from coverify.report.rows import Count, Row, Text


class SeparatedVariant(Row):
    """A wrong variant of the kernel, and in how many cases the inputs would have shown it."""

    name: Text
    cases: Count


class KernelRow(Row):
    """Cases of one operator and class of shapes; explained_by: variants that explain every differing case."""

    op: Text
    shape_class: Text
    cases: Count
    differing: Count = 0
    refused: Count = 0
    flaky: Count = 0
    bytes: Count = 0
    first: Text | None = None
    explained_by: Annotated[tuple[Text, ...], Field(max_length=400)] = ()
    separated: Annotated[tuple[SeparatedVariant, ...], Field(max_length=400)] = ()
