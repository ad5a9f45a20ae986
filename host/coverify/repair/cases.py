"""Which inputs are passing tests, and which failing ones? By the classes of the float and the int8 network.

Without labels: passing where both agree, failing where they do not; the float network's class is wanted.
With labels: failing where the float network is right and the int8 network wrong, passing where the int8
network is right; inputs that the float network gets wrong as well say nothing (QNNRepair, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tflm_int8.fixedpoint import I64Array


@dataclass(frozen=True, eq=False)
class Cases:
    """N inputs: wanted: int64 [N], the class that each must get, −1 where none is; failing: bool [N]."""

    wanted: I64Array
    failing: NDArray[np.bool_]

    @property
    def passing(self) -> NDArray[np.bool_]:
        """Those whose class must stay."""
        return (self.wanted >= 0) & ~self.failing

    @staticmethod
    def of(ours: I64Array, original: I64Array, labels: I64Array | None) -> Cases:
        """From the int8 network's classes, the float network's, and the labels, where there are any."""
        if labels is None:
            return Cases(original, ours != original)
        failing = (original == labels) & (ours != labels)
        return Cases(np.where(failing | (ours == labels), labels, -1), failing)


@dataclass(frozen=True)
class Fitness:
    """How well an int8 network does on n inputs: how many classes are the float network's, how many right.

    right is None where there are no labels.
    """

    n: int
    agreeing: int
    right: int | None

    @staticmethod
    def of(ours: I64Array, original: I64Array, labels: I64Array | None) -> Fitness:
        """Count."""
        right = None if labels is None else int(np.sum(ours == labels))
        return Fitness(len(ours), int(np.sum(ours == original)), right)
