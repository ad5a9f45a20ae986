"""What inspect says of accumulators: the proof or the input, and the file that holds the input."""

import numpy as np

import mixed_inputs
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


def summed_ends(bias: int, scale: float) -> bytes:
    """Two inputs that are added, and a dense layer of the sum: two outputs."""
    b = Builder()
    b.inputs = [b.activation((1, 3), 0.5, -5), b.activation((1, 3), 0.5, -5)]
    total = b.add(*b.inputs, 1.0, 0)
    dense = b.fully_connected(total, np.array([[100, -50, 3]]), np.array([bias]), 0.01, scale, 0)
    return b.finish(total, dense)


def test_all_inputs_and_outputs_are_named_and_the_sums_between_them_are_examined(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(summed_ends(70, 1.0))
    done = coverify("inspect", path, "--json", "-")
    assert done.code == 0, done
    for name in ("input x0 ", "input x1 ", "output y0 int8 [1, 3]", "output y1 int8 [1, 1]"):
        assert name in done.result["message"]
    assert done.result["operators"][1]["overflow"] == "impossible"
    # by hand: the sum's codes are -123..127 (-61.5 twice), and a partial sum may be without its bias
    assert done.result["operators"][1]["accumulator"] == [
        -123 * 103 - 127 * 50,
        127 * 103 + 123 * 50 + 70,
    ]


def test_an_overflow_of_a_network_with_two_inputs_is_shown_with_both(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(summed_ends(2**31 - 19_000, 1e6))
    done = coverify("inspect", path, "--out", tmp_path / "out", "--json", "-")
    row = done.result["operators"][1]
    assert row["overflow"] == "found"
    with np.load(tmp_path / "out" / row["overflow_input"], allow_pickle=False) as file:
        shapes = {name: (file[name].dtype.name, file[name].shape) for name in file.files}
    assert shapes == {"x0": ("int8", (1, 3)), "x1": ("int8", (1, 3))}


def test_an_operator_that_the_firmware_lacks_is_told_before_a_device_refuses_it(tmp_path):
    """LOG_SOFTMAX: tests/device_harness/test_session.py shows the device's refusal."""
    b, path = Builder(), tmp_path / "net.tflite"
    x = b.input((1, 4), 0.05, 3)
    p = b.op("LOGISTIC", [x], b.activation((1, 4), 1 / 256, -128))
    y = b.op("LOG_SOFTMAX", [p], b.activation((1, 4), 1 / 16, 127))
    path.write_bytes(b.finish(y))
    done = coverify("inspect", path, "--json", "-")
    assert done.code == 0, done
    (said,) = done.result["not_covered"]
    assert said.startswith("op 1 LOG_SOFTMAX is not in the firmware's own engine: conform on a device")
    refused = coverify("conform", path, "--device", "native:", "--json", "-")
    assert "op 1 LOG_SOFTMAX: not in this engine" in refused.result["message"]
    assert not any("inputs other than" in said for said in refused.result["not_covered"])
    assert coverify("inspect", NETWORKS / "digits_cnn.tflite", "--json", "-").result["not_covered"] == []


def test_accumulators_that_are_not_examined_are_not_covered(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(mixed_inputs.content())
    done = coverify("inspect", path, "--json", "-")
    assert done.code == 0, done
    (said,) = done.result["not_covered"]
    assert said.startswith("accumulators: ")
    assert "its inputs are bool and float32 and int16 and int32 and int8 and uint8" in said
