"""Does a repair cost robustness? The same queries, decided exactly, on the network before and after it.

Counterexamples can go back into the repair as failing tests (counterexample-guided: the verifier is the
oracle that says what is still wrong).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coverify.verify.query import Robustness, Verdict
from coverify.verify.worker import AUTO, Worker
from tflm_int8 import Model
from tflm_int8.fixedpoint import I64Array
from tflm_int8.program.lowering import lower


@dataclass(frozen=True, eq=False)
class Sample:
    """Inputs whose neighbourhoods are asked about: x: int8 [N, …]; labels: int64 [N], to be kept."""

    x: NDArray[np.int8]
    labels: I64Array
    eps: int


@dataclass(frozen=True, eq=False)
class Found:
    """How many queries ended how, and the counterexamples: x: int8 [M, …], of the sample's inputs `of`."""

    counts: Counter[Verdict]
    x: NDArray[np.int8]
    of: I64Array


def decided(
    model: Model,
    profile: str,
    sample: Sample,
    timeout_s: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Decide the sample's queries on a network."""
    program, counts = lower(model, profile), Counter[Verdict]()
    witnesses, of = [], []
    with Worker(program) as worker:
        for i, (x0, label) in enumerate(zip(sample.x, sample.labels, strict=True)):
            query = Robustness.around(x0, int(label), sample.eps, None, program.input_lo, program.input_hi)
            outcome = worker.decide(query, AUTO, timeout_s)
            counts[outcome.verdict] += 1
            if outcome.witness is not None:
                witnesses.append(outcome.witness.astype(np.int8).reshape(x0.shape))
                of.append(i)
            progress(i + 1, len(sample.x))
    x = np.stack(witnesses) if witnesses else sample.x[:0]
    return Found(counts, x, np.array(of, np.int64))
