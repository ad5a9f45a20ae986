"""What does a counterexample break, other than "the label stays"? The part of a witness that says so.

The formula of the outputs that is false, and the region that the input lies in. With `raised`, the formula is
about the outputs of the base input and, after them, those of the input, which differ in that feature alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.property.formula import Formula, elements, holds
from coverify.verify.query import IntArray


@dataclass(frozen=True, eq=False)
class Breach:
    """words: the property in words; formula: what does not hold; lo, hi: int16, the ranges of the input's
    codes, of its shape; changes: at most so many features differ from the base.
    """

    words: str
    formula: Formula
    lo: NDArray[np.int16]
    hi: NDArray[np.int16]
    changes: int | None = None
    raised: int | None = None

    def outside(self, x0: IntArray, x: IntArray) -> str | None:
        """Why x, of the shape of x0, is not an input that the property is about; None when it is."""
        if not self.lo.shape == self.hi.shape == x.shape:
            return "its ranges have another shape than its input"
        inputs = (x0, x) if self.raised is not None else (x,)
        if any(np.any(value < self.lo) or np.any(value > self.hi) for value in inputs):
            return "its input leaves the ranges that it states"
        apart = np.flatnonzero(x.reshape(-1) != x0.reshape(-1))
        if self.changes is not None and len(apart) > self.changes:
            return f"its input differs from the base in more than {self.changes} features"
        if self.raised is not None and (
            set(apart.tolist()) - {self.raised} or np.any(x.reshape(-1)[apart] < x0.reshape(-1)[apart])
        ):
            return f"its inputs differ in more than a raised feature {self.raised}"
        return None

    def broken(self, base: IntArray, outputs: IntArray) -> bool:
        """Is the formula false? base, outputs: the outputs of the base input and of the input, flat.

        Raises ValueError when it names an output that is not there.
        """
        every = outputs if self.raised is None else np.concatenate([base, outputs])
        if max(elements(self.formula), default=0) >= len(every):
            raise ValueError("the property names an output that the network does not have")
        return not bool(holds(self.formula, every[None])[0])
