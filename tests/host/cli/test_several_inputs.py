"""Networks with several inputs of int8: all their values, in their order, are one input of a query."""

from __future__ import annotations

import numpy as np
import pytest

from command import coverify
from coverify.check import Rejected, check
from coverify.check.certificate import network
from coverify.verify.equivalence.distinction import Distinction
from coverify.verify.witness import Witness
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Ends, Model
from tflm_int8.program.concrete import run
from tflm_int8.program.lowering import lower_joined

N = 7
"""Three values, and an image of four pixels."""


def two_inputs(seed: int = 3, scale: float = 0.02, twice: bool = False) -> bytes:
    """Three values through a dense layer, four pixels through a convolution, added; scale: of the pixels."""
    rng, b = np.random.default_rng(seed), Builder()
    x, image = b.input((1, 3), 0.05, 3), b.input((1, 2, 2, 1), scale, -7)
    filters, bias = rng.integers(-90, 91, (2, 1, 1, 1)), rng.integers(-300, 300, 2)
    seen = b.reshape(b.conv(image, filters, bias, [0.01] * 2, 0.05, -9), (1, 8))
    parts = []
    for n, read in ((8, seen), (3, x)):
        w, bias = rng.integers(-90, 91, (4, n)), rng.integers(-300, 300, 4)
        parts.append(b.fully_connected(read, w, bias, 0.01, 0.05, 4))
    y = b.add(*parts, 0.08, 2)
    w, bias = rng.integers(-90, 91, (3, 4)), rng.integers(-300, 300, 3)
    if twice:
        b.inputs.append(x)
    return b.finish(b.fully_connected(y, w, bias, 0.01, 0.05, 4))


def outputs(content: bytes, x: np.ndarray) -> np.ndarray:
    """For every row of N values, as TFLM's interpreter has them."""
    tflm, x = Tflm(content), x.astype(np.int8)
    return np.array([tflm.run(row[None, :3], row[3:].reshape(1, 2, 2, 1)).reshape(-1) for row in x])


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(5)
    (tmp_path / "net.tflite").write_bytes(two_inputs())
    x = rng.integers(-128, 128, (6, N)).astype(np.int8)
    np.savez(tmp_path / "x.npz", x0=x[:, :3], x1=x[:, 3:].reshape(6, 2, 2, 1))
    return tmp_path


def rows(files) -> np.ndarray:
    with np.load(files / "x.npz") as held:
        return np.hstack([held["x0"], held["x1"].reshape(6, 4)]).astype(np.int64)


def test_program_and_checker_compute_what_tflm_does():
    for seed in range(8):
        content, x = two_inputs(seed), np.random.default_rng(seed).integers(-128, 128, (20, N))
        program, net = lower_joined(Ends.of(Model.from_bytes(content)).reference), network(content, "tflm")
        expected = outputs(content, x)
        np.testing.assert_array_equal(run(program, x)[program.output], expected)
        np.testing.assert_array_equal(net.boxes(x[None])[0][:, net.outputs], expected)


def test_an_input_that_is_there_twice_is_refused_by_the_checker():
    with pytest.raises(Rejected, match="there twice"):
        network(two_inputs(twice=True), "tflm")


def test_verdicts_are_those_of_every_input_and_have_evidence(files):
    x, steps = rows(files), np.array([-2, 0, 2])
    ball = np.stack(np.meshgrid(*[steps] * N, indexing="ij"), -1).reshape(-1, N)
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 2, "--json", "-")
    for engine in ("bab", "auto"):
        done = coverify(*asked, "--engine", engine, "--out", files / engine).result
        for i, row in enumerate(done["queries"]):
            near = outputs((files / "net.tflite").read_bytes(), np.clip(x[i] + ball, -128, 127)).argmax(
                axis=1
            )
            assert row["verdict"] in ("HOLDS", "VIOLATED")
            if row["verdict"] == "HOLDS":
                assert np.all(near == row["label"])
                assert check(files / engine / row["certificate"]).label == row["label"]
            else:
                found = Witness.read(files / engine / row["witness"])
                assert found.x.shape == (N,)
                assert outputs(found.model, found.x[None])[0].argmax() != row["label"]
    claims = coverify("check", files / "bab", "--model", files / "net.tflite", "--inputs", files / "x.npz")
    assert claims.code == 0 and "labels of 6 inputs of radius 2" in " ".join(claims.stdout.split())


def test_a_counterexample_is_replayed(files):
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 30, "--engine", "attack")
    assert coverify(*asked, "--timeout", 2, "--out", files).code == 1
    assert list(files.glob("witness*.zip"))
    done = coverify("replay", files, "--device", "native:", "--json", "-")
    assert done.code == 0 and {row["verdict"] for row in done.result["replays"]} == {"CONFIRMED"}


def test_features_are_numbered_through_all_inputs(files):
    """Only a pixel may move; real values need one scale for all."""
    (files / "p.toml").write_text("region = {eps = 255, mask = [5]}\nclaim = {kind = 'label'}\n")
    asked = (
        "verify",
        files / "net.tflite",
        "--inputs",
        files / "x.npz",
        "--label",
        "predicted",
        "--json",
        "-",
    )
    done = coverify(*asked, "--property", files / "p.toml", "--out", files / "out").result
    for i, row in enumerate(done["queries"]):
        near = np.repeat(rows(files)[i][None], 256, axis=0)
        near[:, 5] = np.arange(-128, 128)
        same = np.all(outputs((files / "net.tflite").read_bytes(), near).argmax(axis=1) == row["label"])
        assert row["verdict"] == ("HOLDS" if same else "VIOLATED")
    (files / "p.toml").write_text("region = {eps_real = 0.1}\nclaim = {kind = 'label'}\n")
    done = coverify(*asked, "--property", files / "p.toml")
    assert done.code == 2 and "scale" in done.result["message"]
    (files / "net.tflite").write_bytes(two_inputs(scale=0.05))
    assert coverify(*asked, "--property", files / "p.toml").code == 2  # zero points differ, too


def test_two_networks_are_told_apart(files):
    (files / "other.tflite").write_bytes(two_inputs(4))
    asked = ("distinguish", files / "net.tflite", "--against-model", files / "other.tflite")
    assert coverify(*asked, "--out", files / "out").code == 1
    found = Distinction.read(files / "out" / "distinction.zip")
    both = [outputs(side.model, found.x.reshape(1, N)) for side in (found.first, found.second)]
    assert not np.array_equal(*both)
    done = coverify("replay", files / "out" / "distinction.zip", "--device", "native:", "--json", "-")
    assert done.result["replays"][0]["verdict"] == "CONFIRMED"


def test_verbs_that_take_one_input_say_so(files):
    done = coverify("study", "gap", files / "net.tflite", "--json", "-")
    assert done.code == 2
