"""Random small integer programs with a query whose box can be enumerated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from coverify.verify.dual import branching
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness
from tflm_int8.fixedpoint import Rounding, quantize_multiplier
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.kernels.softmax import SoftmaxFunction
from tflm_int8.program.concrete import run
from tflm_int8.program.linear import Convolution, Dense, Scaling
from tflm_int8.program.primitives import (
    Affine,
    DivideRounding,
    Max,
    Program,
    Requantize,
    Select,
    Softmax,
    Staircase,
    Step,
    Table,
    Term,
)

MAX_POINTS = 3000


class Builder:
    """A random program, step by step; `wire` is the last wire and `n` its size."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.steps, self.wire = rng, [], 0
        self.steps: list[Step]
        self.n = int(rng.integers(1, 7))
        self.n_input = self.n

    def emit(self, step: Step, n: int) -> None:
        self.steps.append(step)
        self.wire, self.n = len(self.steps), n

    def requantize(self, channels: int, reach: np.ndarray, lo: int = -128) -> None:
        """A staircase after accumulators of about ±reach, from barely used to heavily saturated."""
        real = 127 / np.maximum(reach, 1) * 2.0 ** self.rng.uniform(-5, 4)
        if self.rng.random() < 0.5:
            real = np.full(channels, real[0])
        parts = [quantize_multiplier(float(r)) for r in np.broadcast_to(real, channels)]
        rule = Requantize(
            np.array([p.value for p in parts]),
            np.array([p.shift for p in parts]),
            self.rng.choice([Rounding.DOUBLE, Rounding.SINGLE]),
            int(self.rng.integers(-40, 41)),
            lo,
            int(self.rng.choice([127, 127, 60])),
        )
        self.emit(Staircase(self.wire, rule, np.arange(self.n) % channels), self.n)

    def dense(self, n_out: int, last: bool = False) -> None:
        big = int(self.rng.choice([1, 3, 20, 127]))
        weights = self.rng.integers(-big, big + 1, (n_out, self.n))
        bias = self.rng.integers(-40 * big, 40 * big + 1, n_out)
        offset = int(self.rng.integers(-128, 128))
        reach = np.abs(weights).sum(axis=1) * 40.0
        self.emit(Affine((Term(self.wire, Dense(weights), offset),), bias), n_out)
        self.requantize(1 if last else n_out, reach[:1] if last else reach)

    def convolution(self) -> None:
        height, groups = self.n, int(self.rng.choice([1, 1, 2]))
        channels = int(self.rng.integers(1, 3)) * groups
        rows = Axis.of(height, int(self.rng.integers(1, min(3, height) + 1)), 1, 1, "SAME")
        window = Window2D(rows, Axis.of(1, 1, 1, 1, "SAME"))
        if groups == 2:
            repeat = np.repeat(np.arange(height), 2)
            self.emit(Select(self.wire, repeat), len(repeat))
        filters = self.rng.integers(-30, 31, (channels, rows.kernel, 1, 1))
        bias = np.tile(self.rng.integers(-500, 500, channels), window.n_positions)
        linear = Convolution(window, filters, groups)
        offset = int(self.rng.integers(-30, 30))
        self.emit(Affine((Term(self.wire, linear, offset),), bias), linear.n_out)
        reach = np.abs(filters).sum(axis=(1, 2, 3)) * 40.0
        self.requantize(channels, reach)

    def maximum(self) -> None:
        windows = self.rng.integers(0, self.n, (max(1, self.n // 2), 2))
        low = int(self.rng.choice([-128, -20]))
        self.emit(Max(self.wire, windows, low, 127), len(windows))

    def average(self) -> None:
        weights = np.zeros((max(1, self.n // 2), self.n), np.int64)
        for row in weights:
            row[self.rng.integers(0, self.n, 2)] = 1
        self.emit(
            Affine((Term(self.wire, Dense(weights), 0),), np.zeros(len(weights), np.int64)), len(weights)
        )
        count = np.maximum(weights.sum(axis=1), 1)
        self.emit(Staircase(self.wire, DivideRounding(count, -128, 127), np.arange(self.n)), self.n)

    def table(self) -> None:
        kind = self.rng.integers(3)
        values = self.rng.integers(-128, 128, 256)
        if kind == 0:
            values = np.round(255 / (1 + np.exp(-np.linspace(-6, 6, 256)))).astype(np.int64) - 128
        elif kind == 1:
            values = values // 64 * 5
        self.emit(Table(self.wire, values), self.n)

    def residual(self) -> None:
        a, n = self.wire, self.n
        self.dense(n)
        b = self.wire
        parts = []
        for wire in (a, b):
            factor = int(self.rng.integers(1 << 8, 1 << 12))
            self.emit(Table(wire, factor * (np.arange(-128, 128) - int(self.rng.integers(-9, 9)))), n)
            parts.append(Term(self.wire, Scaling(n, int(self.rng.choice([1, 1, -1]))), 0))
        self.emit(Affine(tuple(parts), np.zeros(n, np.int64)), n)
        self.requantize(1, np.array([127.0 * 4000]))

    def softmax(self) -> None:
        scale = float(np.exp(self.rng.uniform(np.log(3e-4), np.log(1.0))))
        multiplier = quantize_multiplier(scale * 2.0**26)
        function = SoftmaxFunction(multiplier, (31 << 26) // (1 << multiplier.shift))
        self.emit(Softmax(self.wire, self.n, function), self.n)


def random_program(rng: np.random.Generator) -> Program:
    build = Builder(rng)
    if rng.random() < 0.3:
        build.convolution()
        if rng.random() < 0.6:
            build.maximum() if rng.random() < 0.5 else build.average()
    for _ in range(int(rng.integers(0, 3))):
        kind = rng.random()
        if kind < 0.6:
            build.dense(int(rng.integers(1, 6)))
        elif kind < 0.8:
            build.residual()
        elif kind < 0.9:
            build.table()
        else:
            build.maximum()
    build.dense(int(rng.integers(2, 6)), last=True)
    ending = rng.random()
    if ending < 0.5:
        build.softmax()
    elif ending < 0.6:
        build.table()
    return Program(build.n_input, tuple(build.steps), build.wire)


def near_a_boundary(program: Program, rng: np.random.Generator) -> np.ndarray | None:
    """An input whose label is often not that of its neighbours; None when all seem to share a label."""
    x = rng.integers(-128, 128, (100, program.n_input))
    labels = run(program, x)[program.output].argmax(axis=1)
    if len(np.unique(labels)) == 1:
        return None
    a, b = x[0], x[np.flatnonzero(labels != labels[0])[0]]
    for _ in range(int(rng.integers(2, 9))):  # bisection towards the boundary
        middle = (a + b) // 2
        same = run(program, middle[None])[program.output][0].argmax() == labels[0]
        a, b = (middle, b) if same else (a, middle)
    return a


def random_problem(seed: int) -> Problem:
    """A program, and a box of at most MAX_POINTS points around a random input."""
    rng = np.random.default_rng(seed)
    program, x0 = random_program(rng), None
    while x0 is None:
        x0 = near_a_boundary(program, rng)
        program = program if x0 is not None else random_program(rng)
    n = program.n_input
    mask = rng.random(n) < 0.8
    free = max(1, int(mask.sum()))
    eps = int(rng.integers(0, max(1, int((MAX_POINTS ** (1 / free) - 1) / 2)) + 1))
    found = int(run(program, x0[None])[program.output][0].argmax())
    n_out = program.sizes()[program.output]
    label = found if rng.random() < 0.95 else int(rng.integers(n_out))
    return Problem(program, Robustness.around(x0, label, eps, mask))


@pytest.fixture
def problem_of() -> Callable[[int], Problem]:
    """Seed → problem."""
    return random_problem


@pytest.fixture
def cases_of_stairs(monkeypatch) -> None:
    """Networks of few inputs are proved as those of many are: by cases of stairs and parabolas."""
    monkeypatch.setattr(branching, "FEW", -1)
