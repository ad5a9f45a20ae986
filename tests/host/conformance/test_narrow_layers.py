"""Layers with few channels, diagnosed: a loop that takes no channel, and mistakes that only few layers show.

The device's bytes are those of the reference on a network that is built with the defect.
"""

from __future__ import annotations

import numpy as np
import pytest

from coverify.cli.diagnose import summary
from coverify.conformance.compare import Comparison
from coverify.conformance.diagnosis.explain import diagnose
from coverify.conformance.vectors import vectors
from coverify.report import Diagnosis
from model_builder import Builder
from tflm_int8 import Model, Reference

RNG = np.random.default_rng(7)
FIRST = RNG.integers(-127, 128, (4, 1, 5, 1))
SECOND = RNG.integers(-127, 128, (6, 1, 3, 4))
THIRD = RNG.integers(-127, 128, (2, 1, 3, 6))
BIASES = [RNG.integers(-3000, 3000, n) for n in (4, 6, 2)]


def convolutions(*weights: np.ndarray) -> Reference:
    """A signal of 12 values in one channel; the window over the height is one row and has no padding."""
    b = Builder()
    x = b.input((1, 1, 12, 1), 0.05, -5)
    for w, bias in zip(weights, BIASES, strict=False):
        x = b.conv(x, w, bias, 0.02, 0.11, -20)
    return Reference(Model.from_bytes(b.finish(x)))


def dense(weights: np.ndarray, bias: np.ndarray, zero_point: int = -5) -> Reference:
    b = Builder()
    x = b.input((1, weights.shape[1]), 0.05, zero_point)
    return Reference(Model.from_bytes(b.finish(b.fully_connected(x, weights, bias, 0.02, 0.11, -20))))


def depthwise(weights: np.ndarray) -> Reference:
    b = Builder()
    x = b.input((1, 4, 4, 6), 0.05, -5)
    bias = np.arange(6) * 500
    return Reference(Model.from_bytes(b.finish(b.depthwise(x, weights, bias, 0.02, 0.11, -20))))


def diagnosed(right: Reference, wrong: Reference) -> tuple[Diagnosis, ...]:
    """The diagnoses of a device that computes as `wrong` does."""
    model = right.model
    samples = vectors(model.tensors[model.inputs[0]].shape[1:], 12, 3, -5)
    trace = wrong.trace(samples)
    written = [op.outputs[0] for op in model.operators]
    return diagnose(right, samples, [{t: trace[t][i] for t in written} for i in range(len(samples))])


def names(found: tuple[Diagnosis, ...], at: int = 0) -> list[str]:
    return [variant.name for variant in found[at].explained_by]


def test_a_loop_over_4_that_takes_no_channel_is_the_first_cause_of_a_layer_of_one():
    """A window that is moved off the image gives the same bytes, and is not offered."""
    found = diagnosed(convolutions(FIRST), convolutions(0 * FIRST))
    assert names(found)[0] == "input-channels-remainder-4"
    assert "products-missing" in names(found)
    assert not [name for name in names(found) if name.startswith("padding")]
    assert not [said for said in found[0].patterns if "not written" in said]


def test_of_causes_with_the_same_bytes_the_one_that_explains_other_operators_comes_first():
    """A loop over 8 leaves over all of 1, 4 and 6 channels; one over 4 computes the second layer."""
    right = convolutions(FIRST, SECOND, THIRD)
    found = diagnosed(right, convolutions(0 * FIRST, 0 * SECOND, 0 * THIRD))
    assert len(found) == 3
    assert all(names(found, i)[0] == "input-channels-remainder-8" for i in range(3))
    said = summary(found, Comparison(right.model))
    assert said is not None
    assert f"explained by {names(found)[0]} (the same bytes on these inputs: " in said


def test_depthwise_channels_that_a_loop_over_4_leaves_over_are_named():
    weights = RNG.integers(-127, 128, (1, 3, 3, 6))
    rest = weights.copy()
    rest[..., 4:] = 0
    assert "products-missing-rest-4" in names(diagnosed(depthwise(weights), depthwise(rest)))


@pytest.mark.parametrize(
    ("name", "wrong", "bias", "zero_point"),
    [
        ("input-channels-remainder-4", lambda w: np.where(np.arange(7) < 4, w, 0), 1, -5),
        ("input-zero-point-off-by-plus-1", lambda w: w, 1, -4),
        ("input-zero-point-least", lambda w: w, 1, -128),
        ("input-channels-swapped", lambda w: w[:, ::-1], 1, -5),
    ],
)
def test_a_defect_of_a_dense_layer_is_named(name, wrong, bias, zero_point):
    weights, biases = RNG.integers(-127, 128, (5, 7)), RNG.integers(-3000, 3000, 5)
    found = diagnosed(dense(weights, biases), dense(wrong(weights), biases * bias, zero_point))
    assert names(found)[0] == name


@pytest.mark.parametrize("bits", [8, 16])
def test_a_bias_cut_to_8_or_16_bits_is_named(bits):
    weights, biases = RNG.integers(-127, 128, (5, 7)), np.array([70000, -300, 900, 33000, 17])
    low = (biases + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    assert names(diagnosed(dense(weights, biases), dense(weights, low)))[0] == f"bias-in-int{bits}"


def test_channels_exchanged_within_words_of_two_are_named():
    weights, biases = RNG.integers(-127, 128, (5, 8)), RNG.integers(-3000, 3000, 5)
    turned = weights[:, [1, 0, 3, 2, 5, 4, 7, 6]]
    assert names(diagnosed(dense(weights, biases), dense(turned, biases))) == ["input-channels-swapped-in-2"]
