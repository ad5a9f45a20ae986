"""What the verbs say of a preprocessor of sound: it is compared, and what nobody writes is not TFLM's."""

import numpy as np
import pytest

from command import coverify
from preprocessor import frames, preprocessor


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "sound.tflite"
    path.write_bytes(preprocessor(narrow=True))
    return path


def test_conform_compares_a_preprocessor_and_says_which_elements_are_not_tflms(network, tmp_path):
    np.savez(tmp_path / "x.npz", x=(frames(12, 60) >> 8).astype(np.int8))
    asked = ("conform", network, "--device", "native:", "--inputs", tmp_path / "x.npz", "--json", "-")
    done = coverify(*asked)
    assert (done.code, done.result["verdict"], done.result["samples"]) == (0, "MATCH", 12), done
    assert done.result["oracle"]["name"] == "tflite-micro"
    assert any("in 10 elements that no operator writes" in gap for gap in done.result["not_covered"])


def test_a_preprocessor_is_lowered_and_its_bounds_decide_nothing(network, tmp_path):
    np.savez(tmp_path / "x.npz", x=(frames(2, 60) >> 8).astype(np.int8))
    asked = ("verify", network, "--inputs", tmp_path / "x.npz", "--index", 1, "--eps", 1)
    done = coverify(*asked, "--engine", "interval", "--json", "-")
    assert (done.code, done.result["verdict"]) == (4, "UNKNOWN"), done
