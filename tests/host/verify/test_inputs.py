"""Reading `.npz` inputs: the contract, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.errors import BadInput
from coverify.inputs import read_inputs

X = np.arange(-4, 8, dtype=np.int8).reshape(3, 2, 2)


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    return tmp_path / "x.npz"


def test_inputs_and_labels_are_read(tmp_path):
    inputs = read_inputs(saved(tmp_path, x=X, y=np.array([1, 2, 3], np.uint8), more=X), (2, 2))
    assert np.array_equal(inputs.x, X)
    assert inputs.y.tolist() == [1, 2, 3]


def test_floats_are_quantized_halves_away_from_zero(tmp_path):
    x = np.array([[0.0, 0.25, -0.25, 0.75, 99.0]], np.float32)
    inputs = read_inputs(saved(tmp_path, x=x), (5,), (0.5, -1), quantize=True)
    assert inputs.x.tolist() == [[-1, 0, -2, 1, 127]]  # 0, 0.5, -0.5, 1.5, 198, by hand


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"y": np.zeros(3, np.int64)},
        {"x": X.astype(np.float32)},
        {"x": X.astype(np.int16)},
        {"x": X[:, :1]},
        {"x": X[0]},
        {"x": X, "y": np.zeros(2, np.int64)},
        {"x": X, "y": np.zeros(3)},
        {"x": np.array([{}] * 3, dtype=object)},
        {"x": np.array(["a"] * 3)},
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays):
    with pytest.raises(BadInput):
        read_inputs(saved(tmp_path, **arrays), (2, 2))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY\1\0", b"{}" * 50])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(BadInput):
        read_inputs(tmp_path / "x.npz", (2, 2))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInput):
        read_inputs(tmp_path / "none.npz", (2, 2))


@pytest.mark.parametrize("content", [np.array([[np.nan]]), np.array([[np.inf]])])
def test_values_that_are_not_finite_are_refused(tmp_path, content):
    with pytest.raises(BadInput):
        read_inputs(saved(tmp_path, x=content), (1,), (1.0, 0), quantize=True)
