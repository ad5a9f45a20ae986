"""What is computed of a box's inputs, where only some elements vary, equals what the whole network gives."""

from pathlib import Path

import numpy as np
import pytest

from coverify.verify.cone import Cone, worth_it
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from one_op import lowered
from tflm_int8 import Model, Reference, lower
from tflm_int8.operators import OPERATORS
from tflm_int8.program.concrete import OutsideDomain, run

N = 30


def boxes_of(x0: np.ndarray, rng: np.random.Generator):
    """Very few elements, few, half of them and all vary, by little and by much."""
    for share, width in ((0.01, 3), (0.05, 3), (0.5, 1), (0.5, 200), (1.0, 20)):
        free = rng.random(len(x0)) < share
        free[rng.integers(len(x0))] = True
        lo = np.where(free, np.maximum(x0 - rng.integers(0, width + 1, len(x0)), -128), x0)
        yield lo, np.where(free, np.minimum(lo + width, 127), x0)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_every_operator_gives_what_the_program_gives(operator):
    for case, seed, model, program in lowered(operator, 2):
        rng = np.random.default_rng([seed, 5])
        x0 = case.inputs(Reference(model), seed, 5)[4].reshape(-1).astype(np.int64)
        for lo, hi in boxes_of(x0, rng):
            x = rng.integers(lo, hi, (N, len(lo)), endpoint=True)
            try:
                cone, expected = Cone(program, lo, hi), run(program, x)[program.output]
            except (CannotDecide, OutsideDomain):
                continue
            np.testing.assert_array_equal(cone.outputs(x), expected, err_msg=case.key)


NETWORKS = Path(__file__).parents[3] / "firmware_models" / "networks"


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp", "mnist_conv", "mnist_mlp_64_32"])
def test_networks_give_what_the_kernels_give(name):
    model = Model.read(NETWORKS / f"{name}.tflite")
    reference, program = Reference(model), lower(model)
    rng = np.random.default_rng(3)
    fewer = 0
    for lo, hi in boxes_of(rng.integers(-128, 128, program.n_input), rng):
        x = rng.integers(lo, hi, (N, len(lo)), endpoint=True)
        expected = reference.run(x.astype(np.int8).reshape(N, *reference.input.shape[1:]))
        np.testing.assert_array_equal(Cone(program, lo, hi).outputs(x), expected.reshape(N, -1))
        fewer += worth_it(program, lo, hi) is not None
    assert fewer


def test_enumeration_answers_as_the_kernels_do():
    """Two neighbouring pixels vary, which few positions of a convolution read."""
    model = Model.read(NETWORKS / "digits_cnn.tflite")
    reference, program = Reference(model), lower(model)
    rng, decided = np.random.default_rng(4), set()
    for _ in range(12):
        x0 = rng.integers(-128, 128, program.n_input)
        mask = np.isin(np.arange(len(x0)), rng.integers(len(x0) - 1) + np.arange(2))
        label = int(reference.run(x0[None].astype(np.int8).reshape(1, *reference.input.shape[1:])).argmax())
        problem = Problem(program, Robustness.around(x0, label, 30, mask))
        assert worth_it(program, problem.query.lo, problem.query.hi) is not None
        points = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(
            problem.query.lo[mask], problem.query.hi[mask], strict=True)), indexing="ij"), -1)  # fmt: skip
        x = np.repeat(x0[None], points.size // 2, axis=0)
        x[:, mask] = points.reshape(-1, 2)
        labels = reference.run(x.astype(np.int8).reshape(-1, *reference.input.shape[1:])).argmax(axis=1)
        verdict = solve("enumerate", problem, Deadline.in_s(60)).verdict
        assert verdict is (Verdict.HOLDS if np.all(labels == label) else Verdict.VIOLATED)
        decided.add(verdict)
    assert len(decided) == 2
