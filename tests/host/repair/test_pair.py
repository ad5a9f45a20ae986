"""Which two networks are a pair. Expected: networks that differ in one thing, and shipped ones."""

import numpy as np
import pytest

from coverify.conformance.oracles import available
from coverify.repair.errors import NotRepairable, PairMismatch
from coverify.repair.job import patched
from coverify.repair.observation import observe
from coverify.repair.pair import Pair
from coverify.repair.patch import changes
from model_builder import Builder
from network_pairs import cnn, mlp
from oracle import NETWORKS, shared
from tflm_int8 import Model, Reference


def paired(original: bytes, quantized: bytes) -> Pair:
    return Pair.of(Model.from_bytes(original), Reference(Model.from_bytes(quantized)))


@pytest.mark.parametrize("make", [mlp, cnn])
def test_a_network_and_its_quantization_are_a_pair(make):
    found = make(0).paired()
    assert [p.layer.kernel.node.op.name for p in found.layers][-1] == "FULLY_CONNECTED"
    assert all(p.cosine > 0.9 for p in found.layers)


@pytest.mark.parametrize("make", [mlp, cnn])
def test_the_float_network_has_the_classes_of_numpy(make):
    if not (available("tflite") or available("litert")):
        pytest.skip("neither tflite-runtime nor ai-edge-litert is installed")
    made = make(0)
    x = made.inputs(70, 3)
    pair = made.paired()
    last = pair.layers[-1].layer.op_index
    found = observe(pair, x, [last])
    assert np.mean(found.classes == made.real_classes(x)) > 0.98  # ties in the last float32 bit apart
    real = made.real((x.astype(np.float64) - -3) / 64)
    assert np.allclose(found.outputs[last][:, 0], real.reshape(len(x), -1), atol=1e-4)


def test_other_layers_are_no_pair():
    with pytest.raises(PairMismatch, match="CONV_2D"):
        paired(cnn(0).original, _like_cnn_without_depthwise())


def _like_cnn_without_depthwise() -> bytes:
    b = Builder()
    x = b.input((1, 5, 5, 2), 1 / 64, -3)
    y = b.conv(x, np.ones((4, 3, 3, 2), int), None, 0.1, 0.1, 0)
    y = b.reshape(y, (1, 100))
    return b.finish(b.fully_connected(y, np.ones((3, 100), int), None, 0.1, 0.1, 0))


def test_another_input_is_no_pair():
    with pytest.raises(PairMismatch, match="the input"):
        paired(mlp(0, (5, 8, 4)).original, mlp(0, (6, 8, 4)).quantized)


def test_another_width_is_no_pair():
    with pytest.raises(PairMismatch, match="op 0 FULLY_CONNECTED: weights"):
        paired(mlp(0, (6, 9, 4)).original, mlp(0, (6, 8, 4)).quantized)


def test_weights_of_another_training_are_no_pair():
    with pytest.raises(PairMismatch, match="cosine"):
        paired(mlp(1).original, mlp(0).quantized)


@pytest.mark.parametrize("make", [mlp, cnn])
def test_a_repair_may_turn_the_weights_of_a_layer_however_far(make):
    pair = make(0).paired()
    layer = pair.layers[0].layer
    after = patched(pair, changes(layer, -layer.weights))
    assert np.array_equal(after.layers[0].layer.weights, -layer.weights)
    assert after.layers[0].cosine == pytest.approx(-pair.layers[0].cosine)
    with pytest.raises(PairMismatch, match="cosine"):
        Pair.of(pair.original, after.reference)


def test_an_int8_network_is_not_the_float_one():
    with pytest.raises(PairMismatch, match="int8, not float32"):
        paired(mlp(0).quantized, mlp(0).quantized)


def test_a_float_network_is_not_the_int8_one():
    made = mlp(0)
    with pytest.raises(Exception, match="float32"):
        paired(made.original, made.original)


def test_a_layer_that_has_no_weights_cannot_be_named():
    with pytest.raises(NotRepairable, match="op 7"):
        mlp(0).paired().layer(7)


def test_the_digits_networks_are_no_pair_of_each_other():
    model = Model.read(NETWORKS / "digits_cnn.tflite")
    with pytest.raises(PairMismatch):
        Pair.of(Model.from_bytes(mlp(0).original), Reference(model))


def test_keyword_spotting_is_a_pair_of_ten_layers():
    original = Model.read(shared("models/kws_ref_model_float32.tflite"))
    pair = Pair.of(original, Reference(Model.read(shared("models/kws_ref_model.tflite"))))
    assert [p.layer.op_index for p in pair.layers] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 11]
    assert all(p.cosine > 0.999 for p in pair.layers)


def test_resnet_is_a_pair_of_ten_layers():
    original = Model.read(shared("models/pretrainedResnet.tflite"))
    pair = Pair.of(original, Reference(Model.read(shared("models/pretrainedResnet_quant.tflite"))))
    assert len(pair.layers) == 10
