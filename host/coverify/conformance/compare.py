"""Compare a device with the reference: every byte of every tensor of every sample, by digests or in full.

A sample whose bytes differ is run again: the same bytes again are a MISMATCH, other bytes are FLAKY. The
comparison is kept as it grows, so that a link that breaks in the middle loses nothing of what was compared:
a sample of which a digest differed, and whose bytes could not be fetched any more, differs by its digests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Batch, Sample, little_endian
from coverify.conformance.batch import Given as GivenSamples
from coverify.conformance.stepping import Digests, Runner, Stepper, Tensors
from coverify.conformance.vectors import Samples
from coverify.errors import DeviceReset, StateLost
from coverify.link.checks import Given, SentInput, tensor_digest
from coverify.report.rows import Mismatch, TensorRow
from coverify.report.verdict import Verdict
from tflm_int8 import Model, Reference

MAX_MISMATCHES = 50
MAX_RESETS = 3
"""How often a device may restart without getting one sample further."""
_BATCH = 64

Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass
class Tally:
    """What was found about one tensor."""

    n_bytes: int = 0
    samples: int = 0
    differing: int = 0
    max_abs_diff: int = 0

    def count(self, expected: NDArray[Any], got: NDArray[Any]) -> bool:
        """Add one sample; True when it differs."""
        a, b = codes(expected), codes(got)
        wrong = a != b
        pairs = zip(a[wrong].tolist(), b[wrong].tolist(), strict=True)  # int64 may not hold a difference
        self.n_bytes += expected.nbytes
        self.samples += 1
        self.differing += bool(wrong.any())
        self.max_abs_diff = max([self.max_abs_diff, *(abs(x - y) for x, y in pairs)])
        return bool(wrong.any())

    def count_equal(self, expected: NDArray[Any]) -> None:
        """Add one sample that is known to be equal."""
        self.n_bytes += expected.nbytes
        self.samples += 1


def codes(values: NDArray[Any]) -> NDArray[np.int64]:
    """The integers that are compared: the values, or for floats their bits."""
    bits = values.view(f"i{values.itemsize}") if values.dtype.kind == "f" else values
    return bits.astype(np.int64)


def told(code: int, dtype: str) -> str:
    """An integer that was compared, as people read it: of a float the number and its bits."""
    if not dtype.startswith("float"):
        return str(code)
    size = np.dtype(dtype).itemsize
    raw = (code % (1 << 8 * size)).to_bytes(size, "little")
    return f"{np.frombuffer(raw, dtype)[0]!s} (0x{raw[::-1].hex()})"


@dataclass
class Comparison:
    """What was compared so far, and what differed."""

    model: Model
    only: tuple[int, ...] | None = None
    """The tensors that are compared; None: all that an operator writes."""
    tallies: dict[int, Tally] = field(init=False)
    """By tensor."""
    mismatches: list[Mismatch] = field(default_factory=list)
    unfetched: tuple[int, int] | None = None
    """Sample and operator of the first difference that only digests show, as its bytes never came."""
    samples: int = 0
    differing_samples: int = 0
    flaky: bool = False
    resets: int = 0
    """How often the device restarted, was loaded again, and went on."""
    cycles: dict[int, int] = field(default_factory=dict)
    """What the device counted in each operator, over all samples whose digests came."""
    counted_samples: int = 0

    def __post_init__(self) -> None:
        self.tallies = {o: Tally() for o in self.model.written if self.only is None or o in self.only}

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

    @property
    def first_sample(self) -> int | None:
        """The first that differs, where one does."""
        if self.mismatches:
            return self.mismatches[0].sample
        return self.unfetched[0] if self.unfetched is not None else None

    @property
    def where(self) -> str:
        """Operator, tensor and element of the first difference; of one that digests show, the operator."""
        if self.mismatches:
            found = self.mismatches[0]
            place = f"tensor {found.tensor}, element {list(found.element)} of"
            return f"op {found.op_index} {found.op}, {place} sample {found.sample}"
        assert self.unfetched is not None
        sample, op = self.unfetched
        return f"op {op} {self.model.operators[op].name} of sample {sample}"

    @property
    def first(self) -> str:
        """The first difference in words, without the sample: what was expected and what came."""
        if not self.mismatches:
            return "a digest differs, and the bytes could not be fetched"
        found = self.mismatches[0]
        dtype = self.model.tensors[found.tensor].dtype
        return f"expected {told(found.expected, dtype)}, the device has {told(found.got, dtype)}"

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
                cycles=self._mean_cycles(writer[i].index),
                mismatching_samples=tally.differing,
                max_abs_diff=None if tally.differing and not tally.max_abs_diff else tally.max_abs_diff,
            )
            for i, tally in self.tallies.items()
        )

    def _mean_cycles(self, op: int) -> int | None:
        """None when the device does not count."""
        total = self.cycles.get(op, 0)
        return round(total / self.counted_samples) if total else None

    def count_cycles(self, got: Digests) -> None:
        """Add what one sample took, operator by operator."""
        self.counted_samples += 1
        for op, cycles in enumerate(got.cycles):
            self.cycles[op] = self.cycles.get(op, 0) + cycles

    def add_equal(self, expected: Tensors) -> None:
        """Count one sample whose digests all are what they must be."""
        self.samples += 1
        for i, tally in self.tallies.items():
            tally.count_equal(expected[i])

    def add_digests(self, sample: int, expected: Tensors, got: Digests) -> None:
        """Count one sample by its digests alone: where one differs, by how much stays unknown."""
        op = first_differing(self.model, expected, got)
        if op is None:
            self.add_equal(expected)
            return
        self.samples += 1
        self.differing_samples += 1
        for i, tally in self.tallies.items():
            tally.count_equal(expected[i])
            tally.differing += differs(expected[i], got.tensors[i])
        self.unfetched = self.unfetched or (sample, op)

    def add(
        self,
        sample: int,
        expected: Tensors,
        got: Tensors,
        again: Callable[[], Tensors],
        suspected: bool = False,
    ) -> None:
        """Compare one sample; `again` runs it on the device once more when it differs.

        `suspected`: a digest of it differed before, so that equal bytes mean two answers to one input.
        """
        differing = [i for i in self.tallies if (codes(expected[i]) != codes(got[i])).any()]
        second = again() if differing else got  # the sample counts for nothing where this fails
        self.samples += 1
        for i, tally in self.tallies.items():
            if i in differing:
                tally.count(expected[i], got[i])
            else:
                tally.count_equal(expected[i])
        if not differing:
            self.flaky |= suspected
            return
        self.differing_samples += 1
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
    stepper: Runner,
    x: GivenSamples,
    progress: Progress | None = None,
) -> None:
    """Run N samples on both and fill `comparison`.  Raises what the link raises.

    Every byte of every tensor comes home.
    """
    batch = Batch.of(x)
    for start, trace in _traces(reference, batch):
        for i, one in enumerate(batch[start : start + _BATCH]):
            expected = {t: values[i] for t, values in trace.items()}
            again = partial(over_resets, comparison, stepper, partial(stepper.trace, one))
            comparison.add(start + i, expected, again(), again)
            if progress is not None:
                progress(start + i + 1, len(x))


def over_resets(comparison: Comparison, stepper: Runner, work: Callable[[], T]) -> T:
    """What `work` gives; it is done again, a few times, when the device restarts or has lost its place."""
    for _ in range(MAX_RESETS):
        try:
            return work()
        except DeviceReset:
            comparison.resets += 1
            stepper.resume()
        except StateLost:
            continue
    return work()


def _traces(reference: Reference, x: Batch) -> Iterator[tuple[int, Mapping[int, NDArray[Any]]]]:
    """(start, trace of the batch that starts there); the next one is worked on while the device works too."""
    starts = range(0, len(x), _BATCH)
    with ThreadPoolExecutor(1, "reference") as worker:
        ahead = deque(
            worker.submit(reference.trace, *x[start : start + _BATCH].arrays) for start in starts[:1]
        )
        for start in starts:
            trace = ahead.popleft().result()
            if start + _BATCH < len(x):
                after = x[start + _BATCH : start + 2 * _BATCH]
                ahead.append(worker.submit(reference.trace, *after.arrays))
            yield start, trace


def compare_digests(
    comparison: Comparison,
    reference: Reference,
    stepper: Stepper,
    samples: Samples,
    progress: Progress | None = None,
) -> None:
    """As `compare`, but a digest per tensor comes home, and bytes only from the first that differs on."""
    batch = samples.batch
    for start, trace in _traces(reference, batch):
        numbers = range(start, min(start + _BATCH, len(samples)))
        with _suspects(comparison) as suspects:
            for i, got in _digests_over_resets(comparison, stepper, samples, numbers):
                comparison.count_cycles(got)
                expected = {t: values[i - start] for t, values in trace.items()}
                op = first_differing(comparison.model, expected, got)
                if op is None:
                    comparison.add_equal(expected)
                else:
                    suspects.append(_Suspect(i, op, expected, got))
                if progress is not None:
                    progress(i + 1, len(samples))
            while suspects:
                one = suspects[0]
                given = samples.request(one.sample, stepper.max_payload)
                fetch = partial(_fetch, stepper, one.op, given, batch[one.sample], one.expected)
                again = partial(over_resets, comparison, stepper, fetch)
                comparison.add(one.sample, one.expected, again(), again, suspected=True)
                suspects.popleft()


@dataclass(frozen=True, eq=False)
class _Suspect:
    """A sample of which a digest differs; op: the first operator where one does."""

    sample: int
    op: int
    expected: Tensors
    got: Digests


@contextmanager
def _suspects(comparison: Comparison) -> Iterator[deque[_Suspect]]:
    """The suspects until they are fetched; those that cannot be any more are counted by their digests."""
    suspects: deque[_Suspect] = deque()
    try:
        yield suspects
    finally:  # empty, unless the device, the line or the user ended it
        for one in suspects:
            comparison.add_digests(one.sample, one.expected, one.got)


def _digests_over_resets(
    comparison: Comparison, stepper: Stepper, samples: Samples, numbers: range
) -> Iterator[tuple[int, Digests]]:
    """(number, digests) of each sample; a device that restarts meanwhile goes on where it was."""
    in_vain = 0
    while len(numbers):
        try:
            asked = [samples.request(i, stepper.max_payload) for i in numbers]
            for got in _digests(stepper, asked, samples.batch[numbers.start : numbers.stop]):
                yield numbers.start, got
                numbers, in_vain = numbers[1:], 0
        except DeviceReset:
            comparison.resets, in_vain = comparison.resets + 1, in_vain + 1
            if in_vain > MAX_RESETS:
                raise
            stepper.resume()


def _digests(stepper: Stepper, asked: list[Given], x: Batch) -> Iterator[Digests]:
    """Digests of each sample, in order. Those that do not fit into a request come first, if any."""
    sent = sum(isinstance(one, SentInput) for one in asked)
    yield from (stepper.digests_of(one) for one in x[:sent])
    yield from stepper.digests(zip(asked[sent:], x[sent:], strict=True))


def first_differing(model: Model, expected: Tensors, got: Digests) -> int | None:
    """The first operator that wrote a tensor whose digest differs."""
    values = frozenset(model.written)
    for op in model.operators:
        for tensor in (o for o in op.outputs if o in values):
            if differs(expected[tensor], got.tensors[tensor]):
                return op.index
    return None


def differs(expected: NDArray[Any], digest: bytes) -> bool:
    """Is it the digest of other bytes?"""
    return digest != tensor_digest(little_endian(expected))


def _fetch(stepper: Stepper, op: int, given: Given, x: Sample, expected: Tensors) -> Tensors:
    """All tensors of a sample: up to `op` the digests have proved what is expected."""
    return {**expected, **stepper.trace_from(op, given, x)}
