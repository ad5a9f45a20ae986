"""One repair from its data to its result: observe, repair, ask the verifier, judge on the validation part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from coverify.cli.conform import DeviceRun, check_reference, compare_with
from coverify.cli.devices import device_limits
from coverify.cli.outcome import Output, model_ref, plain_text, verdict_of, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.cli.repair.options import RepairOptions
from coverify.cli.repair.parts import n_shared
from coverify.cli.repair.result import byte_rows, fitness_row, grid_row, neuron_rows, robust_row
from coverify.conformance.compare import Comparison
from coverify.conformance.vectors import Samples
from coverify.errors import BadInput, BoardError, DeviceFault, DeviceRefused, LinkError
from coverify.files import replace_file
from coverify.inputs import Inputs
from coverify.repair.bench import Bench
from coverify.repair.cases import Cases, Fitness
from coverify.repair.grid import Part, grid
from coverify.repair.job import Plan, Prepared, RepairTests, repair
from coverify.repair.observation import Observation, observe
from coverify.repair.pair import Pair
from coverify.repair.patch import ChangedByte, changes
from coverify.repair.robustness import Sample, decided
from coverify.repair.solvers import Solvers
from coverify.report import Device, GridRow, ModelRef, NeuronRow, PartRow, Repair, Result, RobustRow, Verdict
from coverify.report import Oracle as OracleRow
from tflm_int8 import Ends, Model, Reference
from tflm_int8.fixedpoint import I64Array

_CONFORMED = 64
"""Inputs of the repair part that a repaired network is run on, by TFLM's interpreter and by a device."""


@dataclass(frozen=True, eq=False)
class _Observed:
    """What the two networks say of the data before anything is repaired.

    original, validation: the float network, on the repair part and on the validation part; classes: the int8
    network's on these; sample: what the verifier is asked about.
    """

    original: Observation
    validation: Observation
    classes: tuple[I64Array, I64Array]
    sample: Sample


@dataclass(eq=False)
class Run:
    """One call of the verb, from its data to its result; `result` fills the fields that follow the data.

    kept: of the paper's linear constraints, those that hold after rounding, and all.
    """

    asked: RepairOptions
    output: Output
    pair: Pair
    repair: Inputs
    judged: Inputs
    plan: Plan = field(init=False)
    progress: Progress = field(init=False)
    solvers: Solvers = field(init=False)
    seen: _Observed = field(init=False)
    neurons: list[NeuronRow] = field(default_factory=list, init=False)
    robustness: list[RobustRow] = field(default_factory=list, init=False)
    kept: tuple[int, int] = field(default=(0, 0), init=False)

    @cached_property
    def shared(self) -> int:
        """How many validation inputs are in the repair part as well."""
        return n_shared(self.repair, self.judged)

    def result(self, target: Path | None) -> Result:
        """Repair the network, judge it, and write it to `target` where it is repaired.

        Raises BadInput, NotRepairable, and what the solvers raise.
        """
        asked, before = self.asked, self.pair
        self.plan = asked.plan(before.reference)
        with progress_bar() as self.progress, Solvers(asked.solver, asked.time) as self.solvers:
            self.seen = self._observed_before()
            cases = Cases.of(self.seen.classes[0], self.seen.original.classes, self.repair.y)
            tests = RepairTests(self.repair.x, cases.wanted, self.seen.original)
            after = self._repaired(tests)
            cells = self._grid(tests) if asked.seeds is not None else []
        parts, patch = self._parts(cases, after), _patch(before, after)
        verdict, message = _judgement(parts, patch, self.repair.y is not None, self.shared)
        return self._finished(self._row(parts, patch, cells), after, verdict, message, target)

    def _observed_before(self) -> _Observed:
        """What both networks say of both parts."""
        layers = self.plan.layers
        original = self._observed(self.repair.x, layers, "float network")
        in_study = layers if self.asked.seeds is not None else ()
        validation = self._observed(self.judged.x, in_study, "validation")
        reference = self.pair.reference
        classes = _classes(reference, self.repair.x), _classes(reference, self.judged.x)
        return _Observed(original, validation, classes, self._sample(validation, classes[1]))

    def _row(
        self, parts: tuple[PartRow, ...], patch: tuple[ChangedByte, ...], cells: list[GridRow]
    ) -> Repair:
        return Repair(
            original=model_ref(self.pair.original),
            interpreter=self.seen.original.interpreter,
            method=self.asked.method,
            metric=self.asked.metric,
            layers=self.plan.layers,
            labels=self.repair.y is not None,
            kept=self.kept[0] if self.kept[1] else None,
            rows=self.kept[1] or None,
            parts=parts,
            neurons=tuple(self.neurons),
            bytes=byte_rows(patch),
            n_bytes=len(patch),
            grid=tuple(cells),
            robustness=tuple(self.robustness),
        )

    def _observed(self, x: NDArray[np.int8], ops: Sequence[int], name: str) -> Observation:
        return observe(self.pair, x, ops, Bar(self.progress, name))

    def _sample(self, validation: Observation, classes: I64Array) -> Sample:
        """The first validation inputs whose class the int8 network gets as it should."""
        wanted = validation.classes if self.judged.y is None else self.judged.y
        chosen = np.flatnonzero(wanted == classes)[: self.asked.verify]
        return Sample(self.judged.x[chosen], wanted[chosen], self.asked.eps)

    def _repaired(self, tests: RepairTests) -> Pair:
        """The repair, and its rounds with the verifier's counterexamples as further failing tests."""
        before = self.pair
        self._asked_verifier("before", before)
        after = self._one_round(before, tests, 0)
        self._asked_verifier("after", after)
        for number in range(1, self.asked.cegis + 1):
            found = self._counterexamples(after, tests, number)
            if not len(found.x):
                break
            tests = tests.joined(found)
            after = self._one_round(after, tests, number)
            self._asked_verifier(f"after round {number}", after)
        return after

    def _one_round(self, pair: Pair, tests: RepairTests, number: int) -> Pair:
        bar = Bar(self.progress, "neurons" if not number else f"neurons, round {number}")
        after, done = repair(pair, tests, self.plan, self.solvers, bar)
        self.neurons += neuron_rows(pair, done, number)
        self.kept = sum(d.kept for d in done), sum(d.rows for d in done)
        return after

    def _asked_verifier(self, when: str, pair: Pair) -> None:
        if not len(self.seen.sample.x):
            return
        reference = pair.reference
        bar = Bar(self.progress, f"queries {when}")
        found = decided(reference.model, reference.profile, self.seen.sample, self.asked.timeout, bar)
        changed = len(_patch(self.pair, pair))
        self.robustness.append(robust_row(when, self.asked.eps, found, self._fitness(pair)[1], changed))

    def _counterexamples(self, pair: Pair, tests: RepairTests, number: int) -> RepairTests:
        """Of the first passing repair inputs, as tests that fail."""
        reference = pair.reference
        known = tests.wanted[: len(self.repair)]
        right = (known >= 0) & (_classes(reference, self.repair.x) == known)
        chosen = np.flatnonzero(right)[: self.asked.verify]
        sample = Sample(self.repair.x[chosen], known[chosen], self.asked.eps)
        bar = Bar(self.progress, f"counterexamples {number}")
        found = decided(reference.model, reference.profile, sample, self.asked.timeout, bar)
        row = robust_row(
            f"repair part, for round {number}", self.asked.eps, found, None, len(_patch(self.pair, pair))
        )
        self.robustness.append(row)
        wanted = sample.labels[found.of]
        if not len(wanted):
            return RepairTests(found.x, wanted, Observation(wanted))
        return RepairTests(found.x, wanted, self._observed(found.x, self.plan.layers, "float network"))

    def _grid(self, tests: RepairTests) -> list[GridRow]:
        """The study of every layer, on the network as it was."""
        rows: list[GridRow] = []
        for op in self.plan.layers:
            prepared = Prepared.of(self.pair, op, tests, self.plan)
            method = prepared.method(tests, self.plan, self.solvers)
            parts = (
                Part(prepared.bench, self.seen.original, self.repair.y),
                Part(Bench(prepared.bench.layer, self.judged.x), self.seen.validation, self.judged.y),
            )
            bar = Bar(self.progress, f"study of op {op}")
            cells = grid(method, prepared.spectrum, *parts, self.asked.seeds or 0, bar)
            rows += [grid_row(op, self.asked.method, cell) for cell in cells]
        return rows

    def _fitness(self, pair: Pair) -> tuple[Fitness, Fitness]:
        """On the repair part and on the validation part."""
        return (
            Fitness.of(_classes(pair.reference, self.repair.x), self.seen.original.classes, self.repair.y),
            Fitness.of(_classes(pair.reference, self.judged.x), self.seen.validation.classes, self.judged.y),
        )

    def _parts(self, cases: Cases, after: Pair) -> tuple[PartRow, PartRow]:
        now, then = self._fitness(self.pair), self._fitness(after)
        left = Cases.of(_classes(after.reference, self.repair.x), self.seen.original.classes, self.repair.y)
        return (
            PartRow(
                name="repair",
                before=fitness_row(now[0]),
                after=fitness_row(then[0]),
                failing_before=int(cases.failing.sum()),
                failing_after=int(left.failing.sum()),
                float_right=_right(self.seen.original, self.repair),
            ),
            PartRow(
                name="validation",
                before=fitness_row(now[1]),
                after=fitness_row(then[1]),
                float_right=_right(self.seen.validation, self.judged),
            ),
        )

    def _finished(
        self, found: Repair, after: Pair, verdict: Verdict, message: str, target: Path | None
    ) -> Result:
        """Run the patched network elsewhere, write it, and say what was not covered."""
        before, oracle, device, comparison = self.pair.reference, None, None, None
        needed = verdict != "OK"
        if verdict == "REPAIRED" or (verdict == "OK" and self.asked.device is not None):
            core = after.reference.model
            ends = Ends.of(Model.from_bytes(core.content, core.name), before.profile)
            whole, x = Reference(ends.whole, before.profile), ends.entered(self.repair.x[:_CONFORMED])
            oracle = check_reference(whole, "auto", x, self.output)
            if self.asked.device is not None:
                device, comparison, failed = self._conformed(whole, x, self.asked.device, verdict)
                verdict, message = failed or (verdict, message)
        if verdict == "REPAIRED" and target is not None:
            replace_file(target, after.reference.model.content)
            written = ModelRef(file=target.name, sha256=after.reference.model.sha256)
            found = found.model_copy(update={"repaired": written})
        elif verdict == "OK" and target is not None:  # a script takes the file where the exit code is 0
            replace_file(target, before.model.content)
            message = f"{message}; {target.name} is {before.model.name} as it was"
        elif target is not None and target.is_file():
            message = plain_text(f"{message}\n{target} was there before this call and stays as it was")
        return Result(
            verb="repair",
            verdict=verdict,
            message=message,
            model=model_ref(before.model),
            profile=before.profile,
            oracle=oracle,
            device=device,
            samples=comparison.samples if comparison else None,
            bytes_compared=comparison.bytes_compared if comparison else None,
            tensors=comparison.rows() if comparison else None,
            mismatches=tuple(comparison.mismatches) if comparison else None,
            repair=found,
            not_covered=self._not_covered(oracle, device, needed),
            versions=versions("ortools", "highspy", self.seen.original.interpreter, "tflite-micro"),
            seed=self.asked.seed,
        )

    def _conformed(
        self, reference: Reference, x: NDArray[Any], url: str, reached: Verdict
    ) -> tuple[Device | None, Comparison, tuple[Verdict, str] | None]:
        """The device, the comparison, and what is wrong with them; reached: the verdict until now."""
        run = DeviceRun(reference, Samples(x, len(x), self.asked.seed), url, self.output)
        failed: tuple[Verdict, str] | None = None
        network = "the repaired network" if reached == "REPAIRED" else "the network"
        try:
            compare_with(run)
            if run.comparison.verdict != "MATCH":
                failed = run.comparison.verdict, f"the device does not compute {network}"
        except (BadInput, BoardError, LinkError, DeviceFault, DeviceRefused) as error:
            failed = verdict_of(error), f"{network} could not be conformed: {error}"
        return run.device, run.comparison, failed

    def _not_covered(self, oracle: OracleRow | None, device: Device | None, needed: bool) -> tuple[str, ...]:
        """needed: was there anything to repair?"""
        said = ["inputs outside the two parts: a repair is judged on samples, not proved"]
        if self.shared:
            said.append(
                f"inputs that the repair never saw: the repair part has {self.shared} of the "
                f"{len(self.judged)} validation inputs as well"
            )
        if oracle is None and needed:
            said.append("the repaired network was not run on TFLM's interpreter")
        if device is None:
            said.append(f"the {'repaired ' if needed else ''}network was not run on a device (--device)")
        if not self.robustness and needed:
            said.append("what the repair does to robustness (--verify N)")
        said += dict.fromkeys((*self.repair.notes, *self.judged.notes))
        ran = self.asked.device if device is not None else None
        return (*said, *(() if ran is None else device_limits(ran)))


def _classes(reference: Reference, x: NDArray[np.int8]) -> I64Array:
    outputs = reference.run(x)
    best: I64Array = outputs.reshape(len(outputs), -1).argmax(axis=1).astype(np.int64)
    return best


def _right(original: Observation, part: Inputs) -> int | None:
    """How many of the float network's classes are right; None without labels."""
    return None if part.y is None else int(np.sum(original.classes == part.y))


def _patch(before: Pair, after: Pair) -> tuple[ChangedByte, ...]:
    """All bytes that differ between the two int8 networks."""
    pairs = zip(before.layers, after.layers, strict=True)
    return tuple(
        byte
        for old, new in pairs
        if old.layer.tensor.dtype == "int8"
        for byte in changes(old.layer, new.layer.weights)
    )


def _judgement(
    parts: Sequence[PartRow], patch: Sequence[ChangedByte], labels: bool, shared: int
) -> tuple[Verdict, str]:
    """What the repair is called, and why."""
    repaired, judged = parts
    failing, left = repaired.failing_before or 0, repaired.failing_after or 0
    if not patch:
        if not failing:
            return "OK", "no test of the repair part fails: there is nothing to repair"
        return "NOT_REPAIRED", "no change of the chosen neurons helps a failing test without harm to others"
    if failing and left >= failing:
        return "NOT_REPAIRED", f"{failing} tests fail before {len(patch)} bytes are changed, {left} after"
    tests, size = "test" if failing == 1 else "tests", "byte" if len(patch) == 1 else "bytes"
    said = f"{failing - left} of {failing} failing {tests} fixed by {len(patch)} changed {size}"
    before, after = judged.before, judged.after
    counts = (before.right or 0, after.right or 0) if labels else (before.agreeing, after.agreeing)
    what = "right" if labels else "as float"
    on = f"validation: {counts[0]} {what} before, {counts[1]} after, of {after.samples}"
    if shared:
        on += f", of which the repair part has {shared} as well"
    if counts[1] < counts[0]:
        return "NOT_REPAIRED", f"{said}, but {on}"
    if after.agreeing < before.agreeing:
        on += f", but fewer agree with the float network: {before.agreeing} before, {after.agreeing} after"
    return "REPAIRED", f"{said}; {on}"
