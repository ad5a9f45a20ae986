"""What inspect says of accumulators: the proof or the input, and the file that holds the input."""

import numpy as np

from command import coverify
from model_builder import Builder
from oracle import NETWORKS


def test_an_accumulator_that_overflows_is_shown_with_its_input(tmp_path):
    weights, bias = np.array([[100, -50, 3]]), np.array([2**31 - 19_000])
    b = Builder()
    x = b.input((1, 3), 0.5, -5)
    path = tmp_path / "net.tflite"
    path.write_bytes(b.finish(b.fully_connected(x, weights, bias, 0.01, 1e6, 0)))
    done = coverify("inspect", path, "--out", tmp_path / "out", "--json", "-")
    assert done.code == 2  # the reference refuses what it cannot prove
    (row,) = done.result["operators"]
    assert "accumulator can reach" in row["refused"]
    assert row["overflow"] == "found"
    with np.load(tmp_path / "out" / row["overflow_input"], allow_pickle=False) as file:
        shown = file["x"]
    assert shown.dtype == np.int8
    assert shown.shape == (1, 3)
    total = int((shown[0].astype(np.int64) + 5) @ weights[0] + bias[0])
    assert total == row["overflow_value"] > 2**31 - 1


def test_a_network_of_ours_is_proved_free_of_overflow():
    rows = coverify("inspect", NETWORKS / "digits_cnn.tflite", "--json", "-").result["operators"]
    verdicts = {row["op"]: row.get("overflow") for row in rows}
    summing = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "FULLY_CONNECTED")
    assert verdicts == {op: "impossible" if op in summing else None for op in verdicts}
