"""Which float network does a file hold? Dense layers with ReLU between them, read as untrusted data.

Two forms. `.npz`: float arrays `w{i}` (out x in) and `b{i}` (out), ReLU after every layer but the last.
`.tflite` in float32: see float_tflite.py. Its inputs are codes 0..255 that stand for lo + code · (hi − lo) /
255: `taking` folds that range into the first layer, so that everything behind it sees the codes. Anything
else is a BadFloatNetwork.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.npy import BadArray, opened_zip, parse_npy, read_member
from coverify.study.errors import BadFloatNetwork
from coverify.study.float_tflite import dense_layers
from coverify.verify.query import F64Array
from tflm_int8 import Model

MAX_BYTES: Final = 64 << 20
MAX_LAYERS: Final = 64
MAX_CELLS: Final = 1 << 24
"""Most weights of one layer, unrolled."""
TOP_CODE: Final = 255


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """x -> weights @ x + bias.  weights: float64 [n_out, n_in]; bias: float64 [n_out]."""

    weights: F64Array
    bias: F64Array


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """Layers with ReLU between them; the class is the index of the first maximum of the last one's output."""

    name: str
    layers: tuple[FloatLayer, ...]

    @property
    def n_input(self) -> int:
        """How many inputs it takes."""
        return int(self.layers[0].weights.shape[1])

    @property
    def n_output(self) -> int:
        """How many classes it has."""
        return len(self.layers[-1].bias)

    def activations(self, x: NDArray[np.generic]) -> list[F64Array]:
        """What every layer gives (after its ReLU), float64 [N, n_out] each, for x [N, n_input]."""
        value, found = x.astype(np.float64), []
        for i, layer in enumerate(self.layers):
            value = value @ layer.weights.T + layer.bias
            if i + 1 < len(self.layers):
                value = np.maximum(value, 0.0)
            found.append(value)
        return found

    def classes(self, x: NDArray[np.generic]) -> NDArray[np.int64]:
        """The index of the first maximum for every row of x: int64 [N]."""
        found: NDArray[np.int64] = self.activations(x)[-1].argmax(axis=1).astype(np.int64)
        return found

    def taking(self, lo: float, hi: float) -> FloatNetwork:
        """The same network on codes: code c stands for the real input lo + c · (hi − lo) / 255."""
        first = self.layers[0]
        weights = first.weights * ((hi - lo) / TOP_CODE)
        bias = first.bias + first.weights.sum(axis=1) * lo
        return replace(self, layers=(FloatLayer(weights, bias), *self.layers[1:]))

    @staticmethod
    def read(path: Path) -> FloatNetwork:
        """The network in a file that may be anything.  Raises BadFloatNetwork, TflmError."""
        if path.suffix.lower() == ".npz":
            layers = _from_npz(path)
        else:
            layers = [FloatLayer(*pair) for pair in dense_layers(Model.read(path), MAX_CELLS)]
        return FloatNetwork(path.name, _checked(path.name, layers))


def is_float(path: Path) -> bool:
    """Does the file hold a float network, and not a quantized one? Looks at names and types alone."""
    if path.suffix.lower() == ".npz":
        try:
            with opened_zip(path, MAX_BYTES) as archive:
                return "shift0.npy" not in archive.namelist()
        except (BadArray, OSError):
            return False
    return is_float_model(Model.read(path))


def is_float_model(model: Model) -> bool:
    """The same of a .tflite file's."""
    if not model.inputs or model.tensors[model.inputs[0]].dtype != "float32":
        return False
    return not any(op.name == "QUANTIZE" and model.inputs[0] in op.inputs for op in model.operators)


def _from_npz(path: Path) -> list[FloatLayer]:
    try:
        with opened_zip(path, MAX_BYTES) as archive:
            infos = archive.infolist()
            if len(infos) > 2 * MAX_LAYERS or sum(info.file_size for info in infos) > 4 * MAX_BYTES:
                raise BadArray("it is larger than the networks that are read")
            arrays = {
                i.filename.removesuffix(".npy"): parse_npy(read_member(archive, i, MAX_BYTES)) for i in infos
            }
    except (BadArray, OSError) as err:
        raise BadFloatNetwork(path.name, str(err)) from err
    n = len(infos) // 2
    if not n or set(arrays) != {f"{what}{i}" for what in "wb" for i in range(n)}:
        raise BadFloatNetwork(path.name, "it must hold w0, b0, w1, b1, … and nothing else")
    layers = []
    for i in range(n):
        weights, bias = arrays[f"w{i}"], arrays[f"b{i}"]
        if weights.dtype.kind != "f" or bias.dtype.kind != "f" or weights.ndim != 2 or bias.ndim != 1:
            raise BadFloatNetwork(path.name, f"w{i} must be a float matrix, b{i} a float vector")
        if max(weights.dtype.itemsize, bias.dtype.itemsize) > 8:  # it would be rounded
            raise BadFloatNetwork(path.name, f"w{i} or b{i} is wider than float64")
        layers.append(FloatLayer(weights.astype(np.float64), bias.astype(np.float64)))
    return layers


def _checked(name: str, layers: list[FloatLayer]) -> tuple[FloatLayer, ...]:
    """The layers, their sizes and numbers checked."""
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise BadFloatNetwork(name, f"it has {len(layers)} layers; 1 to {MAX_LAYERS} are read")
    size = layers[0].weights.shape[1]
    for i, layer in enumerate(layers):
        n_out, n_in = layer.weights.shape
        if n_in != size or len(layer.bias) != n_out or not 0 < layer.weights.size <= MAX_CELLS:
            raise BadFloatNetwork(name, f"layer {i} is {n_out} x {n_in} with {len(layer.bias)} biases")
        if not (np.all(np.isfinite(layer.weights)) and np.all(np.isfinite(layer.bias))):
            raise BadFloatNetwork(name, f"layer {i} holds values that are not finite")
        if max(np.abs(layer.weights).max(), np.abs(layer.bias).max()) > 1e6:
            raise BadFloatNetwork(name, f"layer {i} holds values beyond ±1e6")
        size = n_out
    return tuple(layers)
