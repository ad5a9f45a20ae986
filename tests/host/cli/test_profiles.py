"""--profile in the verbs: whose bytes are compared, verified, shown; and what an unknown one is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from command import coverify
from model_builder import Builder
from oracle import NETWORKS
from peers import peer
from tflm_int8 import PROFILES, Model

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"


def parting(tmp_path):
    """A dense layer whose bytes differ between one and two roundings and a float output stage, and inputs."""
    b = Builder()
    x = b.input((1, 1), 0.01, 0)
    weights = np.arange(1, 121).reshape(120, 1)
    y = b.fully_connected(x, weights, 7 * weights[:, 0] - 300, 0.01, 0.01 * 0.01 * 11.3, 3)
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    codes = np.arange(-128, 128).astype(np.int8)[:, None]
    np.savez(tmp_path / "x.npz", x=codes)
    return tmp_path / "net.tflite", tmp_path / "x.npz", codes


@pytest.mark.parametrize(
    "arguments",
    [
        ("ops",),
        ("inspect", MLP),
        ("run", MLP, "--inputs", MLP_X, "--on", "reference", "-o", "y.npz"),
        ("conform", MLP, "--device", "native:"),
        ("verify", MLP, "--eps", 1, "--inputs", MLP_X),
    ],
)
def test_an_unknown_profile_is_told_those_that_there_are(tmp_path, arguments):
    done = coverify(*arguments, "--profile", "no-such", "--json", "-", cwd=tmp_path)
    assert done.code == 2
    assert all(name in done.result["message"] for name in PROFILES)


@pytest.mark.parametrize("profile", ["tflm", "litert-ref", "tflite-ref"])
def test_run_gives_the_bytes_of_the_profiles_runtime(tmp_path, profile):
    net, inputs, codes = parting(tmp_path)
    out = tmp_path / "y.npz"
    done = coverify("run", net, "--inputs", inputs, "--on", "reference", "--profile", profile, "-o", out)
    assert done.code == 0, done
    with peer(profile) as runtime:
        output = Model.read(net).outputs[0]
        expected = runtime.run(net.read_bytes(), [codes[:, None]], [output])[output]
    with np.load(out, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["y"].reshape(expected.shape), expected)


def test_conform_names_the_profile_and_finds_the_device_rounding_otherwise(tmp_path):
    net, inputs, _ = parting(tmp_path)
    for profile, code in (("tflm", 0), ("cmsis-nn", 0), ("tflm-single-rounding", 1), ("litert-ref", 1)):
        done = coverify("conform", net, "--device", "native:", "--inputs", inputs, "--profile", profile,
                        "--json", "-")  # fmt: skip
        assert (done.code, done.result["profile"]) == (code, profile), done
        assert done.result["verdict"] == ("MISMATCH" if code else "MATCH")


def test_a_witness_names_its_profile_and_replay_follows_it(tmp_path):
    done = coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", 25, "--out", tmp_path,
                    "--profile", "tflm-single-rounding")  # fmt: skip
    assert done.code == 1, done
    assert json.loads((tmp_path / "verify.json").read_text())["profile"] == "tflm-single-rounding"
    [witness] = tmp_path.glob("witness-*.zip")
    done = coverify("replay", witness, "--device", "native:", "--json", "-")
    assert done.result["profile"] == "tflm-single-rounding"
    assert done.code in (0, 1), done  # the firmware rounds twice: what it does is for the verdict to say


@pytest.mark.parametrize("profile", PROFILES)
def test_ops_shows_every_profiles_kernels_and_what_was_checked(profile):
    rows = {row["op"]: row for row in coverify("ops", "--profile", profile, "--json", "-").result["support"]}
    dense = rows["FULLY_CONNECTED"]
    assert dense["reference"] and dense["graphs"] + sum(dense["checked"].values()) >= 40
    for name, why in PROFILES[profile].refused.items():
        assert (rows[name]["reference"], rows[name]["variant"]) == (False, why)
