"""What the verbs say of a network that keeps state between invocations."""

import itertools
import json

import numpy as np
import pytest

from command import coverify
from model_builder import Builder
from mutants import state, variables
from oracle import NETWORKS, Tflm


@pytest.fixture
def network(tmp_path):
    """Two features of two inputs over three invocations, and its path."""
    b = Builder()
    x = b.input((1, 2), 0.5, -3)
    features = b.constant(np.array([[90, -50], [-40, 100]]), 0.01, 0)
    times = b.tensor((2, 3), "int16", [0.001], [0], data=np.array([[9000, -7000, 12000]] * 2, np.int16))
    bias = b.tensor((2,), "int32", [2e-6], [0], data=np.array([3, -9], np.int32))
    state = b.variable((1, 6), 0.002, 0, "int16")
    y = b.activation((1, 2), 4.0, 5)
    b.op("SVDF", [x, features, times, bias, state], y, 6, Rank=1)
    path = tmp_path / "svdf.tflite"
    path.write_bytes(b.finish(y))
    return path


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.random.default_rng(4).integers(-128, 128, (150, 2)).astype(np.int8))
    return path


def test_run_makes_successive_invocations_of_the_samples_on_reference_and_oracle(network, inputs, tmp_path):
    for on in ("reference", "tflm"):
        done = coverify("run", network, "--inputs", inputs, "--on", on, "-o", tmp_path / f"{on}.npz")
        assert done.code == 0, done
    with np.load(tmp_path / "reference.npz") as ours, np.load(tmp_path / "tflm.npz") as theirs:
        np.testing.assert_array_equal(ours["y"], theirs["y"])
        assert len(np.unique(ours["y"])) > 20


def test_run_on_a_device_makes_successive_invocations_too(network, inputs, tmp_path):
    for trace in ((), ("--trace",)):
        done = coverify(
            "run", network, "--inputs", inputs, "--on", "native:", "-o", tmp_path / "y.npz", *trace
        )
        assert done.code == 0, done
        tflm = Tflm(network.read_bytes())
        with np.load(tmp_path / "y.npz") as file, np.load(inputs) as given:
            np.testing.assert_array_equal(file["y"], [tflm.run(x[None])[0] for x in given["x"]])


@pytest.mark.parametrize("full", [(), ("--full",)], ids=["digests", "full"])
def test_conform_compares_sequences_of_invocations_on_a_device(network, inputs, full):
    done = coverify(
        "conform", network, "--device", "native:", "--inputs", inputs, "--limit", 40, "--sequence", 9,
        "--json", "-", *full,
    )  # fmt: skip
    assert (done.code, done.result["verdict"], done.result["samples"]) == (0, "MATCH", 40), done
    assert any("more than 9 invocations without a reset" in gap for gap in done.result["not_covered"])
    assert done.result["oracle"]["name"] == "tflite-micro"


@pytest.mark.parametrize("verb", [("conform",), ("conform", "--full"), ("diagnose",)], ids=" ".join)
def test_a_network_of_resource_variables_is_compared_and_their_handles_are_left_out(tmp_path, verb):
    (tmp_path / "variables.tflite").write_bytes(variables())
    asked = (verb[0], tmp_path / "variables.tflite", "--device", "native:", *verb[1:])
    done = coverify(*asked, "--vectors", 12, "--sequence", 5, "--json", "-")
    assert (done.code, done.result["verdict"], done.result["samples"]) == (0, "MATCH", 12), done
    names = {row["op"] for row in done.result["tensors"]}
    assert "READ_VARIABLE" in names and "VAR_HANDLE" not in names


def test_what_to_try_next_is_found_on_the_sequence_up_to_the_first_difference(tmp_path):
    (tmp_path / "state.tflite").write_bytes(state())
    asked = ("conform", tmp_path / "state.tflite", "--device", "native:", "--profile", "tflm-single-rounding")
    done = coverify(*asked, "--vectors", 24, "--sequence", 8, "--json", "-")
    assert (done.code, done.result["verdict"]) == (1, "MISMATCH"), done
    first = done.result["mismatches"][0]["sample"]
    assert first % 8, "the state is not what it begins as"
    assert f"(invocation {first % 8 + 1} after a reset)" in done.result["message"]
    assert "that of --profile tflm" in done.result["message"]


def test_a_sequence_that_the_state_outlasts_is_said(network):
    done = coverify("conform", network, "--device", "native:", "--sequence", 2, "--json", "-")
    assert any("the state holds up to 3 inputs" in gap for gap in done.result["not_covered"])


def test_a_sequence_is_for_networks_that_keep_state():
    done = coverify("conform", NETWORKS / "digits_mlp.tflite", "--device", "native:", "--sequence", 2)
    assert done.code == 2
    assert "keeps none" in done.stdout + done.stderr


def test_replay_runs_a_counterexample_from_the_reset_state(network, inputs, tmp_path):
    done = coverify(
        "verify", network, "--eps", 2, "--inputs", inputs, "--index", "0-39", "--out", tmp_path / "out"
    )
    witnesses = sorted((tmp_path / "out").glob("witness-*.zip"))[:3]
    assert witnesses, done
    done = coverify("replay", *witnesses, "--device", "native:", "--json", "-")
    assert (done.code, done.result["verdict"]) == (0, "CONFIRMED"), done


def test_verify_speaks_of_the_first_invocation_after_a_reset(network, inputs):
    """Each query's verdict is that of trying all inputs on TFLM's interpreter, reset before each."""
    done = coverify("verify", network, "--eps", 2, "--inputs", inputs, "--index", "0-39", "--json", "-")
    assert any("first after a reset" in gap for gap in done.result["not_covered"])
    tflm, verdicts = Tflm(network.read_bytes()), []
    with np.load(inputs) as file:
        samples = file["x"][:40].astype(int)
    for x in samples:
        offsets = itertools.product(range(-2, 3), repeat=2)
        box = [np.clip(x + o, -128, 127).astype(np.int8)[None] for o in offsets]
        classes = set()
        for point in box:
            tflm.reset()
            classes.add(int(np.argmax(tflm.run(point))))
        verdicts.append("HOLDS" if len(classes) == 1 else "VIOLATED")
    assert [q["verdict"] for q in done.result["queries"]] == verdicts
    assert {"HOLDS", "VIOLATED"} <= set(verdicts), json.dumps(verdicts)
