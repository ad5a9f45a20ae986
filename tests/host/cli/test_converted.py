"""Networks as converters leave them: a RESHAPE whose shape is computed, floats or uint8 at the ends."""

import shutil
import zipfile

import numpy as np
import pytest

from command import coverify
from coverify.verify.witness import Witness
from model_builder import Builder
from oracle import Tflm

DEVICES = [
    "native:",
    pytest.param(
        "qemu:mps2-an386",
        marks=[
            pytest.mark.cross,
            pytest.mark.skipif(
                not all(shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
                reason="the cross compiler or the emulator is not installed (make tools)",
            ),
        ],
    ),
]


def flattened(b: Builder, x: int) -> int:
    """As Keras flattens a batch of any size: the batch is read from the shape at run time."""
    shape = b.tensors[x].shape
    found = b.op("SHAPE", [x], b.tensor((len(shape),), "int32"), 55, OutType=2)
    one = b.integers([1])
    batch = b.op(
        "STRIDED_SLICE", [found, b.integers([0]), one, one], b.tensor((), "int32"), 32, ShrinkAxisMask=1
    )
    n = int(np.prod(shape[1:]))
    both = b.op("PACK", [batch, b.integers(n)], b.tensor((2,), "int32"), 59, ValuesCount=2)
    return b.op("RESHAPE", [x, both], b.like(x, (shape[0], n)), 17)


def network(seed: int, end: str = "int8", computed: bool = False) -> bytes:
    """A convolution and a dense layer of four inputs, with that type at both ends."""
    rng, b = np.random.default_rng(seed), Builder()
    x = b.input((1, 2, 2, 1), 0.05, 131 if end == "uint8" else 3, end)
    if end != "int8":
        x = b.op("QUANTIZE", [x], b.activation((1, 2, 2, 1), 0.05, 3))
    x = b.conv(
        x, rng.integers(-90, 91, (3, 2, 2, 1)), rng.integers(-900, 900, 3), 0.02, 0.06, -9, activation=1
    )
    x = flattened(b, x) if computed else b.reshape(x, (1, 12))
    y = b.fully_connected(x, rng.integers(-90, 91, (4, 12)), rng.integers(-500, 500, 4), 0.01, 0.05, 7)
    if end == "float32":
        y = b.op("DEQUANTIZE", [y], b.tensor((1, 4), "float32"))
    elif end == "uint8":
        y = b.op("QUANTIZE", [y], b.activation((1, 4), 0.05, 135, "uint8"))
    return b.finish(y)


@pytest.mark.parametrize("device", DEVICES)
def test_a_shape_that_is_computed_is_part_of_a_witness(tmp_path, device):
    """One of its tensors, the batch, has no dimensions."""
    path = tmp_path / "net.tflite"
    path.write_bytes(network(3, computed=True))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2, 2, 1), np.int8))
    done = coverify("verify", path, "--inputs", tmp_path / "x.npz", "--eps", 127, "--out", tmp_path)
    assert done.code == 1, done
    witness = Witness.read(tmp_path / "witness-0-eps127.zip")
    assert () in [values.shape for values in witness.tensors.values()]
    tflm = Tflm(network(3, computed=True))
    assert int(tflm.run(witness.x).argmax()) == witness.predicted
    done = coverify("replay", tmp_path, "--device", device, "--json", "-")
    assert done.code == 0 and [row["verdict"] for row in done.result["replays"]] == ["CONFIRMED"], done


def test_a_witness_of_other_types_than_int8_and_int32_is_read(tmp_path):
    """A network that computes in int16 in between."""
    rng, b = np.random.default_rng(0), Builder()
    x = b.input((1, 3), 0.05, 3)
    wide = b.op("QUANTIZE", [x], b.activation((1, 3), 0.0005, 0, "int16"))
    x = b.op("QUANTIZE", [wide], b.activation((1, 3), 0.06, -5))
    y = b.fully_connected(x, rng.integers(-90, 91, (3, 3)), np.zeros(3), 0.01, 0.05, 7)
    path = tmp_path / "net.tflite"
    path.write_bytes(b.finish(y))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3), np.int8))
    done = coverify("verify", path, "--inputs", tmp_path / "x.npz", "--eps", 127, "--out", tmp_path)
    assert done.code == 1, done
    done = coverify("replay", tmp_path, "--device", "native:", "--json", "-")
    assert [row["verdict"] for row in done.result["replays"]] == ["CONFIRMED"], done


def test_an_expected_tensor_of_another_type_is_refused(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(network(3))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2, 2, 1), np.int8))
    coverify("verify", path, "--inputs", tmp_path / "x.npz", "--eps", 127, "--out", tmp_path)
    witness = Witness.read(tmp_path / "witness-0-eps127.zip")
    tensors = {t: values.astype(np.int64) for t, values in witness.tensors.items()}
    forged = tmp_path / "forged.zip"
    Witness(**{**vars(witness), "tensors": tensors}).write(forged)
    done = coverify("replay", forged, "--device", "native:", "--json", "-")
    assert done.code == 2 and "it expects other bytes in tensor" in done.result["message"]
    with zipfile.ZipFile(forged) as archive:
        assert len(archive.namelist()) > 4
