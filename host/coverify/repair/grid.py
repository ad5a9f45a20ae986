"""Which metric finds the neurons to repair, and how many of them? The paper's tables, metric by count.

Each cell is the int8 network with the first n neurons of a ranking repaired, judged on the validation part;
`random` has one row per seed, the baseline that a metric must beat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coverify.repair.bench import Bench
from coverify.repair.cases import Fitness
from coverify.repair.metrics import METRICS, RANDOM, ranked
from coverify.repair.observation import Observation
from coverify.repair.paper import Paper
from coverify.repair.search import Search
from coverify.repair.spectrum import Spectrum
from tflm_int8.fixedpoint import I64Array

COUNTS: Final = (1, 5, 10, 30, 100)
"""Numbers of neurons, as in the paper; then all of them."""


@dataclass(frozen=True)
class Part:
    """Inputs to judge on: a bench, what the float network says, and labels where there are any."""

    bench: Bench
    original: Observation
    labels: I64Array | None

    def fitness(self, weights: I64Array) -> Fitness:
        """With other weights of the layer, int64 [neurons, weights]."""
        return Fitness.of(self.bench.answers(weights), self.original.classes, self.labels)


@dataclass(frozen=True)
class Cell:
    """One network of the grid; seed: of a random ranking; neurons: how many were to be repaired."""

    metric: str
    seed: int | None
    neurons: int
    changed: int
    repair: Fitness
    validation: Fitness


def counts_for(n_neurons: int) -> tuple[int, ...]:
    """The counts that a layer has room for, and all its neurons."""
    return (*(n for n in COUNTS if n < n_neurons), n_neurons)


def rankings(seeds: int) -> list[tuple[str, int | None]]:
    """Every metric, then random with each seed."""
    return [*((name, None) for name in METRICS), *((RANDOM, seed) for seed in range(seeds))]


def grid(
    method: Paper | Search,
    spectrum: Spectrum,
    repair: Part,
    validation: Part,
    seeds: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Cell]:
    """The cells, ranking by ranking."""
    asked = rankings(seeds)
    for done, (metric, seed) in enumerate(asked):
        order, _ = ranked(metric, spectrum, seed or 0)
        counts = counts_for(len(order))
        for n, weights in _weights(method, [int(i) for i in order], counts):
            changed = int(np.count_nonzero(weights != repair.bench.layer.weights))
            yield Cell(metric, seed, n, changed, repair.fitness(weights), validation.fitness(weights))
        progress(done + 1, len(asked))


def _weights(
    method: Paper | Search, order: list[int], counts: Sequence[int]
) -> Iterator[tuple[int, I64Array]]:
    if isinstance(method, Paper):
        for n in counts:
            yield n, method.weights(order[:n])
        return
    for done, (state, _) in enumerate(method.run(order), 1):
        if done in counts:
            yield done, state.weights
