"""Run the kernel suite on a device: every case's bytes, one input repeated, what the inputs tell apart.

A case that keeps state is one sequence of invocations from a reset, run three times: the second time shows
what a reset leaves behind, the third time whether that has a rule.

The matrix has a row per operator and class of shapes. A variant counts as separated by a case when the
case's inputs make it write another byte than the reference: a device that matches does not have it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Batch
from coverify.conformance.diagnosis.candidates import candidates
from coverify.conformance.diagnosis.explain import diagnose, inputs_by_tensor, inputs_of
from coverify.conformance.diagnosis.successive import Successive
from coverify.conformance.stepping import Stepper, Tensors
from coverify.conformance.suite.case import Case
from coverify.errors import DeviceRefused
from coverify.link.client import Client
from coverify.report import Diagnosis, KernelRow, SeparatedVariant
from tflm_int8 import Reference, TflmError
from tflm_int8.kernels.memory import Remembering
from tflm_int8.operators import Kernel

Failed = Callable[[Case, tuple[Diagnosis, ...]], None]


@dataclass
class Tally:
    """What was found in one row of the matrix."""

    op: str
    shape_class: str
    cases: int = 0
    differing: int = 0
    refused: int = 0
    flaky: int = 0
    n_bytes: int = 0
    first: str | None = None
    explained_by: set[str] | None = None
    separated: dict[str, int] = field(default_factory=dict)

    def row(self) -> KernelRow:
        """The row of the result."""
        return KernelRow(
            op=self.op,
            shape_class=self.shape_class,
            cases=self.cases,
            differing=self.differing,
            refused=self.refused,
            flaky=self.flaky,
            bytes=self.n_bytes,
            first=self.first,
            explained_by=tuple(sorted(self.explained_by or ())),
            separated=tuple(SeparatedVariant(name=n, cases=c) for n, c in sorted(self.separated.items())),
        )


class Suite:
    """A run over many cases; `rows` at any time."""

    def __init__(self, client: Client, failed: Failed | None = None, profile: str = "tflm") -> None:
        """`failed` is told of every case that differs, with its diagnosis; `profile`: whose is right."""
        self._client, self._failed, self._profile = client, failed, profile
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._refusals: dict[str, tuple[int, str]] = {}

    @property
    def refusals(self) -> tuple[str, ...]:
        """A line per operator of which the device refused cases: how many, and what it said to the first."""
        said = self._refusals.items()
        return tuple(f"{op}: {n} cases that the device refused, the first so: {why}" for op, (n, why) in said)

    @property
    def rows(self) -> tuple[KernelRow, ...]:
        """One row per operator and class of shapes, in the order in which they were met."""
        return tuple(tally.row() for tally in self._tallies.values() if tally.cases)

    def run(self, cases: Iterable[Case]) -> None:
        """Run every case.  Raises what the link raises, and UnsupportedOp for what the profile refuses."""
        for case in cases:
            key = case.op, case.shape_class
            self._run(case, self._tallies.setdefault(key, Tally(*key)))

    def _run(self, case: Case, tally: Tally) -> None:
        reference = Reference(case.model, self._profile)
        trace = reference.trace(case.x)
        expected = {o: trace[o] for o in case.model.outputs}
        try:
            stepper = Stepper(self._client, case.model)
        except DeviceRefused as refusal:
            tally.cases, tally.refused = tally.cases + 1, tally.refused + 1
            n, first = self._refusals.get(case.op, (0, f"{case.model.name}: {refusal}"))
            self._refusals[case.op] = n + 1, first
            return
        if case.model.stateful:
            self._run_state(case, reference, trace, stepper, tally)
            return
        got = [_outputs(stepper, one) for one in case.x]
        again = _outputs(stepper, case.x[0])  # after all the others: what they leave behind would show
        tally.n_bytes += sum(y.nbytes for one in (*got, again) for y in one.values())
        tally.flaky += not _same(again, got[0])
        _count(reference, case, trace, tally)
        if not all(_same(one, {o: y[i] for o, y in expected.items()}) for i, one in enumerate(got)):
            self._differs(case, reference, got, tally)

    def _run_state(
        self, case: Case, reference: Reference, trace: Tensors, stepper: Stepper, tally: Tally
    ) -> None:
        """A sequence of invocations, three times, each from a reset."""
        rounds = [list(stepper.traces(case.x)) for _ in range(3)]
        tally.n_bytes += sum(y.nbytes for got in rounds for one in got for y in one.values())
        tally.flaky += not all(_same(a, b) for a, b in zip(rounds[1], rounds[2], strict=True))
        _count(reference, case, trace, tally)
        wanted = [{o: trace[o][i] for o in case.model.outputs} for i in range(len(case.x))]
        if not all(_same(a, b) for got in rounds[:2] for a, b in zip(got, wanted, strict=True)):
            self._differs(case, reference, rounds[0] + rounds[1], tally)

    def _differs(self, case: Case, reference: Reference, got: list[Tensors], tally: Tally) -> None:
        length = len(case.x) if case.model.stateful else None
        x = np.concatenate([case.x] * (len(got) // len(case.x)))
        found = diagnose(reference, x, got, length=length)
        names = {e.name for d in found for e in d.explained_by}
        tally.explained_by = names if tally.explained_by is None else tally.explained_by & names
        tally.differing += 1
        tally.first = tally.first or case.model.name
        if self._failed is not None:
            self._failed(case, found)


def _outputs(stepper: Stepper, x: NDArray[np.int8]) -> Tensors:
    """All model outputs of one sample: of a run at once, or, if there are several, of one stepped."""
    if len(stepper.model.outputs) == 1:
        return {stepper.model.outputs[0]: stepper.run(x)}
    return stepper.trace(x)


def _same(a: Tensors, b: Tensors) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[o], b[o]) for o in a)


def _count(reference: Reference, case: Case, expected: Tensors, tally: Tally) -> None:
    """Count the case, and the variants that it tells from the reference, in whichever of its outputs."""
    kernel: Kernel = reference.kernels[0]
    rounds = 1
    if isinstance(kernel, Remembering):
        kernel, rounds = Successive(kernel, len(case.x)), 2  # the second shows what a reset leaves behind
    x = np.concatenate([case.x] * rounds)
    known = inputs_by_tensor(case.model, Batch.of(x))
    inputs = inputs_of(kernel, known, len(x))
    shown: dict[str, bool] = {}
    for number, output in enumerate(kernel.node.op.outputs):
        right = np.concatenate([expected[output]] * rounds)
        for candidate in candidates(kernel, number):
            if shown.get(candidate.name):
                continue
            try:
                wrong = np.asarray(candidate.run(inputs)).reshape(right.shape)
            except TflmError:
                continue
            shown[candidate.name] = not np.array_equal(wrong, right)
    tally.cases += 1
    for name, differs in shown.items():
        tally.separated[name] = tally.separated.get(name, 0) + differs
