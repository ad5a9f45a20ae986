"""Compare a network that keeps state: sequences of successive invocations, each sequence from a reset on.

A sequence that differs is run again after the one before it, so that what a reset leaves behind is the same
both times: a device that does not reset is a MISMATCH then, and only one that follows no rule is FLAKY. A
sequence in which the device restarts, or in which the line brings an old request late, is begun again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from coverify.conformance.batch import Batch
from coverify.conformance.compare import Comparison, Progress, first_differing, over_resets
from coverify.conformance.stepping import Digests, Stepper, Tensors, successive
from coverify.conformance.vectors import Samples
from coverify.link.checks import SentInput
from coverify.link.requests import TENSOR_DIGEST_SIZE
from tflm_int8 import Reference
from tflm_int8.kernels.memory import Remembering

DEFAULT_LENGTH: Final = 16
"""Invocations after a reset, where the state does not reach back further."""
MAX_DEFAULT_LENGTH: Final = 256


def reach_of(reference: Reference) -> int | None:
    """How many last invocations the network's state holds, at most; None: it may hold all."""
    reaches = [kernel.reach for kernel in reference.kernels if isinstance(kernel, Remembering)]
    known = [r for r in reaches if r is not None]
    return sum(known) if len(known) == len(reaches) else None  # one behind the other, they add up


def default_length(reference: Reference) -> int:
    """Two invocations more than the state reaches back, at least DEFAULT_LENGTH."""
    return min(MAX_DEFAULT_LENGTH, max(DEFAULT_LENGTH, (reach_of(reference) or 0) + 2))


def parts(n: int, length: int) -> list[range]:
    """n samples as sequences of `length`, the last one perhaps shorter."""
    return [range(start, min(start + length, n)) for start in range(0, n, length)]


@dataclass
class Sequences:
    """A comparison sequence by sequence; `length`: invocations of each."""

    comparison: Comparison
    reference: Reference
    stepper: Stepper
    samples: Samples
    length: int
    progress: Progress | None = None
    traced: list[Tensors] = field(default_factory=list)
    """What `trace` has fetched, sample by sample."""

    def compare_digests(self) -> None:
        """A digest per tensor comes home, and bytes only of sequences in which one differs."""
        for part in parts(len(self.samples), self.length):
            expected = self._expected(part)
            got: list[Digests] = []
            before = self.comparison.samples
            try:
                self._compare_digests(part, expected, got)
            finally:  # all are counted, unless the device, the line or the user ended it
                done = self.comparison.samples - before
                for i, want, one in list(zip(part, expected, got, strict=False))[done:]:
                    self.comparison.add_digests(i, want, one)
            self._tell(part)

    def _compare_digests(self, part: range, expected: list[Tensors], got: list[Digests]) -> None:
        """Compare a sequence; `got` holds the digests that have come so far."""

        def run() -> None:
            got.clear()
            got.extend(self._digests(part))

        over_resets(self.comparison, self.stepper, run)
        for one in got:
            self.comparison.count_cycles(one)
        model = self.comparison.model
        suspects = {
            i
            for i, want, one in zip(part, expected, got, strict=True)
            if first_differing(model, want, one) is not None
        }
        if suspects:
            self._judge(part, expected, self._again(part), suspects)
        else:
            for want in expected:
                self.comparison.add_equal(want)

    def compare(self) -> None:
        """Every byte of every tensor comes home; `traced` keeps them."""
        for part in parts(len(self.samples), self.length):
            expected = self._expected(part)
            got = over_resets(self.comparison, self.stepper, lambda part=part: self._traces(part))  # type: ignore[misc]
            self.traced += got
            self._judge(part, expected, got, set())
            self._tell(part)

    def _tell(self, part: range) -> None:
        if self.progress is not None:
            self.progress(part.stop, len(self.samples))

    def _expected(self, part: range) -> list[Tensors]:
        trace = self.reference.trace(*self._x(part).arrays)
        return [{t: values[i] for t, values in trace.items()} for i in range(len(part))]

    def _x(self, part: range) -> Batch:
        return self.samples.batch[part.start : part.stop]

    def _judge(self, part: range, expected: list[Tensors], got: list[Tensors], suspects: set[int]) -> None:
        """Add a sequence whose bytes came; suspects: samples of which a digest differed before."""
        second: list[Tensors] = []

        def again(i: int) -> Tensors:
            if not second:
                second.extend(self._again(part))
            return second[i]

        for i, (want, one) in enumerate(zip(expected, got, strict=True)):
            before = self.comparison.differing_samples
            suspected = part[i] in suspects
            self.comparison.add(part[i], want, one, lambda i=i: again(i), suspected)  # type: ignore[misc]
            if suspects and not suspected and self.comparison.differing_samples > before:
                self.comparison.flaky = True  # its digests were right

    def _again(self, part: range) -> list[Tensors]:
        """The bytes of a sequence that has been run before, after the sequence that came before it."""

        def run() -> list[Tensors]:
            if part.start:
                for _ in self.stepper.runs(self._x(range(part.start - self.length, part.start))):
                    pass
            return self._traces(part)

        return over_resets(self.comparison, self.stepper, run)

    def _traces(self, part: range) -> list[Tensors]:
        return list(self.stepper.traces(self._x(part)))

    def _digests(self, part: range) -> Iterator[Digests]:
        stepper = self.stepper
        room = stepper.max_payload - TENSOR_DIGEST_SIZE  # beside what an invocation follows
        asked = [self.samples.request(i, room) for i in part]
        if not any(isinstance(one, SentInput) for one in asked):
            yield from stepper.digests(zip(asked, self._x(part), strict=True), successive=True)
            return
        for x, before in successive(self._x(part)):
            yield stepper.digests_of(x, before)
