"""A way in which a kernel may be wrong, as a function: what bytes would the operator write if it were so?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
I64Array = NDArray[np.int64]
Run = Callable[[Sequence[Array]], Array]
"""The operator's inputs, [N, shape] each → its output, [N, output shape]."""


@dataclass(frozen=True)
class Candidate:
    """A variant of one operator: a short name, what it means, and its outputs.

    skips: the first samples of which it says nothing, as they depend on what was run before.
    """

    name: str
    says: str
    run: Run
    skips: int = 0


class Runs(Protocol):
    """A kernel, a changed one, or one that keeps state over sequences (successive.py)."""

    def run(self, inputs: list[Array]) -> Sequence[Array]:
        """The operator's inputs, [N, shape] each → its outputs."""


def first_output(kernel: Runs) -> Run:
    """What a kernel writes, as a candidate's function."""
    return lambda inputs: kernel.run(list(inputs))[0]
