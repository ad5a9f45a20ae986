"""Compare a device with the reference: every byte of every tensor of every sample.

A sample whose bytes differ is run again: the same bytes again are a MISMATCH, other bytes are FLAKY. The
comparison is kept as it grows, so that a link that breaks in the middle loses nothing of what was compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.stepping import Stepper, Tensors
from coverify.report.rows import Mismatch, TensorRow
from coverify.report.verdict import Verdict
from tflm_int8 import Model, Reference

MAX_MISMATCHES = 50
_BATCH = 64

Progress = Callable[[int, int], None]


@dataclass
class Tally:
    """What was found about one tensor."""

    n_bytes: int = 0
    samples: int = 0
    differing: int = 0
    max_abs_diff: int = 0

    def count(self, expected: NDArray[Any], got: NDArray[Any]) -> bool:
        """Add one sample; True when it differs."""
        difference = np.abs(codes(expected) - codes(got))
        largest = int(difference.max(initial=0))
        self.n_bytes += expected.nbytes
        self.samples += 1
        self.differing += largest > 0
        self.max_abs_diff = max(self.max_abs_diff, largest)
        return largest > 0


def codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """The integers that are compared: the values, or for floats their bits."""
    bits = values.view(f"i{values.itemsize}") if values.dtype.kind == "f" else values
    return bits.astype(np.int64)


@dataclass
class Comparison:
    """What was compared so far, and what differed."""

    model: Model
    tallies: dict[int, Tally] = field(default_factory=dict)
    mismatches: list[Mismatch] = field(default_factory=list)
    samples: int = 0
    differing_samples: int = 0
    flaky: bool = False

    def __post_init__(self) -> None:
        """A tally for every tensor that an operator writes."""
        self.tallies = {o: Tally() for op in self.model.operators for o in op.outputs}

    @property
    def bytes_compared(self) -> int:
        """Bytes of all tensors of all samples."""
        return sum(t.n_bytes for t in self.tallies.values())

    @property
    def verdict(self) -> Verdict:
        """MATCH, MISMATCH, FLAKY; UNKNOWN when nothing was compared."""
        if self.flaky:
            return "FLAKY"
        if self.differing_samples:
            return "MISMATCH"
        return "MATCH" if self.samples else "UNKNOWN"

    def rows(self) -> tuple[TensorRow, ...]:
        """One row per tensor, in execution order."""
        writer = {o: op for op in self.model.operators for o in op.outputs}
        return tuple(
            TensorRow(
                tensor=i,
                name=self.model.tensors[i].name,
                op_index=writer[i].index,
                op=writer[i].name,
                bytes=tally.n_bytes,
                compared_samples=tally.samples,
                mismatching_samples=tally.differing,
                max_abs_diff=tally.max_abs_diff,
            )
            for i, tally in self.tallies.items()
        )

    def add(self, sample: int, expected: Tensors, got: Tensors, again: Callable[[], Tensors]) -> None:
        """Compare one sample; `again` runs it on the device once more when it differs."""
        self.samples += 1
        differing = [i for i, tally in self.tallies.items() if tally.count(expected[i], got[i])]
        if not differing:
            return
        self.differing_samples += 1
        second = again()
        repeated = all(np.array_equal(second[i], got[i]) for i in got)
        self.flaky |= not repeated
        first = differing[0]
        if len(self.mismatches) < MAX_MISMATCHES:
            self.mismatches.append(
                self._mismatch(sample, first, codes(expected[first]), codes(got[first]), repeated)
            )

    def _mismatch(
        self,
        sample: int,
        tensor: int,
        expected: NDArray[np.int64],
        got: NDArray[np.int64],
        repeated: bool,
    ) -> Mismatch:
        writer = next(op for op in self.model.operators if tensor in op.outputs)
        where = np.argwhere(expected != got)
        element = tuple(int(i) for i in where[0])
        return Mismatch(
            sample=sample,
            op_index=writer.index,
            op=writer.name,
            tensor=tensor,
            element=element,
            expected=int(expected[element]),
            got=int(got[element]),
            count=len(where),
            repeated=repeated,
        )


def compare(
    comparison: Comparison,
    reference: Reference,
    stepper: Stepper,
    x: NDArray[np.int8],
    progress: Progress | None = None,
) -> None:
    """Run x, int8 [N, sample shape], on both and fill `comparison`.  Raises what the link raises."""
    for start in range(0, len(x), _BATCH):
        batch = x[start : start + _BATCH]
        trace = reference.trace(batch)
        for i, one in enumerate(batch):
            expected = {t: values[i] for t, values in trace.items()}
            comparison.add(start + i, expected, stepper.trace(one), partial(stepper.trace, one))
            if progress is not None:
                progress(start + i + 1, len(x))
