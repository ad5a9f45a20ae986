"""coverify distinguish and the replay of what it finds, as a user types them."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from command import coverify
from coverify.check import check
from coverify.verify.deadline import Deadline
from coverify.verify.equivalence.distinction import Computed, Distinction
from fixed_point_networks import layers_of
from oracle import NETWORKS, Tflm
from tflm_int8 import Model, Reference

MLP = NETWORKS / "digits_mlp.tflite"
CNN = NETWORKS / "digits_cnn.tflite"


def distinguish(*arguments):
    return coverify("distinguish", *arguments, "--json", "-")


def test_profiles_that_run_the_same_kernels_are_one_program():
    done = distinguish(MLP, "--against", "cmsis-nn")
    assert (done.code, done.result["verdict"]) == (0, "HOLDS")
    (row,) = done.result["queries"]
    assert (row["engine"], row["proof"]) == ("structure", "the same program")
    assert not sum(r["accumulators"] for r in done.result["separations"])


def test_an_encoding_that_has_not_a_rounding_names_an_engine_of_this_verb_that_has_it():
    pytest.importorskip("z3")
    asked = (MLP, "--against", "litert-ref", "--timeout", 5, "--engine")
    done = distinguish(*asked, "z3:literal")
    (row,) = done.result["queries"]
    assert done.code == 4 and "by its stairs only" in row["note"] and "--" not in row["note"]
    (named,) = re.findall(r"z3:\w+", row["note"])
    assert distinguish(*asked, named).result["verdict"] in ("HOLDS", "VIOLATED", "UNKNOWN")


@pytest.fixture(scope="module")
def separated(tmp_path_factory):
    """A class that one rounding changes, with its file."""
    folder = tmp_path_factory.mktemp("separated")
    done = distinguish(
        MLP, "--against", "tflm-single-rounding", "--question", "class", "--out", folder, "--timeout", 60
    )
    return done, folder / "distinction.zip"


def test_an_input_is_found_on_which_the_class_differs(separated):
    done, path = separated
    assert (done.code, done.result["verdict"]) == (1, "VIOLATED")
    kept = Distinction.read(path)
    model = Model.read(MLP)
    shape = model.tensors[model.inputs[0]].shape
    by_tflm = Tflm(MLP.read_bytes()).run(kept.x.reshape(shape))
    assert by_tflm.reshape(-1).tolist() == kept.first.tensors[model.outputs[0]].reshape(-1).tolist()
    single = Reference(model, "tflm-single-rounding").run(kept.x.reshape(shape)).reshape(-1)
    assert int(by_tflm.argmax()) == kept.first.label != kept.second.label == int(single.argmax())
    (row,) = done.result["queries"]
    assert (row["label"], row["predicted"]) == (kept.first.label, kept.second.label)


def test_the_device_says_which_of_the_two_it_follows(separated):
    done = coverify("replay", separated[1], "--device", "native:", "--json", "-")
    assert done.code == 0
    (row,) = done.result["replays"]
    assert row["verdict"] == "CONFIRMED"
    assert row["note"] == "the device gives tflm's bytes, not tflm-single-rounding's"


def test_a_device_that_follows_neither_refutes(tmp_path):
    """The firmware is tflm's; on this input two other profiles differ from it and from each other."""
    model = Model.read(CNN)
    shape, out = model.tensors[model.inputs[0]].shape, model.outputs[0]
    x = np.random.default_rng(5).integers(-128, 128, (500, *shape[1:])).astype(np.int8)
    profiles = ("litert-ref", "tflm-single-rounding")
    ours, *theirs = (Reference(model, p).run(x).reshape(len(x), -1) for p in ("tflm", *profiles))
    differ = [np.any(a != b, axis=1) for a, b in [(ours, theirs[0]), (ours, theirs[1]), theirs]]
    one = x[np.flatnonzero(np.all(differ, axis=0))[0]].reshape(shape)
    sides = []
    for profile in profiles:
        trace = {t: v[0] for t, v in Reference(model, profile).trace(one[None]).items()}
        sides.append(Computed(CNN.read_bytes(), CNN.name, profile, int(trace[out].argmax()), trace))
    Distinction(one, *sides, "output", 0, "search").write(tmp_path / "neither.zip")
    done = coverify("replay", tmp_path / "neither.zip", "--device", "native:", "--json", "-")
    assert (done.code, done.result["replays"][0]["verdict"]) == (1, "REFUTED")
    assert "neither's bytes" in done.result["replays"][0]["note"]


def test_a_file_that_expects_other_bytes_than_the_profile_is_bad_input(separated, tmp_path):
    kept = Distinction.read(separated[1])
    last = max(kept.first.tensors)
    tensors = {**kept.first.tensors, last: kept.first.tensors[last] ^ np.int8(1)}
    changed = dataclasses.replace(kept, first=dataclasses.replace(kept.first, tensors=tensors))
    changed.write(tmp_path / "changed.zip")
    done = coverify("replay", tmp_path / "changed.zip", "--device", "native:", "--json", "-")
    assert done.code == 2
    assert "expects other bytes" in done.result["message"]


def test_outputs_that_differ_within_the_tolerance_tell_nothing_apart(separated, tmp_path):
    kept, out = Distinction.read(separated[1]), Model.read(MLP).outputs[0]
    apart = int(np.abs(kept.first.tensors[out].astype(int) - kept.second.tensors[out]).max())
    assert apart > 0
    for tolerance, code in ((apart - 1, 0), (apart, 2)):
        stated = dataclasses.replace(kept, question="output", tolerance=tolerance)
        stated.write(tmp_path / "stated.zip")
        done = coverify("replay", tmp_path / "stated.zip", "--device", "native:", "--json", "-")
        assert done.code == code
    assert f"stated.zip: no output differs by more than its tolerance of {apart}" in done.result["message"]


def test_two_networks_are_compared_within_a_radius_and_replayed(tmp_path):
    content = bytearray(MLP.read_bytes())
    model = Model.read(MLP)
    weights = next(t for t in model.tensors if t.dtype == "int8" and t.data is not None)
    at = bytes(content).find(weights.data.tobytes())
    for i in range(32):  # a row of the last layer
        content[at + i] ^= 0x15
    other = tmp_path / "other.tflite"
    other.write_bytes(content)
    inputs = NETWORKS / "digits_mlp.npz"
    done = distinguish(
        MLP, "--against-model", other, "--inputs", inputs, "--index", "0-1", "--eps", 2, "--out", tmp_path
    )
    rows = done.result["queries"]
    assert [row["index"] for row in rows] == [0, 1]
    found = [tmp_path / row["witness"] for row in rows if row["verdict"] == "VIOLATED"]
    assert found and done.code == 1
    replayed = coverify("replay", *found, "--device", "native:", "--json", "-")
    assert replayed.code == 0 and "every byte as expected" in replayed.result["replays"][0]["note"]


def test_two_profiles_that_keep_one_class_leave_a_certificate_each(tmp_path):
    asked = (MLP, "--against", "tflm-single-rounding", "--inputs", NETWORKS / "digits_mlp.npz", "--index", 0)
    done = distinguish(*asked, "--question", "class", "--eps", 2, "--out", tmp_path)
    assert done.code == 0
    (row,) = done.result["queries"]
    first, second = (check(tmp_path / row[name]) for name in ("certificate", "certificate_against"))
    assert (first.model, first.label) == (second.model, second.label) == (first.model, row["label"])
    assert (first.profile, second.profile) == ("tflm", "tflm-single-rounding")
    for end, by in (("lo", -2), ("hi", 2)):
        box = np.clip(np.load(NETWORKS / "digits_mlp.npz")["x"][0].reshape(-1).astype(int) + by, -128, 127)
        assert np.array_equal(getattr(first, end), box) and np.array_equal(getattr(second, end), box)
    done = distinguish(*asked, "--question", "output", "--tolerance", 255, "--eps", 0, "--out", tmp_path)
    assert "certificate" not in done.result["queries"][0]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_what_was_found_stays_where_it_is_interrupted(tmp_path, how, code):
    inputs, n = NETWORKS / "digits_mlp.npz", 150
    command = [
        sys.executable, "-m", "coverify", "distinguish", str(MLP), "--against", "tflm-single-rounding",
        "--inputs", str(inputs), "--index", f"0-{n - 1}", "--question", "class", "--eps", "1",
        "--out", str(tmp_path),
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as verb:
        deadline = Deadline.in_s(120)
        first = "distinguish.json" if how == signal.SIGKILL else "certificate-*"
        while not list(tmp_path.glob(first)) and verb.poll() is None:
            deadline.check()
            time.sleep(0.02)
        time.sleep(0.3)
        verb.send_signal(how)
        assert verb.wait(60) == code
    result = json.loads((tmp_path / "distinguish.json").read_text("utf-8"))
    rows = result["queries"]
    assert 0 < len(rows) < n
    assert result["message"] == f"{len(rows)} of {n} regions looked at"
    assert result["verdict"] in ("UNKNOWN", "VIOLATED")


def test_fixed_point_networks_are_compared_as_well(tmp_path):
    """y = (x0 − x1, x1 − x0); the other adds 1 to the second output: the class differs where x0 = x1."""
    weights = [[[1, -1], [-1, 1]]]
    for name, bias in (("a", [0, 0]), ("b", [0, 1])):
        np.savez(tmp_path / f"{name}.npz", **layers_of(weights, [bias], [0], [(-512, 511)]))
    pair = (tmp_path / "a.npz", "--against-model", tmp_path / "b.npz", "--question", "class")
    done = distinguish(*pair, "--out", tmp_path)
    assert done.code == 1
    x = Distinction.read(tmp_path / "distinction.zip").x
    assert x[0] == x[1]
    apart = np.array([[9, 3]], np.uint8)
    np.savez(tmp_path / "x.npz", x=apart)
    assert distinguish(*pair, "--inputs", tmp_path / "x.npz", "--eps", 2).code == 0
    assert distinguish(*pair, "--inputs", tmp_path / "x.npz", "--eps", 3).code == 1
    assert distinguish(*pair[:3], "--tolerance", 1).code == 0


def test_an_operator_is_separated_and_its_model_kept(tmp_path):
    options = ("--op", "fully_connected", "--against", "tflm-single-rounding", "--out", tmp_path)
    done = distinguish(*options, "--engine", "z3")
    assert done.code == 1
    (row,) = done.result["separations"]
    assert row["values"][0] != row["values"][1]
    assert done.result["message"].endswith(" in fully_connected.tflite")
    content = (tmp_path / "fully_connected.tflite").read_bytes()
    x = np.load(tmp_path / "fully_connected.npz")["x"]
    assert Tflm(content).run(x).reshape(-1).tolist() == row["values"][:1]
    replayed = coverify(
        "replay", tmp_path / "distinction-fully_connected.zip", "--device", "native:", "--json", "-"
    )
    assert replayed.code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a MODEL or --op OP is needed"),
        ((MLP,), "--against PROFILE or --against-model FILE"),
        ((MLP, "--against", "tflm"), "the profile itself"),
        ((MLP, "--against", "crystal"), "crystal"),
        ((MLP, "--against", "cmsis-nn", "--question", "colour"), "--question colour"),
        ((MLP, "--against", "cmsis-nn", "--eps", 1), "need --inputs"),
        ((MLP, "--against-model", NETWORKS / "digits_cnn.npz"), "fixed-point"),
        ((MLP, "--against", "cmsis-nn", "--engine", "oracle"), "unknown engine"),
        (("--op", "SOFTMAX"), "--op needs --against"),
        (("--op", "SOFTMAX", "--against", "tflm"), "the profile itself"),
        (("--op", "ADD", "--against", "tflite-ref", "--tolerance", 3), "are about a MODEL"),
        (("--op", "ADD", "--against", "tflite-ref", "--question", "class"), "are about a MODEL"),
        (
            ("--op", "NOTHING", "--against", "cmsis-nn"),
            "--op 'NOTHING': no models are made of it; models are",
        ),
        (
            ("--op", "NOTHING", "--against", "tflite-ref"),
            "--op 'NOTHING': no models are made of it; models are",
        ),
        (("--op", "sum", "--against", "tflite-ref"), "--op SUM: not under the profile 'tflite-ref': "),
        (("--op", "custom:signaldelay", "--against", "tflite-ref"), "--op CUSTOM:SignalDelay: not under"),
        (("--op", "SOFTMAX", "--against", "tflm-single-rounding", "--engine", "z3"), "z3 separates"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(arguments, said):
    done = distinguish(*arguments)
    assert done.code == 2
    assert said in done.result["message"]
