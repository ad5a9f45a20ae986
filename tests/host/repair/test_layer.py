"""What a neuron computes, which accumulators give which codes. Expected: TFLM's interpreter; brute force."""

import numpy as np
import pytest

import random_graphs
from coverify.repair.bench import Bench
from coverify.repair.errors import NotRepairable
from coverify.repair.layer import check_repairable, layers_of
from network_pairs import cnn, mlp
from oracle import Tflm
from tflm_int8 import Model, Reference, sample_shape


@pytest.mark.parametrize("operator", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("seed", range(12))
def test_every_neuron_has_the_codes_of_tflm(operator, seed):
    content = random_graphs.one_op(operator, seed)
    model = Model.from_bytes(content)
    layer = layers_of(Reference(model))[0]
    x = np.random.default_rng(seed).integers(-128, 128, (4, *sample_shape(layer.reference.input)))
    x = x.astype(np.int8)
    interpreter = Tflm(content)
    whole = model.tensors[model.inputs[0]].shape
    expected = np.stack([interpreter.run(one.reshape(whole)).copy() for one in x])
    batch = x.reshape(-1, *whole)
    for neuron in range(layer.n_neurons):
        codes = layer.codes(layer.accumulators(layer.rows(batch, neuron), neuron), neuron)
        assert np.array_equal(codes, layer.by_neuron(expected)[:, :, neuron]), f"seed {seed}, neuron {neuron}"


@pytest.mark.parametrize("operator", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_no_samples_have_no_rows(operator):
    layer = layers_of(Reference(Model.from_bytes(random_graphs.one_op(operator, 0))))[0]
    x = np.zeros((0, *layer.kernel.node.input(0).shape), np.int8)
    assert layer.rows(x, 0).shape == (0, layer.n_positions, layer.weights.shape[1])


@pytest.mark.parametrize("make", [mlp, cnn])
def test_an_interval_holds_exactly_the_accumulators_of_its_codes(make):
    rng = np.random.default_rng(5)
    for layer in layers_of(make(1).paired().reference):
        for neuron in (0, layer.n_neurons - 1):
            lowest = rng.integers(-128, 128, 20)
            highest = np.minimum(lowest + rng.integers(0, 40, 20), 127)
            lo, hi = layer.interval(neuron, lowest, highest)
            for a, b, low, high in zip(lowest, highest, lo, hi, strict=True):
                near = np.clip(
                    np.concatenate([low + np.arange(-2, 3), high + np.arange(-2, 3)]), -(2**30), 2**30
                )
                codes = layer.codes(near, neuron)
                inside = (codes >= max(a, layer.rule.lo)) & (codes <= max(b, layer.rule.lo))
                assert np.array_equal((near >= low) & (near <= high), inside)


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("number", [0, 1])
def test_a_bench_answers_as_tflm_does_with_the_patched_file(make, number):
    from coverify.repair.patch import apply, changes

    made = make(3)
    x = made.inputs(10, 2)
    layer = layers_of(made.paired().reference)[number]
    weights = layer.weights.copy()
    rng = np.random.default_rng(4)
    for _ in range(6):
        weights[rng.integers(len(weights)), rng.integers(weights.shape[1])] = rng.integers(-127, 128)
    model = layer.reference.model
    interpreter = Tflm(apply(model, changes(layer, weights)).content)
    shape = model.tensors[model.inputs[0]].shape
    expected = [int(interpreter.run(one.reshape(shape)).argmax()) for one in x]
    assert Bench(layer, x).answers(weights).tolist() == expected


def test_weights_that_two_operators_read_are_refused():
    from model_builder import Builder

    b = Builder()
    x = b.input((1, 4), 0.1, 0)
    w = np.arange(16).reshape(4, 4)
    y = b.fully_connected(x, w, None, 0.1, 0.1, 0)
    b.ops[-1].inputs[1] = shared = b.constant(w, 0.1, 0)
    z = b.fully_connected(y, w, None, 0.1, 0.1, 0)
    b.ops[-1].inputs[1] = shared
    layer = layers_of(Reference(Model.from_bytes(b.finish(z))))[0]
    with pytest.raises(NotRepairable, match="read 2 times"):
        check_repairable(layer)
