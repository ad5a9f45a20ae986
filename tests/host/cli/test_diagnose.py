"""coverify diagnose as a user types it: a wrong device is explained, a right one has nothing to explain."""

import json

import pytest

from command import coverify
from coverify.boards.native import NativeProcess
from coverify.link.deadline import Deadline
from mutants import MUTANTS, layers


@pytest.fixture
def wrong_device(workshop, tmp_path):
    """The URL of a device whose depthwise convolution turns its filter."""
    mutant = next(m for m in MUTANTS if m.variant == "filter-flipped")
    process = NativeProcess(workshop.build(mutant, tmp_path / "build"), Deadline.in_s(20))
    yield f"serial:{process.line_url}"
    process.end()


def test_a_wrong_device_is_explained_in_text_json_and_html(wrong_device, tmp_path):
    net = tmp_path / "layers.tflite"
    net.write_bytes(layers())
    out = tmp_path / "run"
    done = coverify(
        "diagnose", tmp_path / "layers.tflite", "--device", wrong_device, "--vectors", 8, "--out", out
    )
    assert done.code == 1, done
    assert "explained by filter-flipped" in done.stdout
    result = json.loads((out / "diagnose.json").read_text())
    assert result["verdict"] == "MISMATCH"
    assert [d["op"] for d in result["diagnoses"]] == ["DEPTHWISE_CONV_2D"]
    found = result["diagnoses"][0]
    assert "filter-flipped" in [e["name"] for e in found["explained_by"]]
    assert {"accumulator", "multiplier", "shift", "rounded", "clamped"} <= {s["name"] for s in found["steps"]}
    assert sum(b["elements"] for b in found["histogram"]) == found["elements"] == 8 * 4 * 4 * 6
    assert sum(found["map"]["counts"]) == found["differing_elements"]
    assert coverify("report", out).code == 1
    page = (out / "report.html").read_text()
    assert "<code>filter-flipped</code>" in page
    assert "Differing elements by row and column, 4 by 4" in page


def test_a_right_device_has_nothing_to_explain(tmp_path):
    net = tmp_path / "layers.tflite"
    net.write_bytes(layers())
    done = coverify(
        "diagnose", tmp_path / "layers.tflite", "--device", "native:", "--vectors", 3, "--json", "-"
    )
    assert done.code == 0, done
    assert (done.result["verdict"], done.result["diagnoses"]) == ("MATCH", [])


def test_a_device_that_follows_another_profile_is_told_by_its_name(tmp_path):
    """The firmware follows tflm; a directed input tells that from tflm-2026-08."""
    done = coverify("distinguish", "--op", "FULLY_CONNECTED", "--against", "tflm-2026-08", "--out", tmp_path)
    assert done.code == 1, done
    model, inputs = tmp_path / "fully_connected.tflite", tmp_path / "fully_connected.npz"
    done = coverify("diagnose", model, "--inputs", inputs, "--device", "native:", "--profile", "tflm-2026-08",
                    "--json", "-")  # fmt: skip
    assert done.code == 1, done
    said = done.result["message"].rpartition("every byte of every tensor is that of ")[2]
    assert said.startswith("--profile tflm")
    assert "2026-08" not in said


def test_conform_says_what_to_try_next(wrong_device, tmp_path):
    net = tmp_path / "layers.tflite"
    net.write_bytes(layers())
    done = coverify("conform", net, "--device", wrong_device, "--vectors", 4, "--json", "-")
    assert (done.code, done.result["verdict"]) == (1, "MISMATCH")
    assert "`coverify diagnose`, given the same" in done.result["message"]


def test_conform_names_the_profile_whose_bytes_the_device_gives(tmp_path):
    net = tmp_path / "layers.tflite"
    net.write_bytes(layers())
    asked = ("conform", net, "--device", "native:", "--vectors", 20, "--profile", "tflm-single-rounding")
    done = coverify(*asked, "--json", "-")
    assert (done.code, done.result["verdict"]) == (1, "MISMATCH")
    assert "that of --profile tflm" in done.result["message"]
