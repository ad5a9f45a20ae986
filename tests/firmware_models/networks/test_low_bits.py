"""Training of networks of few bits: the file is a fixed-point network that computes what was trained."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from coverify.verify.fixed_point import FixedPointNetwork
from fixed_point_networks import content, outputs
from oracle import ROOT

PATH = ROOT / "firmware_models" / "networks" / "low_bits.py"
spec = importlib.util.spec_from_file_location("low_bits", PATH)
low_bits = importlib.util.module_from_spec(spec)
sys.modules["low_bits"] = low_bits  # its dataclasses look their module up
spec.loader.exec_module(low_bits)


def blobs(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of noisy gray levels that a network of one bit can tell apart."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, n)
    centres = rng.choice([40, 210], (3, 12))
    return np.clip(centres[y] + rng.integers(-40, 41, (n, 12)), 0, 255), y


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_the_exported_integers_compute_the_trained_classes_and_have_so_many_bits(bits):
    x, y = blobs()
    layers = low_bits.train(x, y, bits, hidden=(24, 16), epochs=20)
    arrays = low_bits.exported(layers)
    network = FixedPointNetwork.from_bytes(content(arrays))
    by_integers = outputs(arrays, x).argmax(axis=1)
    assert np.array_equal(low_bits.classes(layers, x), by_integers)
    assert (by_integers == y).mean() > 0.8
    for layer in network.layers:
        levels = {-1, 1} if bits == 1 else set(range(-(1 << bits - 1), 1 << bits - 1))
        assert set(layer.weights.ravel().tolist()) <= levels
    assert {layer.hi - layer.lo + 1 for layer in network.layers[:-1]} == {1 << bits}


def test_training_is_fixed_by_its_seed():
    x, y = blobs(100)
    one, other, third = (
        low_bits.exported(low_bits.train(x, y, 2, hidden=(5,), seed=seed, epochs=2)) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert any(not np.array_equal(one[name], third[name]) for name in one)


def test_q_rounds_to_so_many_bits_and_one_bit_is_the_sign():
    """By hand: Q(x, 2) · 2 = round(2 x) clipped to −2..1; Q(x, 3) · 4 = round(4 x) clipped to −4..3."""
    x = np.array([-1.0, -0.3, -0.2, 0.0, 0.24, 0.25, 0.9])
    assert low_bits.quantized(x, 1).tolist() == [-1, -1, -1, 1, 1, 1, 1]
    assert low_bits.quantized(x, 2).tolist() == [-2, -1, 0, 0, 0, 1, 1]
    assert low_bits.quantized(x, 3).tolist() == [-4, -1, -1, 0, 1, 1, 3]


def test_halving_is_the_mean_of_two_by_two_pixels_with_halves_up():
    image = np.zeros((1, 28, 28), np.uint8)
    image[0, 0:2, 0:2] = [[1, 0], [1, 0]]  # the mean 0.5
    image[0, 2:4, 26:28] = 255
    small = low_bits.halved(image.reshape(1, 784)).reshape(14, 14)
    assert (small[0, 0], small[1, 13], small.sum()) == (1, 255, 256)


def test_a_file_s_own_data_are_trained_on_but_for_the_fifth_that_is_held_out(tmp_path, monkeypatch, capsys):
    x, y = blobs(200)
    np.savez(tmp_path / "mine.npz", x=x.reshape(200, 3, 4).astype(np.uint8), y=y)
    asked = ["low_bits.py", "--data", str(tmp_path / "mine.npz"), "--hidden", "6", "--bits", "2"]
    monkeypatch.setattr(sys, "argv", [*asked, "--epochs", "3", "--seed", "4", "--out", str(tmp_path)])
    assert low_bits.main() == 0
    found = dict(np.load(tmp_path / "mine_2bit.npz"))
    alone = low_bits.exported(low_bits.train(x[40:], y[40:], 2, hidden=(6,), seed=4, epochs=3))
    assert all(np.array_equal(found[name], alone[name]) for name in alone)
    right = (outputs(found, x[:40]).argmax(axis=1) == y[:40]).mean()
    assert f"{right:.2%} of 40 inputs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.ones((4, 2), np.int64)},
        {"x": np.ones((4, 2)), "y": np.zeros(4, np.int64)},
        {"x": np.full((4, 2), 256), "y": np.zeros(4, np.int64)},
        {"x": np.full((4, 2), 1), "y": np.full(4, -1)},
        {"x": np.full((4, 2), 1), "y": np.zeros(3, np.int64)},
    ],
)
def test_data_that_are_no_codes_and_classes_are_refused(arrays, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(ValueError, match=r"mine\.npz"):
        low_bits.own(tmp_path / "mine.npz")
