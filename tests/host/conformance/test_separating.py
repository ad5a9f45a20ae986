"""Models of one operator that separate two profiles: the profiles' own runtimes give those bytes."""

from __future__ import annotations

import time

import numpy as np
import pytest

from coverify.conformance.oracles import OF_PROFILE, Oracle, available
from coverify.conformance.suite.separating import fitted, layer_at, one_variant, outputs, separator
from coverify.verify.equivalence.separation import separated
from tflm_int8 import Model, Reference, lower
from tflm_int8.program.primitives import Staircase

DIFFERING = ("ABS", "FULLY_CONNECTED", "LEAKY_RELU", "LOGISTIC", "MUL", "RELU", "RELU6", "TANH")


def found(op: str, profile: str):
    def accumulators(model: Model) -> list[int]:
        stairs = [lower(model, p).steps[-1] for p in ("tflm", profile)]
        assert all(isinstance(s, Staircase) for s in stairs)
        apart = separated(stairs[0].rule, stairs[1].rule, (0, 0)).within(-(2**27), 2**27)
        return [apart.nearest(0)] if apart.count else []

    end = time.monotonic() + 60
    return separator(op, ("tflm", profile), 0, accumulators, lambda: time.monotonic() < end)


@pytest.mark.parametrize("op", DIFFERING)
@pytest.mark.parametrize("profile", ["tflite-ref", "litert-ref"])
def test_the_two_runtimes_give_the_two_outputs(op, profile):
    if not available(OF_PROFILE[profile]):
        pytest.skip(f"{OF_PROFILE[profile]} is not installed")
    one = found(op, profile)
    assert one is not None
    for oracle, expected in (("tflm", one.first), (OF_PROFILE[profile], one.second)):
        with Oracle(oracle, one.model) as runtime:
            got = runtime.trace(fitted(one))[one.model.outputs[0]]
        assert got.reshape(-1).tolist() == expected.reshape(-1).tolist()
    assert one.first.tolist() != one.second.tolist()


@pytest.mark.parametrize("op", ["ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "MEAN", "QUANTIZE", "SUB"])
def test_one_rounding_is_separated_from_two(op):
    """The first output is TFLM's own; that of a single rounding has no runtime here."""
    one = found(op, "tflm-single-rounding")
    assert one is not None
    with Oracle("tflm", one.model) as runtime:
        got = runtime.trace(fitted(one))[one.model.outputs[0]]
    assert got.reshape(-1).tolist() == one.first.reshape(-1).tolist() != one.second.reshape(-1).tolist()


@pytest.mark.parametrize("op", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_a_layer_has_exactly_the_multiplier_and_the_accumulator_that_were_asked_for(op):
    model, x = layer_at(op, 13564343 * 128, -2, 195)
    kernel = Reference(model).kernels[0]
    assert (kernel.requantize.multiplier.tolist(), kernel.requantize.shift.tolist()) == ([1736235904], [-2])
    # 195 · 1736235904 · 2^-31 = 157.66, rounded 158; 158 / 4 = 39.5 → 40; once: 39.41 → 39
    first, second = outputs(model, x[None], ("tflm", "tflm-single-rounding"))
    assert (int(first.reshape(-1)[0]), int(second.reshape(-1)[0])) == (40, 39)


def test_profiles_that_only_refuse_more_run_one_variant():
    assert one_variant("CONV_2D", "tflm", "cmsis-nn")
    assert not one_variant("CONV_2D", "tflm", "cmsis-nn-single-rounding")
    assert np.all([not one_variant(op, "tflm", "tflite-ref") for op in DIFFERING])
