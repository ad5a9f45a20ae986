"""coverify verify on a fixed-point network in an .npz file, as a user types it."""

from __future__ import annotations

import numpy as np
import pytest

from command import coverify
from coverify.verify.witness import Witness
from fixed_point_networks import layers_of, outputs
from oracle import NETWORKS

# y = (x0 - x1, x1 - x0): class 0 while x0 >= x1 (by hand)
ARRAYS = layers_of([[[1, -1], [-1, 1]]], [[0, 0]], [0], [(-512, 511)])


@pytest.fixture
def files(tmp_path):
    np.savez(tmp_path / "net.npz", **ARRAYS)
    x = np.array([[[250, 3]], [[9, 4]], [[9, 3]]], np.uint8)  # a 1 x 2 picture each
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(3, np.int64))
    return tmp_path


def verify(files, *more, inputs="x.npz"):
    return coverify("verify", files / "net.npz", "--inputs", files / inputs, "--json", "-", *more)


def test_verdicts_and_witnesses_are_about_pixels(files):
    done = verify(files, "--eps", 3, "--out", files)
    assert done.code == 1
    assert done.result["profile"] == "fixed-point"
    assert [row["verdict"] for row in done.result["queries"]] == ["HOLDS", "VIOLATED", "HOLDS"]
    witness = Witness.read(files / "witness-1-eps3.zip")
    assert witness.x.dtype == np.int16
    assert witness.x.tolist() == [[6, 7]]  # the only point where x0 < x1 within 3 of (9, 4)
    assert witness.tensors[1].tolist() == outputs(ARRAYS, witness.x)[0].tolist() == [-1, 1]
    assert witness.model == (files / "net.npz").read_bytes()


def test_pixels_end_at_0_and_255(files):
    np.savez(files / "ends.npz", x=np.array([[255, 255], [0, 0]], np.uint8), y=np.zeros(2, int))
    done = verify(files, "--eps", 1, "--out", files, inputs="ends.npz")
    assert [row["verdict"] for row in done.result["queries"]] == ["VIOLATED", "VIOLATED"]
    assert Witness.read(files / "witness-0-eps1.zip").x.tolist() == [254, 255]
    assert Witness.read(files / "witness-1-eps1.zip").x.tolist() == [0, 1]


def test_no_device_is_asked_about_a_fixed_point_network(files):
    verify(files, "--eps", 3, "--out", files)
    done = coverify("replay", files / "witness-1-eps3.zip", "--device", "native:", "--json", "-")
    assert done.code == 2
    assert "net.npz is a fixed-point network" in done.result["message"]


def test_of_a_folder_what_a_device_runs_is_replayed_and_the_rest_is_named(files):
    out = files / "out"
    verify(files, "--eps", 3, "--out", out / "fixed")
    asked = ("--device", "native:", "--json", "-")
    done = coverify("replay", out / "fixed", *asked)
    assert done.code == 2 and "no device runs it" in done.result["message"]
    mlp, x = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
    assert coverify("verify", mlp, "--inputs", x, "--eps", 60, "--index", 0, "--out", out / "int8").code == 1
    done = coverify("replay", out, *asked)
    assert done.code == 0, done
    assert [row["witness"] for row in done.result["replays"]] == ["int8/witness-0-eps60.zip"]
    left = "1 of 2 counterexamples are of fixed-point networks, which no device runs"
    assert left in done.result["not_covered"]
    assert coverify("replay", out / "int8", out / "fixed" / "witness-1-eps3.zip", *asked).code == 2


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((2, 2), np.int8),
        np.zeros((2, 3), np.uint8),
        np.zeros(2, np.uint8),
        np.zeros((0, 2), np.uint8),
    ],
)
def test_other_inputs_than_pixels_are_bad_input(files, x):
    np.savez(files / "bad.npz", x=x)
    assert verify(files, "--eps", 1, inputs="bad.npz").code == 2


def test_another_archive_is_bad_input(files):
    done = coverify("verify", files / "x.npz", "--inputs", files / "x.npz", "--eps", 1, "--json", "-")
    assert done.code == 2
    assert "not a fixed-point network" in done.result["message"]


def test_a_kernel_profile_says_nothing_about_a_fixed_point_network(files):
    done = verify(files, "--eps", 3, "--profile", "cmsis-nn")
    assert done.code == 2
    assert "cmsis-nn" in done.result["message"]
