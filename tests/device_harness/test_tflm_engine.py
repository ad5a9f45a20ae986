"""The adapter to TFLM's MicroInterpreter, linked with a TFLM that others built.

That is the host library in the package xmos-ai-tools, a fork whose namespace is tflite_micro.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import mixed_inputs
import random_movement
import random_state
import reference_kernels
from coverify.boards.device import open_device
from coverify.conformance.compare import Comparison, compare_digests
from coverify.conformance.diagnosis.explain import diagnose
from coverify.conformance.ranges import vectors_of
from coverify.conformance.sequences import Sequences
from coverify.conformance.stepping import Stepper
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.run import Suite
from coverify.conformance.vectors import Samples, vectors
from coverify.errors import DeviceRefused
from model_builder import Builder
from mutants import HARNESS, layers
from oracle import NETWORKS, shared
from reference_kernels import GEMMLOWP
from tflm_int8 import Model, Reference, TflmError, sample_shape


def headers() -> Path:
    """The folder of the package's headers; the test is skipped where there are none."""
    found = reference_kernels.headers()
    if found is None:
        pytest.skip("xmos-ai-tools is not installed (pip install --no-deps xmos-ai-tools)")
    return found


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    """The native port with ENGINE=tflm."""
    include = headers()
    if not GEMMLOWP.is_dir():
        pytest.skip("gemmlowp's headers are not installed (Debian: libgemmlowp-dev)")
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    build = tmp_path_factory.mktemp("tflm")
    library = next((include.parent.parent / "xinterpreters/libs/linux").glob("xtflm_python.so.*"))
    variables = {
        "PORT": "native",
        "ENGINE": "tflm",
        "BUILD": build,
        "TFLM_LIB": library,
        "TFLM_INCLUDE": f"{include} {GEMMLOWP}",
        "TFLM_FLAGS": "-DCV_TFLM_NAMESPACE=tflite_micro",
        "flags": "-O0",  # half the time; the kernels are in the library
    }
    command = ["make", "-s", "-C", str(HARNESS), *(f"{k}={v}" for k, v in variables.items())]
    subprocess.run(command, check=True)
    before = os.environ.get("LD_LIBRARY_PATH")
    os.environ["LD_LIBRARY_PATH"] = str(library.parent)
    yield build / "coverify-native"
    if before is None:
        del os.environ["LD_LIBRARY_PATH"]
    else:
        os.environ["LD_LIBRARY_PATH"] = before


@pytest.fixture
def tflm(firmware):
    with open_device("native:", firmware=firmware) as device:
        yield device


def conforms(device, model: Model) -> None:
    reference, comparison = Reference(model), Comparison(model)
    made = vectors_of(reference, 6, 0)
    samples = Samples(made.batch, 0, 0, made.elements)
    compare_digests(comparison, reference, Stepper(device.client, model), samples)
    assert comparison.verdict == "MATCH", comparison.mismatches[:1]
    assert comparison.samples == 6


def test_every_tensor_of_a_network_comes_home_one_model_after_the_other(tflm):
    assert (tflm.hello.engine, tflm.hello.rounding) == ("tflm", "double")
    conforms(tflm, Model.from_bytes(layers(), "layers.tflite"))
    conforms(tflm, next(GRIDS["ADD"]("ADD", 0)).model)
    conforms(tflm, Model.from_bytes(layers(), "layers.tflite"))


def test_a_network_with_scales_per_channel_in_a_dense_layer_is_diagnosed(tflm):
    """The same defect as below, in a trained network."""
    model = Model.read(NETWORKS / "digits_cnn.tflite")
    x = vectors(sample_shape(model.tensors[model.inputs[0]]), 12, 0, 0)
    stepper = Stepper(tflm.client, model)
    found = diagnose(Reference(model), x, [stepper.trace(one) for one in x])
    assert [d.op for d in found] == ["FULLY_CONNECTED"]
    assert "per-tensor-scale-first" in [e.name for e in found[0].explained_by]


def test_several_inputs_of_several_types_are_brought_to_it(tflm):
    conforms(tflm, Model.from_bytes(mixed_inputs.content()))
    conforms(tflm, Model.from_bytes(mixed_inputs.added("int16", (0.5, 0.5, 1.0))))
    conforms(tflm, Model.from_bytes(mixed_inputs.added("int32")))


@pytest.mark.parametrize(
    "name",
    ["hello_world_int8", "micro_speech_quantized", "kws_ref_model", "pretrainedResnet_quant"],
)
def test_published_networks_agree_on_every_tensor(tflm, name):
    conforms(tflm, Model.read(shared(f"models/{name}.tflite")))


def test_an_operator_that_the_resolver_does_not_have_is_refused_by_name(tflm):
    b = Builder()
    x = b.input((1, 4), 0.1, 0)
    content = b.finish(b.op("POW", [x, x], b.activation((1, 4), 0.1, 0)))
    with pytest.raises(DeviceRefused, match="op 0 POW: not in this engine"):
        tflm.client.ensure_model(content)


def test_operators_are_those_of_the_library_and_more_than_the_firmwares_own(tflm):
    for name in ("DEPTH_TO_SPACE", "GATHER", "MIRROR_PAD", "SPLIT_V"):
        models = (Model.from_bytes(random_movement.one_op(name, seed), name) for seed in range(20))
        conforms(tflm, next(m for m in models if m.tensors[m.inputs[0]].dtype == "int8"))


def test_a_damaged_file_is_refused_before_tflm_sees_it(tflm):
    content = bytearray((NETWORKS / "digits_mlp.tflite").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 64] = bytes(64)
    for damaged in (b"\0" * 64, content[: len(content) // 2], b"\x10\0\0\0TFL3" + b"\xff" * 80):
        with pytest.raises(DeviceRefused, match="verifier refuses it"):
            tflm.client.ensure_model(bytes(damaged))


def test_the_kernel_suite_finds_that_this_library_takes_one_scale_for_all_channels_of_a_dense_layer(tflm):
    """A defect of a library that is shipped: FULLY_CONNECTED per channel uses the first channel's scale."""
    cases = list(GRIDS["FULLY_CONNECTED"]("FULLY_CONNECTED", 0))[::8]
    suite = Suite(tflm.client)
    suite.run(cases)
    wrong = [row for row in suite.rows if row.differing]
    assert wrong
    assert all("per-tensor-scale-first" in row.explained_by for row in wrong)
    right = Suite(tflm.client)
    right.run([case for case in GRIDS["CONV_2D"]("CONV_2D", 0)][::18])
    assert not any(row.differing or row.refused for row in right.rows)


@pytest.mark.parametrize("name", ["SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"])
def test_an_operator_that_keeps_state_goes_on_and_is_reset(tflm, name):
    """Sequences of five invocations, the last one shorter."""
    if "IsVariableTensor" in (headers() / "tensorflow/lite/core/c/common.h").read_text("utf-8"):
        pytest.skip(
            "the fork's kernels that keep state call a function that its MicroInterpreter leaves NULL"
        )
    matched = 0
    for seed in range(12):
        model = Model.from_bytes(random_state.one_op(name, seed), f"{name}-{seed}.tflite")
        try:
            reference = Reference(model)
            x = random_state.samples(seed, reference, 12).reshape(12, *reference.input.shape)
            reference.run(x)
        except TflmError:
            continue
        if reference.input.dtype != "int8":
            continue
        sequences = Sequences(
            Comparison(model), reference, Stepper(tflm.client, model), Samples(x, len(x)), 5
        )
        sequences.compare_digests()
        assert sequences.comparison.verdict == "MATCH", sequences.comparison.mismatches[:1]
        matched += 1
    assert matched >= 5
