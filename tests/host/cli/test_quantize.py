"""conform, diagnose and verify with --quantize: what is compared, and asked, of real numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from command import coverify
from coverify.cli.samples import samples_of
from model_builder import Builder
from tflm_int8 import Model, Reference

#: Of an input with scale 0.5 and zero point 4: halves go away from zero, before the zero point is added.
REAL = [[0.0, 0.24], [0.25, -0.25], [-0.74, 0.75], [61.5, -66.0], [61.75, -66.25], [1e9, -1e9]]
CODES = [[4, 4], [5, 3], [3, 6], [127, -128], [127, -128], [127, -128]]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quantize")
    b = Builder()
    x = b.input((1, 2), 0.5, 4)
    content = b.finish(b.fully_connected(x, np.array([[7, -3], [-5, 9]]), np.array([3, -2]), 0.1, 0.4, 1))
    (folder / "net.tflite").write_bytes(content)
    np.savez(folder / "real.npz", x=np.array(REAL, np.float32))
    np.savez(folder / "codes.npz", x=np.array(CODES, np.int8))
    return folder


def test_the_samples_of_a_comparison_are_the_codes_that_the_device_would_make(files):
    reference = Reference(Model.read(files / "net.tflite"))
    chosen = samples_of(reference, files / "real.npz", None, None, 0, quantize=True)
    np.testing.assert_array_equal(chosen.samples.batch.arrays[0].reshape(-1, 2), CODES)


@pytest.mark.parametrize("verb", ["conform", "diagnose"])
def test_a_device_is_compared_on_real_numbers_and_the_clamped_ones_are_told(files, verb):
    given = (verb, files / "net.tflite", "--device", "native:", "--inputs", files / "real.npz", "--json", "-")
    done = coverify(*given, "--quantize")
    assert (done.code, done.result["verdict"], done.result["samples"]) == (0, "MATCH", len(REAL))
    said = "--quantize clamped 4 of 12 values of x in real.npz: the input represents -66 to 61.5"
    assert said in done.result["message"]
    without = coverify(*given)
    assert without.code == 2 and "--quantize takes uint8 and float" in without.result["message"]


@pytest.mark.parametrize("more", [(), ("--changes", 1)], ids=["radius", "property"])
def test_verify_asks_about_the_codes_of_real_numbers(files, more):
    asked = ("verify", files / "net.tflite", "--eps", "1,9", *more, "--label", "predicted", "--json", "-")
    real = coverify(*asked, "--inputs", files / "real.npz", "--quantize")
    codes = coverify(*asked, "--inputs", files / "codes.npz")
    rows = [
        [(q["index"], q["eps"], q["label"], q["verdict"], q.get("inputs", {}).get("base")) for q in one]
        for one in (real.result["queries"], codes.result["queries"])
    ]
    assert rows[0] == rows[1] and {row[3] for row in rows[0]} == {"HOLDS", "VIOLATED"}
    assert "--quantize clamped 4 of 12 values" in real.stdout + real.result["message"]


def test_verify_asks_about_given_labels_of_real_numbers(files, tmp_path):
    """A property of the label needs y: of integers with these x, too."""
    labels = [
        int(np.argmax(y)) for y in Reference(Model.read(files / "net.tflite")).run(np.array(CODES, np.int8))
    ]
    np.savez(tmp_path / "real.npz", x=np.array(REAL, np.float32), y=np.array(labels))
    asked = ("verify", files / "net.tflite", "--eps", 0, "--mask", "0", "--quantize", "--json", "-")
    done = coverify(*asked, "--inputs", tmp_path / "real.npz")
    assert done.code == 0 and [q["label"] for q in done.result["queries"]] == labels, done
    np.savez(tmp_path / "targets.npz", x=np.array(REAL, np.float32), y=np.array(labels, np.float32))
    done = coverify(*asked, "--inputs", tmp_path / "targets.npz")
    assert done.code == 2 and "y is float32" in done.result["message"]


@pytest.mark.parametrize("verb", ["conform", "verify"])
def test_without_inputs_there_is_nothing_to_quantize(files, verb):
    more = ("--device", "native:") if verb == "conform" else ("--eps", 1)
    done = coverify(verb, files / "net.tflite", *more, "--quantize", "--json", "-")
    assert done.code == 2 and "--quantize is about --inputs" in done.result["message"]


def test_a_fixed_point_network_takes_pixels_and_no_real_numbers(tmp_path):
    zeros = np.zeros(2, np.int64)
    layer = {"w0": np.eye(2, dtype=np.int64), "b0": zeros, "shift0": 0, "lo0": -128, "hi0": 127}
    np.savez(tmp_path / "net.npz", n_layers=1, **layer)
    np.savez(tmp_path / "real.npz", x=np.zeros((1, 2), np.float32))
    given = ("--inputs", tmp_path / "real.npz", "--quantize", "--json", "-")
    done = coverify("verify", tmp_path / "net.npz", "--eps", 1, *given)
    assert done.code == 2 and "a fixed-point network, which takes pixel values" in done.result["message"]
