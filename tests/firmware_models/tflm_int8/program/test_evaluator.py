"""Many inputs give the integers and the refusals of the concrete meaning, with and without float forms."""

import numpy as np
import pytest

import random_graphs
import random_state
from model_builder import Builder
from one_op import lowered
from oracle import NETWORKS, shared
from tflm_int8 import Model, Reference, TflmError, lower
from tflm_int8.fixedpoint import Rounding
from tflm_int8.geometry import Axis, Window2D
from tflm_int8.operators import OPERATORS
from tflm_int8.program import evaluator, requantizer
from tflm_int8.program.concrete import OutsideDomain, run
from tflm_int8.program.evaluator import Evaluator
from tflm_int8.program.linear import Convolution, Dense, Scaling
from tflm_int8.program.primitives import (
    Affine,
    Exact,
    Max,
    Program,
    Requantize,
    Select,
    Staircase,
    Step,
    Table,
    Term,
)
from tflm_int8.program.quick_steps import _Stairs

N = 40


@pytest.fixture(params=[1, 1 << 60], ids=["proved", "by the rule"], autouse=True)
def at_once(request, monkeypatch):
    """All is learnt before the first input, and staircases are proved at once or never."""
    monkeypatch.setattr(evaluator, "FEW", 0)
    monkeypatch.setattr(evaluator, "CELLS", 64)
    monkeypatch.setattr(requantizer, "WORTH", request.param)


def check(program: Program, x: np.ndarray, name: str) -> bool:
    """Equal to `run`, or refused as by it; was it run?"""
    found = Evaluator(program)
    try:
        expected = run(program, x)
    except OutsideDomain:
        for runs in (found.outputs, found.wires):
            with pytest.raises(OutsideDomain):
                runs(x)
        return False
    for _ in range(2):
        np.testing.assert_array_equal(found.outputs(x), expected[program.output], err_msg=name)
        for got, wire in zip(found.wires(x), expected, strict=True):
            assert got.dtype == np.int64
            np.testing.assert_array_equal(got, wire, err_msg=name)
    return True


class Zeroed(Builder):
    """A network that begins with zeros, whatever its input is."""

    def input(self, *given: object, **more: object) -> int:
        x = super().input(*given, **more)
        return self.op("ZEROS_LIKE", [x], self.like(x, self.tensors[x].shape))


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])  # LSTMs of int8
def test_what_no_input_moves_has_a_row_for_each_input_all_the_same(seed):
    """An LSTM is no constant of its own kind: it keeps state, and its kernel runs once for all inputs."""
    b = Zeroed()
    y = random_state.lstm(np.random.default_rng([seed, 3]), b)
    model = Model.from_bytes(b.finish(b.op("RELU", [y], b.like(y, b.tensors[y].shape))))
    reference = Reference(model)
    program = lower(model)
    assert any(isinstance(step, Exact) and not step.sources for step in program.steps)
    x = np.random.default_rng(seed).integers(-128, 128, (5, *reference.input.shape), np.int8)
    assert check(program, x.reshape(5, -1), model.name)
    expected = reference.trace(x, from_reset=True)[model.outputs[0]].reshape(5, -1)
    np.testing.assert_array_equal(run(program, x.reshape(5, -1))[program.output], expected)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_every_operator(operator):
    for case, seed, model, program in lowered(operator, 2):
        x = case.inputs(Reference(model), seed, N)
        check(program, np.asarray(x).reshape(len(x), -1).astype(np.int64), case.key)


def test_convolutions_of_padded_images_of_one_tap_and_more():
    """Where the border belongs to the window, one tap may lie outside the image."""
    single = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 11])
        b = Builder()
        shape = (1, *(int(n) for n in rng.integers(1, 6, 2)), int(rng.integers(1, 4)))
        image = random_graphs.padded(rng, b, b.input(shape, 0.05, int(rng.integers(-128, 128))), 3)
        depthwise, n_in = bool(rng.integers(2)), shape[3]
        kernel, stride = ((1, 1) if rng.random() < 0.7 else (2, 1)), tuple(map(int, rng.integers(1, 4, 2)))
        n_out = n_in * int(rng.integers(1, 3)) if depthwise else int(rng.integers(1, 4))
        w = rng.integers(-127, 128, (1, *kernel, n_out) if depthwise else (n_out, *kernel, n_in))
        layer = b.depthwise if depthwise else b.conv
        y = layer(
            image, w, np.zeros(n_out), [0.01] * n_out, 0.05, 0, stride=stride, padding=int(rng.integers(2))
        )
        try:
            program = lower(Model.from_bytes(b.finish(y)))
        except TflmError:
            continue
        single += kernel == (1, 1)
        check(program, rng.integers(-128, 128, (N, program.n_input)), f"padded {seed}")
    assert single > 20


@pytest.mark.parametrize("n", [1, 2, 5])
def test_stairs_on_constants(n):
    """Sums of nothing may not be written over."""
    rule = Requantize(np.array([1 << 30]), np.array([-3]), Rounding.DOUBLE, 0, -128, 127)
    constants = Affine((), np.array([1000, -70, 33]))
    check(Program(2, (constants, Staircase(1, rule, np.zeros(3, np.int64))), 2), np.ones((n, 2), int), "")


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp", "mnist_conv", "mnist_mlp_64_32"])
def test_networks_give_what_the_kernels_give(name):
    model = Model.read(NETWORKS / f"{name}.tflite")
    reference, found = Reference(model), Evaluator(lower(model))
    x = np.random.default_rng(3).integers(-128, 128, (N, *reference.input.shape[1:])).astype(np.int8)
    for _ in range(2):
        np.testing.assert_array_equal(found.outputs(x.reshape(N, -1)), reference.run(x).reshape(N, -1))


@pytest.mark.parametrize("name", ["models/kws_ref_model.tflite", "digits_cnn.tflite"])
def test_networks_run_in_float32_from_the_sums_to_the_codes(name):
    path = shared(name) if "/" in name else NETWORKS / name
    program = lower(Model.read(path))
    found, worth = Evaluator(program), requantizer.WORTH
    for _, wire, value in found._written(np.zeros((1, program.n_input), np.int8), 0):
        step = program.steps[wire - 1] if wire else None
        assert value.dtype == (np.float32 if isinstance(step, Affine) else np.int8)
    stairs = [step.stairs for step in found._steps if isinstance(step, _Stairs)]
    assert len(stairs) == sum(isinstance(step, Staircase) for step in program.steps)
    for one in stairs:
        if isinstance(one.rule, Requantize) and worth == 1:
            assert one._stage is not None and one._stage.dtype == np.float32
        else:
            assert one._stage is None


def random_rule(rng: np.random.Generator, channels: int) -> Requantize:
    """Any multiplier and shift, the ends among them, both roundings, narrow and wide codes."""
    lo, hi = sorted(rng.choice([-(1 << 15), -128, -127, -1, 0, 60, 127, (1 << 15) - 1], 2, replace=False))
    shifts = [(-31, -20), (-12, -5), (-8, -2), (-1, 1), (0, 3)][rng.integers(5)]
    multiplier = rng.integers(1 << 30, 1 << 31, channels)
    ends = rng.random(channels) < 0.2
    multiplier[ends] = rng.choice(
        [1 << 30, (1 << 31) - 1, (1 << 30) + 1, 0], ends.sum(), p=[0.4, 0.4, 0.1, 0.1]
    )
    return Requantize(
        multiplier,
        rng.integers(*shifts, channels, endpoint=True),
        rng.choice([Rounding.DOUBLE, Rounding.SINGLE]),
        int(rng.integers(-128, 128)),
        int(lo),
        int(hi),
    )


def random_program(rng: np.random.Generator) -> Program:
    """Sums of every magnitude, from one product to beyond float32, then staircases and moved elements."""
    height, steps, wire, n = int(rng.integers(1, 7)), [], 0, 0
    steps: list[Step]
    channels = int(rng.integers(1, 5))
    n_input = n = height * channels

    def emit(step: Step, size: int) -> None:
        nonlocal wire, n
        steps.append(step)
        wire, n = len(steps), size

    for _ in range(int(rng.integers(1, 4))):
        top = int(rng.choice([1, 127, 1 << 12, 1 << 20]))
        kind, offset = rng.integers(4), int(rng.choice([-128, 0, 3, 127]))
        if kind == 0 and n == height * channels:
            rows = Axis.of(height, int(rng.integers(1, height + 1)), int(rng.integers(1, 3)), 1, "SAME")
            window = Window2D(rows, Axis.of(1, 1, 1, 1, "SAME"))
            groups = int(rng.choice([1, channels]))
            filters = rng.integers(-top, top + 1, (channels, rows.kernel, 1, channels // groups))
            map_ = Convolution(window, filters, groups)
            height = rows.out
        elif kind == 1:
            map_ = Scaling(n, int(rng.integers(-top, top + 1)))
        else:
            map_ = Dense(rng.integers(-top, top + 1, (int(rng.integers(1, 9)), n)))
            height = 0
        bias = rng.integers(-(top << 8), (top << 8) + 1, map_.n_out)
        emit(Affine((Term(wire, map_, offset),), bias), map_.n_out)
        if rng.random() < 0.9:
            rules = int(rng.integers(1, n + 1))
            emit(Staircase(wire, random_rule(rng, rules), rng.integers(0, rules, n)), n)
        extra = rng.integers(4)
        if extra == 0:
            emit(Select(wire, rng.integers(0, n, n)), n)
        elif extra == 1:
            lo, hi = sorted(rng.integers(-128, 128, 2).tolist())
            emit(Max(wire, rng.integers(0, n, (n, 2)), lo, hi), n)
            emit(Table(wire, rng.integers(-(1 << int(rng.choice([7, 26]))), 128, 256)), n)
    return Program(n_input, tuple(steps), int(rng.integers(1, len(steps) + 1)))


@pytest.mark.parametrize("part", range(6))
def test_random_programs_with_extreme_shifts(part):
    ran = 0
    for seed in range(100):
        rng = np.random.default_rng([part, seed])
        program = random_program(rng)
        x = rng.choice([-128, -127, -1, 0, 1, 127], (N, program.n_input))
        x[N // 2 :] = rng.integers(-128, 128, x[N // 2 :].shape)
        ran += check(program, x, f"{part}-{seed}")
    assert 20 < ran < 100


def test_inputs_outside_the_programs_range_are_run_or_refused_as_they_are():
    """Dense sums and a table: the one goes on beyond int8, the other is refused."""
    weights = np.array([[3, -2], [1, 1]])
    affine = Affine((Term(0, Dense(weights), 0),), np.array([1, 2]))
    x = np.array([[1000, 5], [0, 0]])
    assert Evaluator(Program(2, (affine,), 1)).outputs(x).tolist() == [[2991, 1007], [1, 2]]
    with pytest.raises(OutsideDomain):
        Evaluator(Program(2, (Table(0, np.arange(256)),), 1)).outputs(x)


def test_the_wires_from_one_on_are_those_of_the_whole():
    model = Model.read(NETWORKS / "digits_cnn.tflite")
    program = lower(model)
    x = np.random.default_rng(5).integers(-128, 128, (N, program.n_input))
    whole = run(program, x)
    for first in range(1, 6):
        for got, wire in zip(Evaluator(program).wires(whole[first], first), whole[first:], strict=True):
            np.testing.assert_array_equal(got, wire)


def test_what_is_given_is_left_as_it_is():
    """The first step requantizes the input itself."""
    rule = Requantize(np.array([1 << 30]), np.array([0]), Rounding.DOUBLE, 0, -128, 127)
    x = np.arange(-8, 8).reshape(8, 2)
    before = x.copy()
    Evaluator(Program(2, (Staircase(0, rule, np.zeros(2, np.int64)),), 1)).outputs(x)
    np.testing.assert_array_equal(x, before)
