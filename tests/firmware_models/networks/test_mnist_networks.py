"""Do the MNIST networks compute the same in TFLM, in the reference, as a program and on the device?

No image is shipped: random codes are always run, MNIST's held-out images where the shared data is there.
"""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from coverify.boards.device import open_device
from oracle import NETWORKS, Tflm, shared
from tflm_int8 import Model, Reference, lower
from tflm_int8.program.concrete import run

NAMES = ("mnist_conv", "mnist_mlp_100_100", "mnist_mlp_64_32")
HELD_OUT = 2000


def held_out(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes int8 [n, 784] and digits of the first n test images."""
    images = gzip.decompress(shared("mnist/mnist-t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    labels = gzip.decompress(shared("mnist/mnist-t10k-labels-idx1-ubyte.gz").read_bytes())[8:]
    codes = np.frombuffer(images, np.uint8).reshape(-1, 784)[:n].astype(np.int16) - 128
    return codes.astype(np.int8), np.frombuffer(labels, np.uint8)[:n]


def assert_every_tensor_is_tflms(name: str, x: np.ndarray) -> None:
    model = Model.read(NETWORKS / f"{name}.tflite")
    reference, program, tflm = Reference(model), lower(model), Tflm(model.content)
    trace = reference.trace(x.reshape(-1, *reference.input.shape[1:]))
    wires = run(program, x.astype(np.int64))
    for i, one in enumerate(x):
        tflm.run(one.reshape(reference.input.shape))
        for tensor, values in trace.items():
            np.testing.assert_array_equal(values[i], tflm.tensor(tensor), f"sample {i}, tensor {tensor}")
    for wire, tensor in program.tensors.items():
        if tensor in trace:
            np.testing.assert_array_equal(wires[wire], trace[tensor].reshape(len(x), -1), f"wire {wire}")


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_tflms_on_random_codes(name: str) -> None:
    assert_every_tensor_is_tflms(name, np.random.default_rng(0).integers(-128, 128, (8, 784)).astype(np.int8))


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_tflms_on_held_out_images(name: str) -> None:
    assert_every_tensor_is_tflms(name, held_out(24)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_accuracy_in_tflm_is_the_cards(name: str) -> None:
    card = (NETWORKS / f"{name}.md").read_text("utf-8")
    given = re.search(r"int8 in TFLM \| (\d+) of (\d+)", card)
    assert given is not None
    x, y = held_out(HELD_OUT)
    content = (NETWORKS / f"{name}.tflite").read_bytes()
    tflm, shape = Tflm(content), Reference(Model.from_bytes(content)).input.shape
    right = sum(int(tflm.run(one.reshape(shape)).argmax()) == digit for one, digit in zip(x, y, strict=True))
    assert (right, HELD_OUT) == (int(given[1]), int(given[2]))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("url", ["native:", pytest.param("qemu:mps2-an386", marks=pytest.mark.cross)])
def test_the_devices_outputs_are_tflms(url: str, name: str) -> None:
    model = Model.read(NETWORKS / f"{name}.tflite")
    tflm, shape = Tflm(model.content), Reference(model).input.shape
    x = np.random.default_rng(1).integers(-128, 128, (3, *shape)).astype(np.int8)
    with open_device(url) as device:
        device.client.ensure_model(model.content)
        for one in x:
            expected = tflm.run(one)
            device.client.set_input(0, one.tobytes())
            device.client.invoke()
            assert [output.data for output in device.client.outputs()] == [expected.tobytes()]
