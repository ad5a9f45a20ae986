"""Networks of 1 to 4 bits, random and small, against brute force on every input of the region."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from coverify.verify.cardinality import VARIANTS, formula
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.engines.packages import usable
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs, points, region

pytestmark = pytest.mark.skipif(
    not usable("cardinality"), reason="python-sat is not installed: pip install 'coverify[solvers]'"
)
MAX_POINTS = 400


def low_bit_network(
    rng: np.random.Generator, bits: int, logits: tuple[int, int] = (-2000, 2000)
) -> dict[str, np.ndarray]:
    """Two or three layers: weights and activations of so many bits in two's complement, ±1 for one bit."""
    top = 1 << (bits - 1)
    sizes = [int(rng.integers(2, 6)), *rng.integers(2, 7, int(rng.integers(1, 3))), int(rng.integers(2, 5))]
    weights, biases, shifts, ranges = [], [], [], []
    reach, middle = 255.0, 128.0
    for n_in, n_out in itertools.pairwise(sizes):
        levels = [-1, 1] if bits == 1 else np.arange(-top, top)
        weights.append(rng.choice(levels, (n_out, n_in)))
        spread = max(1.0, reach * top * np.sqrt(n_in) / 2)
        biases.append(np.rint(-middle * weights[-1].sum(axis=1) + rng.normal(0, spread / 2, n_out)))
        last = len(weights) == len(sizes) - 1
        shifts.append(0 if last else int(max(0, round(np.log2(spread / top)))))
        ranges.append(logits if last else (-top, top - 1))
        reach, middle = float(top), -0.5
    return layers_of(weights, biases, shifts, ranges)


def case(seed: int, bits: int, logits: tuple[int, int] = (-2000, 2000)) -> tuple[Problem, bool]:
    """A query, and whether it holds by brute force."""
    return asked(low_bit_network(np.random.default_rng([seed, bits, 83]), bits, logits), seed)[:2]


def asked(arrays: dict[str, np.ndarray], seed: int) -> tuple[Problem, bool, np.ndarray]:
    """A query about the network, whether it holds by brute force, and every output of its box."""
    rng = np.random.default_rng([seed, 84])
    x0, eps = region(arrays, rng, MAX_POINTS)
    label = int(outputs(arrays, x0[None])[0].argmax())
    every = outputs(arrays, points(x0, eps))
    holds = bool(np.all(every.argmax(axis=1) == label))
    program = FixedPointNetwork.from_bytes(content(arrays)).program
    return Problem(program, Robustness.around(x0, label, eps, None, 0, 255)), holds, every


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_verdicts_on_random_low_bit_networks_are_those_of_brute_force(bits, variant):
    seen = set()
    for seed in range(8):
        problem, holds = case(seed, bits)
        outcome = solve(f"cardinality:{variant}", problem, Deadline.in_s(60))
        assert outcome.verdict is (Verdict.HOLDS if holds else Verdict.VIOLATED), (seed, outcome)
        seen.add(outcome.verdict)
    assert len(seen) == 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_of_outputs_that_tie_the_first_is_the_class(variant):
    tied = {"before": 0, "after": 0}  # points where a rival before or after the label equals it
    for seed in range(16):
        arrays = low_bit_network(np.random.default_rng([seed, 85]), 2, logits=(-1, 1))
        problem, holds, every = asked(arrays, seed)
        outcome = solve(f"cardinality:{variant}", problem, Deadline.in_s(60))
        assert outcome.verdict is (Verdict.HOLDS if holds else Verdict.VIOLATED), (seed, outcome)
        label = problem.query.label
        equal = every == every.max(axis=1, keepdims=True)
        equal &= equal[:, [label]]
        tied["before"] += int(equal[:, :label].sum())
        tied["after"] += int(equal[:, label + 1 :].sum())
    assert min(tied.values()) > 0


def test_a_formula_that_would_be_too_large_is_an_unknown_that_names_the_limit(monkeypatch):
    monkeypatch.setattr(formula, "MAX_SIZE", 50)
    notes = set()
    for seed in range(6):
        problem, _ = case(seed, 3)
        outcome = solve("cardinality:minicard", problem, Deadline.in_s(60))
        if outcome.verdict is Verdict.UNKNOWN:
            notes.add(outcome.note)
    assert notes == {"its formula needs more than 50 literals, the most that are written"}
