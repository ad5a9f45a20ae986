"""Residual networks: the sums of an ADD are wide, their multipliers small; rounding loses nothing."""

from __future__ import annotations

import numpy as np

from coverify.verify.deadline import Deadline
from coverify.verify.dual import search
from coverify.verify.dual.prover import Prover
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from model_builder import Builder
from tflm_int8 import Model, lower

N, WIDTH = 40, 24


def residual() -> bytes:
    rng = np.random.default_rng(12)
    b = Builder()
    first = dense(rng, b, b.input((1, N), 0.004, -128), WIDTH, 0.008, 1)
    x = first
    for _ in range(2):
        x = b.add(x, dense(rng, b, x, WIDTH, 0.01, 0), 0.008, -128, 1)
    return b.finish(dense(rng, b, x, 4, 0.006, 0))


def dense(rng: np.random.Generator, b: Builder, x: int, n: int, scale: float, activation: int) -> int:
    n_in = b.tensors[x].shape[1]
    w = np.clip(rng.normal(0, 40, (n, n_in)), -127, 127).astype(int)
    zero_point = -128 if activation else 0
    return b.fully_connected(
        x, w, rng.integers(-900, 900, n), 0.25 / 60 / np.sqrt(n_in) * 4, scale, zero_point, activation
    )


def test_the_bounds_of_residual_networks_stand_in_integers_as_in_floats(monkeypatch) -> None:
    floats, real = [], search.descend

    def descend(*arguments, **options):
        found = real(*arguments, **options)
        floats.append(found.bound)
        return found

    monkeypatch.setattr(search, "descend", descend)
    program = lower(Model.from_bytes(residual()))
    x0 = np.random.default_rng(3).integers(-128, 128, N)
    label = int(Problem(program, Robustness.around(x0, 0, 0)).labels(x0[None])[0])
    prover = Prover.of(Problem(program, Robustness.around(x0, label, 6)), Deadline.in_s(60))
    prover.search.bounded(prover.roots, 40)
    lost = np.array([root.bound for root in prover.roots]) - floats[0]
    assert len(lost)
    assert np.all(lost < 0.1 * prover.search._rows(prover.roots[:1]).m)
