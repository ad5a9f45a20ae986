"""A TFLM that somebody built for a Cortex-M, linked and run in QEMU: does it do the reference's arithmetic?

Which build it is the environment says; without it these tests are skipped.

    COVERIFY_TFLM_LIB_AN386      the library for that machine's core; so for AN385, AN500, AN505 and AN547
    COVERIFY_TFLM_INCLUDE        the folders of its headers, separated as in PATH
    COVERIFY_TFLM_FLAGS          the macros that it was compiled with (-DTF_LITE_STATIC_MEMORY)
    COVERIFY_TFLM_PROFILE        the profile that it should follow (tflm)
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from coverify.boards.build import Tflm, build, machine_target
from coverify.boards.device import open_device
from coverify.conformance.compare import Comparison, compare
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import vectors
from coverify.errors import DeviceRefused
from model_builder import Builder
from oracle import NETWORKS, shared
from tflm_int8 import Model, Reference, sample_shape

MACHINES = ("mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
PROFILE = os.environ.get("COVERIFY_TFLM_PROFILE", "tflm")


@pytest.fixture(scope="module", params=MACHINES)
def device(request):
    """A started machine with TFLM behind the link."""
    variable = f"COVERIFY_TFLM_LIB_{request.param.rpartition('-')[2].upper()}"
    library, include = os.environ.get(variable), os.environ.get("COVERIFY_TFLM_INCLUDE")
    if not library or not include:
        pytest.skip(f"no TFLM for this core: {variable} and COVERIFY_TFLM_INCLUDE say where one is")
    for tool in ("arm-none-eabi-g++", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    flags = os.environ.get("COVERIFY_TFLM_FLAGS", "-DTF_LITE_STATIC_MEMORY")
    tflm = Tflm(Path(library), tuple(map(Path, include.split(os.pathsep))), tuple(flags.split()))
    image = build(machine_target(request.param, tflm))
    with open_device(f"qemu:{request.param}@{image}") as opened:
        yield opened


def conforms(device, path: Path, samples: int) -> None:
    model = Model.read(path)
    reference, comparison = Reference(model, PROFILE), Comparison(model)
    x = vectors(sample_shape(reference.input), samples, 0, 0)
    compare(comparison, reference, Stepper(device.client, model), x)
    assert comparison.verdict == "MATCH", comparison.mismatches[:1]
    assert comparison.samples == samples


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn"])
def test_every_tensor_of_our_own_networks_agrees(device, name):
    assert device.hello.engine == "tflm"
    conforms(device, NETWORKS / f"{name}.tflite", 8)


@pytest.mark.parametrize(
    "name",
    ["hello_world_int8", "micro_speech_quantized", "kws_ref_model", "pretrainedResnet_quant"],
)
def test_every_tensor_of_published_networks_agrees(device, name):
    conforms(device, shared(f"models/{name}.tflite"), 4)


def test_operators_are_counted_one_by_one(device):
    """The gate lets one operator through at a time, so not all cycles are the first one's."""
    model = Model.read(NETWORKS / "digits_cnn.tflite")
    x = vectors(sample_shape(model.tensors[model.inputs[0]]), 1, 0, 0)[0]
    cycles = Stepper(device.client, model).digests_of(x).cycles
    assert len(cycles) == len(model.operators)
    assert sum(c > 0 for c in cycles) > 1


def test_an_operator_that_no_resolver_has_is_refused_by_name(device):
    b = Builder()
    x = b.input((1, 4), 0.1, 0)
    content = b.finish(b.op("POW", [x, x], b.activation((1, 4), 0.1, 0)))
    with pytest.raises(DeviceRefused, match="op 0 POW: not in this engine"):
        device.client.ensure_model(content)


def test_an_arena_that_is_too_small_is_told_in_tflms_own_words(device):
    """Two tensors of 8 MB; the machines have 10 MB of arena."""
    b, shape = Builder(), (1, 8192, 1024)
    x = b.input(shape, 0.1, 0)
    content = b.finish(b.op("RELU", [x], b.activation(shape, 0.1, 0)))
    with pytest.raises(DeviceRefused, match=r"AllocateTensors failed: .*Requested"):
        device.client.ensure_model(content)


def test_a_model_on_which_tflm_halts_is_refused_and_the_next_one_runs(device):
    """A RESHAPE to another number of elements: TFLM stops there."""
    b = Builder()
    x = b.input((1, 6), 0.1, 0)
    shape = b.integers(np.array([1, 5]))
    content = b.finish(b.op("RESHAPE", [x, shape], b.activation((1, 5), 0.1, 0), 17))
    with pytest.raises(DeviceRefused, match="op 0 RESHAPE"):
        device.client.ensure_model(content)
    conforms(device, NETWORKS / "digits_mlp.tflite", 1)
