"""Bounds with parabolas under the first stairs: their certificates are accepted, also where none bends."""

import itertools

import numpy as np
import pytest

import fixed_point_networks
from coverify.check import check
from coverify.verify.bounds import wire_bounds
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.dual.cases import Cases
from coverify.verify.dual.relaxation import Relaxation
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import layers_of, outputs
from model_builder import Builder
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run


def saturating(seed):
    """Four inputs, ten neurons that clip often, three outputs; an input of it."""
    rng = np.random.default_rng([seed, 6])
    weights = [rng.integers(-9, 10, (10, 4)), rng.integers(-9, 10, (3, 10))]
    biases = [rng.integers(-900, 900, 10), np.zeros(3, int)]
    arrays = layers_of(weights, biases, [3, 2], [(0, 255), (-2000, 2000)])
    return arrays, rng.integers(20, 200, 4)


@pytest.mark.usefixtures("cases_of_stairs")
@pytest.mark.parametrize(("seed", "eps"), [(344, 8), (408, 8), (1307, 4), (1315, 8), (1979, 4)])
def test_the_certificate_of_a_bound_with_parabolas_is_accepted_and_true(seed, eps, tmp_path, monkeypatch):
    closed, bound = [], Cases.bound

    def watched(*args, **options):
        found = bound(*args, **options)
        if found is not None and found.bound < 0:
            closed.append(found.evidence.squares is not None)
        return found

    monkeypatch.setattr(Cases, "bound", watched)
    arrays, x = saturating(seed)
    content = fixed_point_networks.content(arrays)
    label = int(outputs(arrays, x[None])[0].argmax())
    query = Robustness.around(x, label, eps, None, 0, 255)
    problem = Problem(FixedPointNetwork.from_bytes(content).program, query)
    outcome = solve("dual", problem, Deadline.in_s(60))
    assert outcome.verdict is Verdict.HOLDS and outcome.argument is not None
    assert any(closed)
    Certificate(content, "fixed-point", query, outcome.argument, "dual").write(tmp_path / "c.zip")
    assert check(tmp_path / "c.zip").label == label
    box = np.array(
        list(itertools.product(*(range(a, b + 1) for a, b in zip(query.lo, query.hi, strict=True))))
    )
    assert np.all(outputs(arrays, box).argmax(axis=1) == label)


def test_the_first_stairs_are_those_that_the_outputs_depend_on():
    """An operator whose output nothing reads comes first, as in networks with a second head that was cut."""
    decided = 0
    for seed in range(6):
        rng = np.random.default_rng([seed, 12])
        b, n, hidden = Builder(), 12, 8
        x = b.input((1, n), 0.02, 0)
        b.fully_connected(x, rng.integers(-8, 9, (4, n)), np.zeros(4), [0.01], 0.01, 0, 0)
        biases = rng.integers(-500, 500, hidden)
        y = b.fully_connected(x, rng.integers(-8, 9, (hidden, n)), biases, [0.01], 0.01, 0, 0)
        y = b.fully_connected(y, rng.integers(-8, 9, (2, hidden)), np.zeros(2), [0.01], 0.004, 0, 0)
        program = lower(Model.from_bytes(b.finish(y)))
        base = rng.integers(-100, 100, n)
        label = int(run(program, base[None])[program.output][0].argmax())
        for eps in (4, 8, 16, 24):
            problem = Problem(program, Robustness.around(base, label, eps))
            boxes = wire_bounds(program, problem.query.lo, problem.query.hi)
            relaxation = Relaxation(program, program.output)
            found = Cases.of(relaxation, [(box.lo[None], box.hi[None]) for box in boxes])
            assert found is not None and found.wire == 4
            decided += solve("bab", problem, Deadline.in_s(3)).verdict is not Verdict.UNKNOWN
    assert decided >= 10
