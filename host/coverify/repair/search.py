"""Repair neurons one after another, the most suspicious first: each by the integer program, exactly.

Each step starts from what the steps before it left: it looks at the tests that still fail, solves for one
neuron, and is kept only if no passing test breaks in the network itself (the operators behind the layer are
run). At the end, neurons whose change nothing needs are put back: a small patch is a good patch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from coverify.repair.bench import Bench
from coverify.repair.cases import Cases
from coverify.repair.demands import Criterion, Neuron, by_class, by_code, by_status
from coverify.repair.guide import Aims, Guide
from coverify.repair.layer import WEIGHT_HI, WEIGHT_LO
from coverify.repair.observation import F32Array
from coverify.repair.program import Demand, Preference, Program, Solution
from coverify.repair.solvers import Solvers
from tflm_int8.fixedpoint import I64Array

Ended = Literal[
    "changed",
    "nothing to do",
    "no change helps",
    "passing tests break",
    "not needed",
    "no change after rounding",
]
_MAX_ROUNDS: Final = 12
"""How often passing tests that break are pinned and the neuron is solved again."""


@dataclass(frozen=True)
class Step:
    """What became of one neuron.

    met, wished: demands; fixed: failing tests that pass since; optimal: no fewer weights, by the solver;
    None: it is not known (the paper's method judges its neurons together).
    """

    neuron: int
    ended: Ended
    changed: int = 0
    met: int | None = 0
    wished: int | None = 0
    fixed: int | None = 0
    optimal: bool | None = False
    time_s: float | None = 0.0


def _range(weights: I64Array) -> tuple[I64Array, I64Array]:
    """How far each weight may go, down and up, on the int8 lattice."""
    return np.minimum(WEIGHT_LO, weights) - weights, np.maximum(WEIGHT_HI, weights) - weights


@dataclass(frozen=True, eq=False)
class State:
    """A layer under repair: weights int64 [neurons, weights]; outputs, classes of the repair tests."""

    weights: I64Array
    outputs: I64Array
    classes: I64Array


@dataclass(eq=False)
class Search:
    """One layer and its tests. real: the float network's outputs, float32 [N, positions, neurons].

    criterion: `classes` is by the linear guide where a neuron has more than one output per sample.
    """

    bench: Bench
    x: NDArray[np.int8]
    cases: Cases
    real: F32Array
    solvers: Solvers
    criterion: Criterion = "classes"
    prefer: Preference = "bytes"
    tolerance: int = 1
    trust: int = 24
    """How far the guide moves a weight."""
    _known: dict[tuple[int, ...], tuple[State, Step]] = field(default_factory=dict, init=False)

    @property
    def start(self) -> State:
        """As the network is."""
        return State(self.bench.layer.weights, self.bench.outputs, self.bench.classes)

    def run(
        self, order: Sequence[int], progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[tuple[State, Step]]:
        """The state after every neuron of the order; equal beginnings of orders are solved once."""
        state = self.start
        for i, neuron in enumerate(order):
            key = tuple(order[: i + 1])
            if key not in self._known:
                self._known[key] = self._step(state, neuron)
            state, step = self._known[key]
            progress(i + 1, len(order))
            yield state, step

    def failing(self, state: State) -> I64Array:
        """The numbers of the tests that still fail."""
        return np.flatnonzero((self.cases.wanted >= 0) & (state.classes != self.cases.wanted))

    def passing(self, state: State) -> I64Array:
        """The numbers of those whose class must stay."""
        return np.flatnonzero((self.cases.wanted >= 0) & (state.classes == self.cases.wanted))

    def _step(self, state: State, number: int) -> tuple[State, Step]:
        began = time.monotonic()
        failing, passing = self.failing(state), self.passing(state)
        neuron = Neuron(self.bench, number, state.weights[number], state.outputs)
        if len(failing) and self.criterion == "classes" and self.bench.layer.n_positions > 1:
            after, step = self._guided(state, number, failing, passing)
            return after, replace(step, time_s=time.monotonic() - began)
        wishes, required = self._demands(neuron, failing, passing) if len(failing) else ([], [])
        if not wishes:
            return state, Step(number, "nothing to do", time_s=time.monotonic() - began)
        after, step = self._solved(state, neuron, wishes, required, passing)
        return after, replace(step, time_s=time.monotonic() - began)

    def _guided(self, state: State, number: int, failing: I64Array, passing: I64Array) -> tuple[State, Step]:
        """Solve with the guide's rows, and again where they were too bold; the best that breaks nothing."""
        scores = self.bench.tail.scores(state.outputs.reshape(self.bench.n, -1), self.bench.everyone)
        aims = Aims.of(self.guide, number, scores, failing, passing)
        lo, hi = (np.clip(end, -self.trust, self.trust) for end in _range(state.weights[number]))
        best, step = state, Step(number, "no change helps", wished=len(failing))
        for _ in range(_MAX_ROUNDS):
            found = self.solvers.integers(Program(lo, hi, aims.wished(), aims.required(), self.prefer))
            if not np.any(found.delta):
                break
            after = self._changed(state, number, state.weights[number] + found.delta)
            broken = self._broken(after, passing)
            missed = [s for s, met in zip(aims.aim, found.met, strict=True) if met and self._fails(after, s)]
            if not len(broken) and len(self.failing(after)) < len(self.failing(best)):
                best, step = after, self._step_of(number, state, after, found)
            if not len(broken) and not missed:
                break
            aims.learn(broken, missed)
        return best, replace(step, optimal=False)

    def _fails(self, state: State, sample: int) -> bool:
        return bool(state.classes[sample] != self.cases.wanted[sample])

    def _broken(self, state: State, passing: I64Array) -> I64Array:
        """Those of the tests that do not pass."""
        broken: I64Array = passing[state.classes[passing] != self.cases.wanted[passing]]
        return broken

    @cached_property
    def guide(self) -> Guide:
        return Guide(self.bench, self.x, self.cases.wanted)

    def _demands(
        self, neuron: Neuron, failing: I64Array, passing: I64Array
    ) -> tuple[list[Demand], list[Demand]]:
        real = self.real[:, :, neuron.number]
        if self.criterion == "classes" and self.bench.layer.n_positions == 1:
            wishes, required, _ = by_class(neuron, self.cases.wanted, failing, passing)
            return wishes, required
        if self.criterion == "codes":
            return by_code(neuron, real, failing, self.tolerance), []
        return by_status(neuron, real, failing), []

    def _solved(
        self, state: State, neuron: Neuron, wishes: list[Demand], required: list[Demand], passing: I64Array
    ) -> tuple[State, Step]:
        """Solve; pin what breaks and solve again; the state stays as it was where that does not end well."""
        lo, hi = _range(neuron.weights)
        for _ in range(_MAX_ROUNDS):
            found = self.solvers.integers(Program(lo, hi, tuple(wishes), tuple(required), self.prefer))
            n = len(wishes)
            if not np.any(found.delta):
                return state, Step(neuron.number, "no change helps", wished=n, optimal=found.optimal)
            after = self._changed(state, neuron.number, neuron.weights + found.delta)
            broken = self._broken(after, passing)
            if not len(broken):
                return after, self._step_of(neuron.number, state, after, found)
            required = [*required, *(neuron.pinned(int(sample)) for sample in broken)]
        return state, Step(neuron.number, "passing tests break", wished=len(wishes))

    def _step_of(self, number: int, before: State, after: State, found: Solution) -> Step:
        return Step(
            number,
            "changed",
            changed=int(np.count_nonzero(found.delta)),
            met=int(found.met.sum()),
            wished=len(found.met),
            fixed=len(self.failing(before)) - len(self.failing(after)),
            optimal=found.optimal and self.prefer == "bytes",
        )

    def _changed(self, state: State, neuron: int, weights: I64Array) -> State:
        column = self.bench.column(neuron, weights)
        outputs, classes = self.bench.with_column(state.outputs, state.classes, neuron, column)
        every = state.weights.copy()
        every[neuron] = weights
        return State(every, outputs, classes)

    def pruned(self, state: State) -> State:
        """Without the changes that no test needs: whole neurons first, then weight by weight."""
        original = self.bench.layer.weights
        changed = np.count_nonzero(state.weights != original, axis=1)
        for neuron in np.argsort(-changed, kind="stable")[: int(np.count_nonzero(changed))]:
            state = self._without(state, int(neuron), original[neuron])
        for neuron, weight in np.argwhere(state.weights != original):
            weights = state.weights[neuron].copy()
            weights[weight] = original[neuron, weight]
            state = self._without(state, int(neuron), weights)
        return state

    def _without(self, state: State, neuron: int, weights: I64Array) -> State:
        """The neuron with other weights, where no test fails that passed."""
        after = self._changed(state, neuron, weights)
        return after if set(self.failing(after)) <= set(self.failing(state)) else state
