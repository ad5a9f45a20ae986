"""The columns and rows of a program for HiGHS, put down one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(eq=False)
class SparseProgram:
    """Columns with their ends, costs and kinds; sparse rows with theirs.

    starts, columns, values: row i has values[k] in column columns[k], starts[i] <= k < starts[i + 1].
    """

    lower: list[float] = field(default_factory=list, init=False)
    upper: list[float] = field(default_factory=list, init=False)
    cost: list[float] = field(default_factory=list, init=False)
    integral: list[bool] = field(default_factory=list, init=False)
    starts: list[int] = field(default_factory=lambda: [0], init=False)
    columns: list[int] = field(default_factory=list, init=False)
    values: list[float] = field(default_factory=list, init=False)
    row_lower: list[float] = field(default_factory=list, init=False)
    row_upper: list[float] = field(default_factory=list, init=False)

    def column(self, lo: float, hi: float, integral: bool = False, cost: float = 0.0) -> int:
        """The number of a new column with these ends."""
        self.lower.append(lo)
        self.upper.append(hi)
        self.cost.append(cost)
        self.integral.append(integral)
        return len(self.lower) - 1

    def row(self, terms: Mapping[int, float], lower: float, upper: float) -> None:
        """lower <= Σ terms <= upper; terms: column → coefficient."""
        self.columns += terms.keys()
        self.values += terms.values()
        self.starts.append(len(self.columns))
        self.row_lower.append(lower)
        self.row_upper.append(upper)
