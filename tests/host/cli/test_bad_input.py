"""Whatever comes from outside and is wrong: a clear message, the right exit code, no traceback, no hang."""

import os
import pty
import threading

import numpy as np
import pytest

from command import coverify
from oracle import NETWORKS

MODEL = NETWORKS / "digits_mlp.tflite"
INPUTS = NETWORKS / "digits_mlp.npz"


def conform(*more, model=MODEL, device="native:"):
    return coverify("conform", model, "--device", device, "--vectors", 2, "--json", "-", *more)


@pytest.mark.parametrize("length", [0, 7, 100, 5000])
def test_a_truncated_model_is_bad_input(tmp_path, length):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(MODEL.read_bytes()[:length])
    done = conform(model=cut)
    assert done.code == 2
    assert done.result["verdict"] == "ERROR"
    assert "cut.tflite: not a valid .tflite model" in done.result["message"]


def test_a_model_that_is_not_there_is_bad_input(tmp_path):
    done = coverify("inspect", tmp_path / "none.tflite")
    assert done.code == 2
    assert "none.tflite: No such file or directory" in done.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((3, 63), np.int8)}, "the network wants N x 64"),
        ({"x": np.zeros((3, 64), np.float32)}, "must be int8"),
        ({"z": np.zeros((3, 64), np.int8)}, "there is no array x"),
        ({"x": np.array([{"a": 1}] * 3, object)}, "pickled objects"),
        ({"x": np.zeros((3, 64), np.int8), "y": np.zeros(2, np.int64)}, "must hold 3 integers"),
    ],
)
def test_inputs_that_do_not_fit_are_bad_input(tmp_path, arrays, said):
    file = tmp_path / "x.npz"
    np.savez(file, **arrays)
    for arguments in (
        ("conform", MODEL, "--device", "native:", "--inputs", file),
        ("verify", MODEL, "--eps", 1, "--inputs", file),
        ("run", MODEL, "--inputs", file, "-o", tmp_path / "y.npz"),
    ):
        done = coverify(*arguments, "--json", "-")
        assert done.code == 2, done
        assert said in done.result["message"]


def test_a_file_that_is_no_npz_is_bad_input(tmp_path):
    file = tmp_path / "x.npz"
    file.write_bytes(b"PK\x03\x04 but not really")
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", file, "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")


@pytest.mark.parametrize("index", ["360", "5-3", "a", "-1", "1,,2", "0-360"])
def test_an_index_outside_the_inputs_is_bad_input(index):
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", INPUTS, f"--index={index}", "--json", "-")
    assert done.code == 2
    assert "--index" in done.result["message"]


@pytest.mark.parametrize("device", ["qemu:nothing", "native:x", "nowhere", "serial:", "ftp://x"])
def test_a_device_that_does_not_exist_is_bad_input(device):
    done = conform(device=device)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert device in done.result["message"]


def test_a_port_that_is_not_there_is_a_link_error():
    done = conform(device="serial:/dev/ttyNONE@115200")
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR")
    assert done.result["samples"] == 0


def test_a_silent_device_is_a_link_error_and_does_not_hang():
    master, slave = pty.openpty()
    try:
        done = conform(device=f"serial:{os.ttyname(slave)}")
    finally:
        os.close(master)
        os.close(slave)
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR")
    assert "no answer to HELLO" in done.result["message"]


def test_a_babbling_device_is_a_link_error_and_does_not_hang():
    master, slave = pty.openpty()
    rng, stop = np.random.default_rng(3), threading.Event()
    os.set_blocking(master, False)

    def babble() -> None:
        while not stop.is_set():
            try:
                os.write(master, rng.bytes(512))
            except BlockingIOError:
                stop.wait(0.01)

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        done = conform(device=f"serial:{os.ttyname(slave)}")
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR")


def test_an_unknown_profile_engine_or_oracle_is_bad_input():
    assert conform("--profile", "mine").code == 2
    assert conform("--oracle", "mine").code == 2
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", INPUTS, "--engine", "mine", "--json", "-")
    assert done.code == 2
    assert "unknown engine" in done.result["message"]


def test_an_unknown_verb_or_option_is_a_usage_error():
    assert coverify("conformm").code == 2
    assert coverify("conform", MODEL, "--devize", "x").code == 2
