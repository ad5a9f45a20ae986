"""Networks with several inputs of several types: run, conform, inspect, diagnose, and what is refused."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import mixed_inputs
from command import coverify
from coverify.conformance.diagnosis.explain import diagnose
from coverify.conformance.ranges import vectors_of
from model_builder import Builder
from tflm_int8 import Model, Reference

NOWHERE = "serial:/dev/ttyNONE@9600"


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Path, Path]:
    """The network and an .npz of seven samples."""
    model, inputs = tmp_path / "mixed.tflite", tmp_path / "x.npz"
    model.write_bytes(mixed_inputs.content())
    batch = vectors_of(Reference(Model.read(model)), 7, 2).batch
    np.savez(inputs, **{f"x{i}": x for i, x in enumerate(batch.arrays)})
    return model, inputs


def test_given_and_generated_samples_conform_and_the_files_say_so(mixed, tmp_path):
    model, inputs = mixed
    asked = ("conform", model, "--device", "native:", "--inputs", inputs, "--vectors", 5, "--seed", 3)
    done = coverify(*asked, "--out", tmp_path / "out", "--json", "-")
    assert (done.code, done.result["verdict"], done.result["samples"]) == (0, "MATCH", 12)
    assert done.result["oracle"]["name"] == "tflite-micro"
    assert coverify("report", tmp_path / "out").code == 0
    assert ET.parse(tmp_path / "out" / "junit.xml").getroot().get("failures", "0") == "0"


def test_interpreter_and_device_write_the_same_tensors(mixed, tmp_path):
    model, inputs = mixed
    found = {}
    for on in ("tflm", "native:"):
        out = tmp_path / "out.npz"
        assert coverify("run", model, "--inputs", inputs, "--on", on, "-o", out, "--trace").code == 0
        with np.load(out, allow_pickle=False) as arrays:
            found[on] = {name: arrays[name].tobytes() for name in arrays}
    assert found["tflm"] == found["native:"]
    assert len(found["tflm"]) == 7  # five tensors that operators write, two of them the outputs y0 and y1


def test_verify_says_what_it_takes_of_such_a_network(mixed):
    """Inputs of int8, and one of the outputs."""
    model, inputs = mixed
    asked = ("verify", model, "--inputs", inputs, "--eps", 1, "--json", "-")
    done = coverify(*asked)
    assert (done.code, done.result["verdict"]) == (2, "UNSUPPORTED")
    assert "and 2 outputs; --head N (of verify, distinguish) asks about one of them" in done.result["message"]
    done = coverify(*asked, "--head", 0)
    assert (done.code, done.result["verdict"]) == (2, "UNSUPPORTED")
    assert "int8 is lowered" in done.result["message"]


@pytest.mark.parametrize("on", ["reference", "tflm", "native:"])
def test_every_output_of_a_network_is_written(mixed, tmp_path, on):
    """y0 and y1 are the interpreter's tensors of that name in the trace; labels are of one output."""
    model, inputs = mixed
    traced, out = tmp_path / "traced.npz", tmp_path / "out.npz"
    assert coverify("run", model, "--inputs", inputs, "--on", "tflm", "-o", traced, "--trace").code == 0
    with np.load(inputs) as file:
        np.savez(tmp_path / "labelled.npz", **file, y=np.full(7, 99))
    labelled = tmp_path / "labelled.npz"
    done = coverify("run", model, "--inputs", labelled, "--on", on, "-o", out, "--json", "-")
    assert done.code == 0, done
    assert "2 outputs (y0, y1) written to out.npz" in done.result["message"]
    assert "the labels y are not compared, as the network has several outputs" in done.result["message"]
    first, second = Model.read(model).outputs
    with np.load(out) as got, np.load(traced) as expected:
        assert sorted(got) == ["y0", "y1"]
        np.testing.assert_array_equal(got["y0"], expected[f"t{first}"][:, 0])
        np.testing.assert_array_equal(got["y1"], expected[f"t{second}"][:, 0])


def test_outputs_that_no_operator_writes_are_those_of_the_file_or_the_inputs(tmp_path):
    b, model, inputs = Builder(), tmp_path / "net.tflite", tmp_path / "x.npz"
    x = b.input((1, 2), 0.5, 0)
    constant = b.constant(np.array([[7, -7, 1]]), 0.5, 0)
    model.write_bytes(b.finish(b.op("RELU", [x], b.like(x, (1, 2))), x, constant))
    np.savez(inputs, x=np.array([[-3, 4], [5, -6]], np.int8))
    out = tmp_path / "out.npz"
    for on in ("reference", "tflm"):  # the firmware refuses an output that nothing computes
        assert coverify("run", model, "--inputs", inputs, "--on", on, "-o", out).code == 0
        with np.load(out) as got:
            assert got["y0"].tolist() == [[0, 4], [5, 0]]
            assert got["y1"].tolist() == [[-3, 4], [5, -6]]
            assert got["y2"].tolist() == [[7, -7, 1], [7, -7, 1]]


def test_inspect_names_the_inputs_as_the_file_of_samples_does(mixed):
    said = coverify("inspect", mixed[0], "--json", "-").result["message"]
    assert (
        "input x0 int8 [1, 5]" in said and "input x1 int16 [1, 3]" in said and "input x5 bool [1, 3]" in said
    )


def test_what_int32_vectors_leave_out_is_in_the_result(tmp_path):
    model = tmp_path / "sum.tflite"
    model.write_bytes(mixed_inputs.added("int32"))
    done = coverify("conform", model, "--device", NOWHERE, "--json", "-", "--int32-bits", 8)
    assert done.code == 3
    assert any("int32 input 1 outside -128…127" in line for line in done.result["not_covered"])


def test_an_input_of_a_type_that_no_device_takes_is_refused_before_a_device_is_opened(tmp_path):
    b, model = Builder(), tmp_path / "wide.tflite"
    x = b.tensor((1, 2), "int64")
    b.inputs.append(x)
    model.write_bytes(b.finish(b.op("RESHAPE", [x, b.integers([2])], b.tensor((2,), "int64"))))
    done = coverify("conform", model, "--device", NOWHERE, "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "UNSUPPORTED")
    assert "its input 0 is int64" in done.result["message"]


def test_mlperf_tinys_commands_bring_one_int8_input_and_others_are_refused_before_a_device_is_opened(
    tmp_path,
):
    model = tmp_path / "sum.tflite"
    model.write_bytes(mixed_inputs.added("int16"))
    done = coverify("conform", model, "--device", "mlperf:/dev/ttyNONE@9600", "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "UNSUPPORTED")
    assert "its inputs are int16, int16" in done.result["message"]


@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_an_operator_of_wide_integers_is_judged_on_the_devices_own_inputs(dtype):
    reference = Reference(Model.from_bytes(mixed_inputs.added(dtype)))
    batch, output = vectors_of(reference, 6, 0).batch, reference.model.outputs[0]
    traced = reference.trace(*batch.arrays)[output]
    right = [{output: y} for y in traced]
    wrong = [{output: y + np.arange(4, dtype=y.dtype) % 2} for y in traced]
    assert diagnose(reference, batch, right) == ()
    (found,) = diagnose(reference, batch, wrong)
    assert (found.op, found.element, found.got - found.expected) == ("ADD", (0, 0, 1), 1)
