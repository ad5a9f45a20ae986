"""From a pair of networks and tests to a patched network: localize, rank, repair, layer by layer.

The patch is found on the repair tests alone; nothing here looks at the validation part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coverify.repair.bench import Bench
from coverify.repair.cases import Cases
from coverify.repair.demands import Criterion
from coverify.repair.layer import check_repairable
from coverify.repair.metrics import ranked
from coverify.repair.observation import Observation
from coverify.repair.pair import Pair
from coverify.repair.paper import Paper
from coverify.repair.patch import ChangedByte, apply, changes
from coverify.repair.program import Preference
from coverify.repair.search import Ended, Search, Step
from coverify.repair.solvers import Solvers
from coverify.repair.spectrum import Kind, Spectrum, activated
from tflm_int8 import Ends
from tflm_int8.fixedpoint import I64Array

METHODS = ("lattice", "paper")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """How to repair: layers: operator indices, in this order; neurons: how many of a layer, None: all."""

    layers: tuple[int, ...]
    method: str = "lattice"
    metric: str = "ochiai"
    neurons: int | None = 10
    criterion: Criterion = "classes"
    prefer: Preference = "bytes"
    kind: Kind = "status"
    threshold: float = 1.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class RepairTests:
    """The repair tests: x: int8 [N, …]; wanted: int64 [N], −1: nothing; original: the float network."""

    x: NDArray[np.int8]
    wanted: I64Array
    original: Observation

    def cases(self, classes: I64Array) -> Cases:
        """Those that fail now, by the int8 network's classes of now."""
        return Cases(self.wanted, (self.wanted >= 0) & (classes != self.wanted))

    def joined(self, other: RepairTests) -> RepairTests:
        """Both, one after another."""
        return RepairTests(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.wanted, other.wanted]),
            self.original.joined(other.original),
        )


@dataclass(frozen=True, eq=False)
class Repaired:
    """A layer's neurons as they were ranked, what became of each, and the bytes that change.

    scores: of the steps' neurons; kept, rows: what rounding left of the paper's constraints.
    """

    op_index: int
    steps: tuple[Step, ...]
    scores: tuple[float, ...]
    patch: tuple[ChangedByte, ...]
    kept: int = 0
    rows: int = 0


@dataclass(frozen=True, eq=False)
class Prepared:
    """One layer of the network as it is now, on the repair tests."""

    bench: Bench
    cases: Cases
    spectrum: Spectrum

    @staticmethod
    def of(pair: Pair, op_index: int, tests: RepairTests, plan: Plan) -> Prepared:
        """Raises NotRepairable."""
        layer = pair.layer(op_index).layer
        check_repairable(layer)
        bench = Bench(layer, tests.x)
        cases = tests.cases(bench.classes)
        real = tests.original.outputs[op_index]
        accused = activated(layer, bench.outputs, real, plan.kind, plan.threshold)
        return Prepared(bench, cases, Spectrum.of(accused, cases))

    def method(self, tests: RepairTests, plan: Plan, solvers: Solvers) -> Paper | Search:
        """The plan's method on this layer."""
        real = tests.original.outputs[self.bench.layer.op_index]
        if plan.method == "paper":
            return Paper(self.bench, self.cases, real, solvers)
        return Search(self.bench, tests.x, self.cases, real, solvers, plan.criterion, plan.prefer)


def repair(
    pair: Pair,
    tests: RepairTests,
    plan: Plan,
    solvers: Solvers,
    progress: Progress = lambda done, total: None,
) -> tuple[Pair, tuple[Repaired, ...]]:
    """The pair with the patched int8 network, and what was done.  Raises NotRepairable, SolverFault."""
    done: list[Repaired] = []
    for op_index in plan.layers:
        found = _layer(pair, op_index, tests, plan, solvers, progress)
        done.append(found)
        if found.patch:
            pair = patched(pair, found.patch)
    return pair, tuple(done)


def patched(pair: Pair, patch: tuple[ChangedByte, ...]) -> Pair:
    """The pair with its int8 network's bytes changed."""
    reference = pair.reference
    return pair.repaired(Ends.of(apply(reference.model, patch), reference.profile).reference)


def _layer(
    pair: Pair, op_index: int, tests: RepairTests, plan: Plan, solvers: Solvers, progress: Progress
) -> Repaired:
    prepared = Prepared.of(pair, op_index, tests, plan)
    order, scores = ranked(plan.metric, prepared.spectrum, plan.seed)
    chosen = [int(neuron) for neuron in order[: plan.neurons]]
    method = prepared.method(tests, plan, solvers)
    ranks = tuple(float(score) for score in scores[chosen])
    layer = prepared.bench.layer
    if isinstance(method, Paper):
        steps, kept, rows = _by_paper(method, chosen, progress)
        return Repaired(op_index, steps, ranks, changes(layer, method.weights(chosen)), kept, rows)
    done = list(method.run(chosen, progress))
    state = method.pruned(done[-1][0] if done else method.start)
    left = np.count_nonzero(state.weights != layer.weights, axis=1)
    steps = tuple(_as_left(step, int(left[step.neuron])) for _, step in done)
    return Repaired(op_index, steps, ranks, changes(layer, state.weights))


def _as_left(step: Step, left: int) -> Step:
    """A step after what nothing needs was put back."""
    if step.changed and not left:
        return replace(step, ended="not needed", changed=0, fixed=0)
    return replace(step, changed=left, optimal=step.optimal and left == step.changed)


def _alone(number: int, ended: Ended, changed: int, wished: int | None) -> Step:
    """A step of the paper's method, which judges its neurons together: tests and time are not told apart."""
    return Step(number, ended, changed, met=None, wished=wished, fixed=None, optimal=None, time_s=None)


def _by_paper(method: Paper, chosen: list[int], progress: Progress) -> tuple[tuple[Step, ...], int, int]:
    steps, kept, rows = [], 0, 0
    for done, number in enumerate(chosen, 1):
        found = method.neuron(number)
        if found is None:
            steps.append(_alone(number, "no change helps", 0, None))
        else:
            changed = int(np.count_nonzero(found.weights != method.bench.layer.weights[number]))
            ended: Ended = "changed" if changed else "no change after rounding"
            steps.append(_alone(number, ended, changed, found.wrong))
            kept, rows = kept + found.kept, rows + found.rows
        progress(done, len(chosen))
    return tuple(steps), kept, rows
