"""Neurons are repaired in the network itself. Expected: TFLM's interpreter; brute force over one weight."""

import importlib.util

import numpy as np
import pytest

from coverify.repair.bench import Bench
from coverify.repair.cases import Cases
from coverify.repair.demands import Neuron, by_class, by_code, by_status
from coverify.repair.job import Plan, RepairTests, repair
from coverify.repair.layer import layers_of
from coverify.repair.observation import Observation
from coverify.repair.paper import Paper
from coverify.repair.patch import changes
from coverify.repair.search import Search
from coverify.repair.solvers import Solvers
from network_pairs import cnn, mlp
from oracle import Tflm
from tflm_int8 import Model, Reference

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ortools") is None or importlib.util.find_spec("highspy") is None,
    reason="the extra solvers is not installed",
)


def tflm_classes(content: bytes, x: np.ndarray) -> np.ndarray:
    interpreter, model = Tflm(content), Model.from_bytes(content)
    shape = model.tensors[model.inputs[0]].shape
    return np.array([int(interpreter.run(one.reshape(shape)).argmax()) for one in x])


def repair_tests(made, n: int, seed: int) -> RepairTests:
    """Repair tests whose float network is numpy's; its activations are not needed for classes."""
    x = made.inputs(n, seed)
    real = made.real_classes(x)
    layers = layers_of(made.paired().reference)
    outputs = {
        layer.op_index: np.zeros((n, layer.n_positions, layer.n_neurons), np.float32) for layer in layers
    }
    return RepairTests(x, real, Observation(real, outputs))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_the_class_is_as_wanted_exactly_where_a_demand_is_met(number, softmax):
    made = mlp(4, softmax=softmax)
    x, rng = made.inputs(60, 1), np.random.default_rng(9)
    layer = layers_of(made.paired().reference)[number]
    bench = Bench(layer, x)
    wanted = made.real_classes(x)
    failing, passing = np.flatnonzero(bench.classes != wanted), np.flatnonzero(bench.classes == wanted)
    assert len(failing) > 2
    for neuron in range(layer.n_neurons):
        here = Neuron(bench, neuron, layer.weights[neuron], bench.outputs)
        wishes, required, able = by_class(here, wanted, failing, passing)
        for _ in range(6):
            delta = rng.integers(-60, 61, layer.weights.shape[1])
            weights = layer.weights.copy()
            weights[neuron] = np.clip(weights[neuron] + delta, -127, 127)
            delta = weights[neuron] - layer.weights[neuron]
            after = bench.answers(weights)
            met = [wish.short(delta) == 0 for wish in wishes]
            assert met == (after[able] == wanted[able]).tolist()
            unable = sorted(set(failing.tolist()) - set(able.tolist()))
            assert np.all(after[unable] != wanted[unable])
            if wishes and all(demand.short(delta) == 0 for demand in required):
                assert np.array_equal(after[passing], wanted[passing])


@pytest.mark.parametrize(("make", "ops"), [(mlp, (1, 0)), (mlp, (0,)), (cnn, (3, 0)), (cnn, (1,))])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_repair_fixes_failing_tests_and_breaks_no_passing_one(make, ops, seed):
    made = make(seed)
    tests = repair_tests(made, 60, seed)
    before = tflm_classes(made.quantized, tests.x)
    failing = before != tests.wanted
    assert failing.sum() >= 3
    plan = Plan(layers=ops, neurons=3, metric="random", seed=2)
    with Solvers(seconds=0.1) as solvers:
        after, done = repair(made.paired(), tests, plan, solvers)
    now = tflm_classes(after.reference.model.content, tests.x)
    assert np.all(now[~failing] == tests.wanted[~failing])
    fixed = int(np.sum(now[failing] == tests.wanted[failing]))
    assert fixed > 0
    differ = sum(a != b for a, b in zip(made.quantized, after.reference.model.content, strict=True))
    assert 0 < differ == sum(len(layer.patch) for layer in done)


def test_no_single_weight_fixes_more_than_the_solution_of_one_changed_weight_or_none():
    made = mlp(7)
    tests = repair_tests(made, 40, 5)
    layer = layers_of(made.paired().reference)[1]
    bench = Bench(layer, tests.x)
    cases = tests.cases(bench.classes)
    passing = ~cases.failing
    with Solvers(seconds=5) as solvers:
        search = Search(bench, tests.x, cases, tests.original.outputs[layer.op_index], solvers)
        for neuron in range(layer.n_neurons):
            ((state, step),) = search.run([neuron])
            assert step.ended == "nothing to do" or step.optimal
            most = 0
            for weight in range(layer.weights.shape[1]):
                for code in range(-127, 128):
                    weights = layer.weights.copy()
                    weights[neuron, weight] = code
                    classes = bench.answers(weights)
                    if np.array_equal(classes[passing], cases.wanted[passing]):
                        most = max(most, int(np.sum(classes[cases.failing] == cases.wanted[cases.failing])))
            fixed = int(np.sum(state.classes[cases.failing] == cases.wanted[cases.failing]))
            assert fixed >= most
            if fixed == most and fixed:
                assert step.changed == 1


def test_fewest_weights_are_claimed_only_where_they_are_what_is_preferred():
    made = mlp(5)
    tests = repair_tests(made, 40, 5)
    steps = []
    with Solvers(seconds=1) as solvers:
        for prefer in ("bytes", "size"):
            plan = Plan(layers=(1,), neurons=None, prefer=prefer)
            _, (done,) = repair(made.paired(), tests, plan, solvers)
            steps += [step for step in done.steps if step.changed]
    fewest, gentlest = steps
    assert (fewest.neuron, fewest.met) == (gentlest.neuron, gentlest.met)
    assert fewest.changed < gentlest.changed
    assert (fewest.optimal, gentlest.optimal) == (True, False)


def test_a_change_that_nothing_needs_is_put_back():
    made = mlp(1)
    tests = repair_tests(made, 60, 1)
    layer = layers_of(made.paired().reference)[1]
    bench = Bench(layer, tests.x)
    with Solvers(seconds=1) as solvers:
        search = Search(bench, tests.x, tests.cases(bench.classes), tests.original.outputs[1], solvers)
        *_, (state, _) = search.run(list(range(layer.n_neurons)))
        extra = state.weights.copy()
        rows = np.flatnonzero(np.all(extra == layer.weights, axis=1))
        needless = int(rows[0]) if len(rows) else 0
        loaded = search._changed(state, needless, np.minimum(extra[needless] + 1, 127))
        if len(search.failing(loaded)) == len(search.failing(state)):
            pruned = search.pruned(loaded)
            kept = set(search.failing(pruned).tolist())
            assert kept <= set(search.failing(state).tolist())
            assert np.count_nonzero(pruned.weights != layer.weights) <= np.count_nonzero(
                state.weights != layer.weights
            )


def test_the_paper_s_solution_has_the_signs_that_it_solved_for():
    made = mlp(3, (10, 8, 4))
    x = made.inputs(16, 2)
    pair = made.paired()
    layer = pair.layers[0].layer
    bench = Bench(layer, x)
    original = made.real_classes(x)
    cases = Cases.of(bench.classes, original, None)
    pre = _first_layer_of(made, x)
    with Solvers() as solvers:
        paper = Paper(bench, cases, pre[:, None, :].astype(np.float32), solvers)
        repaired = [(i, paper.neuron(i)) for i in range(layer.n_neurons)]
    assert any(found is not None for _, found in repaired)
    for neuron, found in repaired:
        if found is None:
            continue
        codes = layer.accumulators(bench.rows(neuron, np.arange(16)), neuron, found.weights)[:, 0]
        now = layer.accumulators(bench.rows(neuron, np.arange(16)), neuron)[:, 0]
        expected = np.where(cases.failing, pre[:, neuron] > 0, now > 0)
        assert found.rows == 16
        assert found.kept == int(np.sum((codes > 0) == expected))
        assert found.wrong == int(np.sum((now > 0) != expected))


def _first_layer_of(made, x: np.ndarray) -> np.ndarray:
    """The float network's first layer before its ReLU, from its file."""
    model = Model.from_bytes(made.original)
    weights, bias = (model.tensors[i].data for i in model.operators[0].inputs[1:3])
    return ((x.astype(np.float64) + 3) / 64) @ weights.T.astype(np.float64) + bias


def test_a_patch_is_ascending_and_tells_each_byte_once():
    layer = layers_of(cnn(0).paired().reference)[1]
    weights = np.where(layer.weights > 0, layer.weights - 1, layer.weights + 1)
    offsets = [byte.offset for byte in changes(layer, weights)]
    assert offsets == sorted(set(offsets))
    assert len(offsets) == layer.weights.size


def test_the_reference_of_a_repaired_pair_is_the_patched_file():
    made = mlp(1)
    tests = repair_tests(made, 60, 3)
    with Solvers(seconds=1) as solvers:
        after, _ = repair(made.paired(), tests, Plan(layers=(1,), neurons=None), solvers)
    assert np.array_equal(
        Reference(Model.from_bytes(after.reference.model.content)).run(tests.x).argmax(axis=1),
        tflm_classes(after.reference.model.content, tests.x),
    )


@pytest.mark.parametrize(("make", "number"), [(mlp, 0), (cnn, 0), (cnn, 1)])
def test_status_and_codes_are_as_wished_exactly_where_a_demand_is_met(make, number):
    made, rng = make(5), np.random.default_rng(3)
    x = made.inputs(6, 4)
    layer = layers_of(made.paired().reference)[number]
    bench = Bench(layer, x)
    quantization = layer.kernel.node.output.quantization
    noise = rng.normal(0, 25, bench.outputs.shape)
    real = ((bench.outputs - quantization.zero_point + noise) * float(quantization.scale)).astype(np.float32)
    tests, n_wishes = np.arange(6), 0
    for neuron in range(min(3, layer.n_neurons)):
        here = Neuron(bench, neuron, layer.weights[neuron], bench.outputs)
        aims = real[:, :, neuron]
        on = by_status(here, aims, tests)
        near = by_code(here, aims, tests, 1)
        wrong_on = (bench.outputs[:, :, neuron] > quantization.zero_point) != (aims > 0)
        target = np.rint(aims.astype(np.float64) / float(quantization.scale)) + quantization.zero_point
        target = np.clip(target, layer.rule.lo, layer.rule.hi)
        far = np.abs(target - bench.outputs[:, :, neuron]) > 1
        assert len(on) == min(int(wrong_on.sum()), 64)
        assert len(near) == min(int(far.sum()), 64)
        n_wishes += len(on) + len(near)
        for _ in range(5):
            weights = np.clip(
                layer.weights[neuron] + rng.integers(-30, 31, layer.weights.shape[1]), -127, 127
            )
            delta, after = weights - layer.weights[neuron], bench.column(neuron, weights)
            if len(on) < 64:
                now_on = (after > quantization.zero_point) == (aims > 0)
                assert sum(wish.short(delta) == 0 for wish in on) == int(np.sum(now_on & wrong_on))
            if len(near) < 64:
                now_near = np.abs(target - after) <= 1
                assert sum(wish.short(delta) == 0 for wish in near) == int(np.sum(now_near & far))
    assert n_wishes > 10


@pytest.mark.parametrize("criterion", ["status", "codes"])
def test_no_criterion_breaks_a_passing_test(criterion):
    made = mlp(2)
    tests = repair_tests(made, 40, 8)
    pre = np.maximum(_first_layer_of(made, tests.x), 0)[:, None, :].astype(np.float32)
    tests = RepairTests(tests.x, tests.wanted, Observation(tests.wanted, {0: pre}))
    before = tflm_classes(made.quantized, tests.x)
    plan = Plan(layers=(0,), neurons=4, criterion=criterion)
    with Solvers(seconds=0.1) as solvers:
        after, _ = repair(made.paired(), tests, plan, solvers)
    now = tflm_classes(after.reference.model.content, tests.x)
    passing = before == tests.wanted
    assert np.array_equal(now[passing], before[passing])
