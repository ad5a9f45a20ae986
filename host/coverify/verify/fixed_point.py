"""Which fixed-point network does an `.npz` file hold? Read as untrusted data, lowered to an integer program.

The file holds integers only: `n_layers`, and for layer i the weights `w{i}` (out x in), the bias `b{i}`
(out), and the numbers `shift{i}`, `lo{i}`, `hi{i}`. The network takes pixel values a = 0..255 and computes,
layer by layer, a = clip((w @ a + b + half) >> shift, lo, hi) with half = 2**(shift - 1), or 0 where shift is
0; the class is the index of the first maximum. Anything else in the file, and any accumulator that is not
proved to fit int32 for every input, is a `BadNetwork`.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.npy import BadArray, opened_archive, parse_npy, read_member
from coverify.verify.errors import BadNetwork
from coverify.verify.query import I64Array
from tflm_int8.fixedpoint import INT32_MAX, INT32_MIN
from tflm_int8.program.linear import Dense
from tflm_int8.program.primitives import Affine, HalfUpShift, Program, Staircase, Step, Term

MAX_BYTES: Final = 64 << 20
"""Largest file, and largest array in it, in bytes."""
MAX_TOTAL_BYTES: Final = 256 << 20
"""Most bytes of all arrays together, unpacked."""
MAX_LAYERS: Final = 64
MAX_WIDTH: Final = 1 << 16
"""Most inputs or outputs of a layer."""
MAX_WEIGHT: Final = 1 << 24
MAX_SHIFT: Final = 30
PIXELS: Final = (0, 255)
"""The range of the inputs."""
INT16: Final = (-(1 << 15), (1 << 15) - 1)
"""What the clip range of a layer may be."""

_MEMBER = re.compile(r"(n_layers|(w|b|shift|lo|hi)(0|[1-9][0-9]?))\.npy")


@dataclass(frozen=True, eq=False)
class Layer:
    """a -> clip((w @ a + b + half) >> shift, lo, hi).  weights: int64 [n_out, n_in]; bias: int64 [n_out]."""

    weights: I64Array
    bias: I64Array
    shift: int
    lo: int
    hi: int


@dataclass(frozen=True, eq=False)
class FixedPointNetwork:
    """A network as its file holds it.  content: the file's bytes; name: the file's name."""

    name: str
    content: bytes
    layers: tuple[Layer, ...]

    @staticmethod
    def read(path: Path | str) -> FixedPointNetwork:
        """The network in a file that may be anything.  Raises BadNetwork."""
        path = Path(path)
        try:
            if not path.is_file():
                raise BadNetwork(f"{path}: there is no such file, or it is not a regular one")
            with path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except OSError as err:
            raise BadNetwork(f"{path}: cannot be read: {err.strerror or err}") from err
        return FixedPointNetwork.from_bytes(content, path.name)

    @staticmethod
    def from_bytes(content: bytes, name: str = "network.npz") -> FixedPointNetwork:
        """The network in a file's bytes, which may be anything.  Raises BadNetwork."""
        try:
            if len(content) > MAX_BYTES:
                raise BadArray(f"it has more than {MAX_BYTES} bytes")
            with opened_archive(io.BytesIO(content)) as archive:
                return FixedPointNetwork(name, content, _layers(_arrays(archive)))
        except BadArray as err:
            raise BadNetwork(f"{name}: not a fixed-point network: {err}") from err

    @property
    def sha256(self) -> str:
        """The digest of the file's bytes, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def n_input(self) -> int:
        """How many pixels it takes."""
        return int(self.layers[0].weights.shape[1])

    @cached_property
    def program(self) -> Program:
        """The network as an integer program; wire 2 i + 2 is the output of layer i, its tensor i + 1."""
        steps: list[Step] = []
        for layer in self.layers:
            steps.append(Affine((Term(len(steps), Dense(layer.weights), 0),), layer.bias))
            rule = HalfUpShift(np.array([layer.shift]), layer.lo, layer.hi)
            steps.append(Staircase(len(steps), rule, np.zeros(len(layer.bias), np.int64)))
        tensors = {2 * i: i for i in range(len(self.layers) + 1)}
        operators = tuple(k // 2 for k in range(len(steps)))
        return Program(self.n_input, tuple(steps), len(steps), tensors, operators, *PIXELS)


def _arrays(archive: zipfile.ZipFile) -> dict[str, NDArray[np.generic]]:
    """The members by name, after a look at names and sizes.  Raises BadArray."""
    infos = archive.infolist()
    if len(infos) > 5 * MAX_LAYERS + 1 or sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise BadArray("it holds more than a network of the sizes that are read")
    names = [info.filename for info in infos]
    foreign = [name for name in names if not _MEMBER.fullmatch(name)]
    if foreign or len(set(names)) != len(names):
        raise BadArray(f"a member that does not belong there: {(foreign or ['one name twice'])[0][:100]!r}")
    return {i.filename.removesuffix(".npy"): parse_npy(read_member(archive, i, MAX_BYTES)) for i in infos}


def _layers(arrays: dict[str, NDArray[np.generic]]) -> tuple[Layer, ...]:
    """The layers, all sizes and ranges checked.  Raises BadArray."""
    n = _number(arrays, "n_layers", 1, MAX_LAYERS)
    names = {f"{name}{i}" for name in ("w", "b", "shift", "lo", "hi") for i in range(n)} | {"n_layers"}
    if set(arrays) != names:
        odd = sorted(set(arrays) ^ names)[0]
        raise BadArray(f"{odd} is {'missing' if odd in names else 'not of one of its layers'}")
    layers: list[Layer] = []
    reach = PIXELS
    for i in range(n):
        layer = _layer(arrays, i, len(layers[-1].bias) if layers else None)
        _check_accumulators(layer, i, reach)
        layers.append(layer)
        reach = (layer.lo, layer.hi)
    return tuple(layers)


def _layer(arrays: dict[str, NDArray[np.generic]], i: int, n_in: int | None) -> Layer:
    weights = _integers(arrays, f"w{i}", 2, MAX_WEIGHT)
    bias = _integers(arrays, f"b{i}", 1, INT32_MAX)
    n_out, columns = weights.shape
    if not (1 <= n_out <= MAX_WIDTH and 1 <= columns <= MAX_WIDTH):
        raise BadArray(f"w{i} is {n_out} x {columns}; 1 to {MAX_WIDTH} inputs and outputs are read")
    if n_in is not None and columns != n_in:
        raise BadArray(f"w{i} takes {columns} inputs, the layer before gives {n_in}")
    if bias.shape != (n_out,):
        raise BadArray(f"b{i} has {len(bias)} elements, w{i} {n_out} rows")
    lo, hi = _number(arrays, f"lo{i}", *INT16), _number(arrays, f"hi{i}", *INT16)
    if lo > hi:
        raise BadArray(f"lo{i} = {lo} is above hi{i} = {hi}")
    return Layer(weights, bias, _number(arrays, f"shift{i}", 0, MAX_SHIFT), lo, hi)


def _check_accumulators(layer: Layer, i: int, reach: tuple[int, int]) -> None:
    """Every accumulator of inputs in `reach`, its rounding half added, fits int32.

    |w| <= 2**24, |a| <= 2**15 and at most 2**16 columns: the sums below stay under 2**56.
    """
    n = layer.weights.shape[1]
    lo, hi = Dense(layer.weights).interval(np.full(n, reach[0]), np.full(n, reach[1]))
    first, last = HalfUpShift(np.array([layer.shift]), layer.lo, layer.hi).domain()
    if (lo + layer.bias).min() < first[0] or (hi + layer.bias).max() > last[0]:
        raise BadArray(f"an accumulator of layer {i} may leave int32 ({INT32_MIN}..{INT32_MAX})")


def _number(arrays: dict[str, NDArray[np.generic]], name: str, lo: int, hi: int) -> int:
    """A scalar within lo..hi."""
    array = arrays.get(name)
    if array is None:
        raise BadArray(f"{name} is missing")
    if array.dtype.kind not in "iu" or array.size != 1:
        raise BadArray(f"{name} is {array.dtype} {list(array.shape)}, it must be one integer")
    value = int(array.reshape(-1)[0])
    if not lo <= value <= hi:
        raise BadArray(f"{name} = {value} is outside {lo}..{hi}")
    return value


def _integers(arrays: dict[str, NDArray[Any]], name: str, rank: int, most: int) -> I64Array:
    """An array of `rank` dimensions with |values| <= most, as int64."""
    array = arrays[name]
    if array.dtype.kind not in "iu" or array.ndim != rank or not array.size:
        raise BadArray(
            f"{name} is {array.dtype} {list(array.shape)}, it must hold integers in {rank} dimensions"
        )
    if int(array.max()) > most or int(array.min()) < -most:
        raise BadArray(f"{name} holds values beyond ±{most}")
    return array.astype(np.int64)
