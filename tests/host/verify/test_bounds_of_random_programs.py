"""No wire of any input of a box lies outside its bounds, for every element-by-element operator."""

import numpy as np
import pytest

import random_elementwise
from coverify.verify.bounds import wire_bounds
from coverify.verify.errors import CannotDecide
from tflm_int8 import Model, UnsupportedOp, lower
from tflm_int8.program.concrete import run

CASES = 15


def boxes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    lo = rng.integers(-128, 128, n)
    return lo, np.minimum(lo + rng.integers(0, int(rng.choice([2, 20, 256])), n), 127)


@pytest.mark.parametrize("name", random_elementwise.ONE_OP)
def test_every_wire_stays_within_its_bounds(name):
    rng, checked = np.random.default_rng(23), 0
    for seed in range(CASES):
        try:
            program = lower(Model.from_bytes(random_elementwise.one_op(name, seed)))
        except UnsupportedOp:
            continue
        lo, hi = boxes(rng, program.n_input)
        if name.startswith("RSQRT"):  # TFLM fails on negative numbers
            lo = hi = np.full(program.n_input, 127)
        try:
            bounds = wire_bounds(program, lo, hi)
        except CannotDecide:
            continue
        x = rng.integers(lo, hi, (40, program.n_input), endpoint=True)
        x[0], x[1] = lo, hi
        for box, wire in zip(bounds, run(program, x), strict=True):
            assert np.all(wire >= box.lo)
            assert np.all(wire <= box.hi)
        checked += 1
    assert checked > CASES / 2
