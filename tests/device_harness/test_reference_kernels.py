"""TFLite's reference kernels, compiled for a core and run on it, the firmware's kernels, and the reference.

The arithmetic is that of TFLM's own headers, on a core that has products of 64 bits and on one that has
not. What the headers do not hold (multipliers from scales, limits of activations) is computed as TFLM
describes it, apart from the firmware's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import pytest

import random_elementwise
import reference_kernels
from coverify.boards.device import Device, open_device
from coverify.conformance.compare import Comparison, compare_digests
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples, vectors
from coverify.errors import DeviceRefused
from model_builder import Builder
from one_op import CASES_OF
from oracle import NETWORKS
from tflm_int8 import Model, Reference, TflmError, sample_shape

#: Machine → the first seed of its random models.
MACHINES = {"mps2-an386": 0, "microbit": 100}
SAMPLES = 4
#: Operators of which one random model in a few tells single from double rounding.
ROUNDING = ("CONV_2D", "LEAKY_RELU", "QUANTIZE", "SUM")

pytestmark = pytest.mark.cross


def cases(operator: str, first: int = 0) -> Iterator[tuple[Model, np.ndarray]]:
    """Random models around one operator, all int8, and inputs [SAMPLES, sample shape]."""
    if operator == "DEQUANTIZE":
        yield from map(dequantized, range(first, first + 4))
        return
    for seed in range(first, first + 60):
        for case in CASES_OF[operator]:
            model = Model.from_bytes(case.model(seed), f"{case.key}-{seed}.tflite")
            results = [i for op in model.operators for i in op.outputs]
            is_int8 = {model.tensors[i].dtype for i in (*model.inputs, *results)} == {"int8"}
            if not is_int8 or operator not in [op.name for op in model.operators]:
                continue
            try:
                reference = Reference(model)
                yield model, case.inputs(reference, seed, SAMPLES)
            except TflmError:
                continue


def dequantized(seed: int) -> tuple[Model, np.ndarray]:
    """A requantization and floats behind it, on every code; the generators' models are of other types too."""
    rng = np.random.default_rng([seed, 61])
    b = Builder()
    x = b.input((1, 256), random_elementwise.scale(rng), random_elementwise.zero_point(rng))
    y = b.op("QUANTIZE", [x], random_elementwise.like(rng, b, x, 2.0))
    b.op("DEQUANTIZE", [y], b.tensor((1, 256), "float32"))
    content = b.finish(len(b.tensors) - 1)
    return Model.from_bytes(content, f"DEQUANTIZE-{seed}.tflite"), np.arange(-128, 128, dtype=np.int8)[None]


def verdict(device: Device, model: Model, x: np.ndarray, profile: str = "tflm") -> str:
    """Every tensor of every sample against the reference, as `conform` compares them."""
    comparison = Comparison(model)
    stepper = Stepper(device.client, model)
    compare_digests(comparison, Reference(model, profile), stepper, Samples(x, len(x)))
    return comparison.verdict


def taken(device: Device, operator: str, first: int = 0) -> Iterator[tuple[Model, np.ndarray]]:
    """Those cases that the device takes: int8 only, and no more memory than it has."""
    for model, x in cases(operator, first):
        try:
            device.client.ensure_model(model.content)
        except DeviceRefused:
            continue
        yield model, x


class Pair(NamedTuple):
    """Two of a machine, started: with TFLite's kernels in the firmware, and with its own; the first seed."""

    theirs: Device
    own: Device
    first: int


@pytest.fixture(scope="module", params=MACHINES)
def pair(request):
    image = reference_kernels.image(request.param)
    with open_device(f"qemu:{request.param}@{image}") as theirs, open_device(f"qemu:{request.param}") as own:
        yield Pair(theirs, own, MACHINES[request.param])


def test_tflites_kernels_the_firmwares_and_the_reference_give_the_same_bytes_on_a_core(pair):
    for op in reference_kernels.OPERATORS:
        model, x = next(taken(pair.theirs, op, pair.first))
        said = verdict(pair.theirs, model, x), verdict(pair.own, model, x)
        assert said == ("MATCH", "MATCH"), model.name


def inputs(model: Model) -> np.ndarray:
    return vectors(sample_shape(model.tensors[model.inputs[0]]), SAMPLES, 0, 0)


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn"])
def test_they_give_the_same_bytes_in_a_network(pair, name):
    model = Model.read(NETWORKS / f"{name}.tflite")
    said = verdict(pair.theirs, model, inputs(model)), verdict(pair.own, model, inputs(model))
    assert said == ("MATCH", "MATCH")


@pytest.mark.parametrize("name", ["mnist_conv", "mnist_mlp_100_100", "mnist_mlp_64_32"])
def test_tflites_kernels_give_the_references_bytes_in_a_larger_network(name):
    model = Model.read(NETWORKS / f"{name}.tflite")
    image = reference_kernels.image("mps2-an386")
    with open_device(f"qemu:mps2-an386@{image}", preload=model.content) as device:
        assert verdict(device, model, inputs(model)) == "MATCH"


@pytest.mark.parametrize("name", ["RELU", "PACK", "CUSTOM:CIRCULAR_BUFFER"])
def test_an_operator_that_no_header_holds_is_refused_and_not_left_to_the_firmwares_kernel(pair, name):
    model, _ = next(cases(name))
    pair.own.client.ensure_model(model.content)
    with pytest.raises(DeviceRefused, match=f"{name.removeprefix('CUSTOM:')}: not in this engine"):
        pair.theirs.client.ensure_model(model.content)


def test_tflites_kernels_compiled_for_one_rounding_are_told_apart_and_follow_the_profile_of_that_name():
    """NDEBUG: a check in TFLite's header forbids the negative multipliers that LEAKY_RELU may have."""
    image = reference_kernels.image("mps2-an386", reference_kernels.SINGLE_ROUNDING, "-DNDEBUG", "-O0")
    profiles = ("tflm", "tflm-single-rounding")
    with open_device(f"qemu:mps2-an386@{image}") as device:
        for op in ROUNDING:
            models = islice(taken(device, op), 3)
            said = {tuple(verdict(device, model, x, profile) for profile in profiles) for model, x in models}
            assert said in ({("MISMATCH", "MATCH")}, {("MISMATCH", "MATCH"), ("MATCH", "MATCH")}), op
