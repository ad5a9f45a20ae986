"""A patch changes the bytes that it names and nothing else. Expected: the files; TFLM's interpreter."""

import dataclasses

import numpy as np
import pytest

from coverify.repair.errors import NotRepairable
from coverify.repair.layer import layers_of
from coverify.repair.patch import apply, changes, difference
from network_pairs import cnn, mlp
from oracle import Tflm
from tflm_int8 import Model, Reference


def moved(layer, seed):
    """The layer's weights with five others."""
    rng, weights = np.random.default_rng(seed), layer.weights.copy()
    for _ in range(5):
        weights[rng.integers(len(weights)), rng.integers(weights.shape[1])] = rng.integers(-127, 128)
    return weights


@pytest.mark.parametrize("make", [mlp, cnn])
def test_only_the_bytes_of_the_patch_differ_and_tflm_runs_the_file(make):
    made = make(2)
    for number, layer in enumerate(layers_of(Reference(Model.from_bytes(made.quantized)))):
        weights = moved(layer, number)
        patch = changes(layer, weights)
        patched = apply(layer.reference.model, patch)
        assert len(patched.content) == len(made.quantized)
        assert difference(made.quantized, patched.content) == [byte.offset for byte in patch]
        for byte in patch:
            assert made.quantized[byte.offset] == byte.old
            assert patched.content[byte.offset] == byte.new
        again = layers_of(Reference(patched))[number]
        assert np.array_equal(again.weights, weights)
        x = made.inputs(5, 1)
        interpreter, shape = Tflm(patched.content), patched.tensors[patched.inputs[0]].shape
        expected = [interpreter.run(one.reshape(shape)).copy() for one in x]
        assert np.array_equal(Reference(patched).run(x), np.concatenate(expected))


def test_a_patch_for_another_file_is_refused():
    layer = layers_of(mlp(0).paired().reference)[0]
    patch = changes(layer, moved(layer, 0))
    wrong = dataclasses.replace(patch[0], old=patch[0].old ^ 1)
    for bad in (
        wrong,
        dataclasses.replace(patch[0], offset=1 << 30),
        dataclasses.replace(patch[0], offset=-1),
    ):
        with pytest.raises(NotRepairable, match="the byte at"):
            apply(layer.reference.model, (bad,))


def test_a_file_whose_tensors_overlap_is_refused():
    made = mlp(0, (6, 6, 6))
    first, second = layers_of(made.paired().reference)
    model = first.reference.model
    content = bytearray(made.quantized)
    # the second layer's buffer is led to the bytes of the first one's: both have 36
    from coverify.repair.patch import buffer_offset

    ours, theirs = buffer_offset(model, first.tensor), buffer_offset(model, second.tensor)
    for at in range(0, len(content) - 3, 4):
        if at + int.from_bytes(content[at : at + 4], "little") == theirs - 4:
            content[at : at + 4] = (ours - 4 - at).to_bytes(4, "little")
            break
    else:
        pytest.fail("the offset of the second buffer was not found")
    overlapping = Reference(Model.from_bytes(bytes(content)))
    first, second = layers_of(overlapping)
    assert np.array_equal(first.weights, second.weights)
    with pytest.raises(NotRepairable, match="shares bytes"):
        apply(overlapping.model, changes(first, moved(first, 1)))
