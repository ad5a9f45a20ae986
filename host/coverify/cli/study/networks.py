"""Which networks does a study ask? Those that it quantizes from a float one, or the quantized ones given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.cli.network import Network, Tflite, conversion_of, read_network
from coverify.cli.samples import parse_indices
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.inputs import Conversion, Pixels, read_pixels
from coverify.study.affine_scheme import BITS as AFFINE_BITS
from coverify.study.affine_scheme import affine
from coverify.study.affine_scheme import output_unit as affine_unit
from coverify.study.errors import NotQuantizable
from coverify.study.fixed_scheme import BITS as FIXED_BITS
from coverify.study.fixed_scheme import fixed_point
from coverify.study.fixed_scheme import output_unit as fixed_unit
from coverify.study.float_network import FloatNetwork, is_float
from coverify.study.ranges import Ranges
from coverify.verify.query import I64Array
from tflm_int8 import TflmError
from tflm_int8.program.primitives import Staircase

FIXED, AFFINE, GIVEN = "fixed", "affine", "given"
PIXEL_ZERO: Final = 128
"""A pixel minus this is the int8 code that a .tflite network gets."""
_BATCH: Final = 512


@dataclass(frozen=True, eq=False)
class Width:
    """A network of the study; its inputs are pixels here, whatever its file takes.

    stem: the name of its folder; path: its file.
    """

    scheme: str
    bits: int
    stem: str
    path: Path
    network: Network
    unit: float | None = None
    """The real value of one code of the output."""

    @property
    def deployable(self) -> bool:
        """Does a device run it?"""
        return isinstance(self.network, Tflite)

    @property
    def shift(self) -> int:
        """Pixel minus input code."""
        return PIXEL_ZERO if self.deployable else 0

    def outputs(self, pixels: I64Array) -> I64Array:
        """int64 [N, n_input] → the outputs' codes, int64 [N, n_out]."""
        parts = [
            self.network.outputs(pixels[i : i + _BATCH] - self.shift) for i in range(0, len(pixels), _BATCH)
        ]
        return np.concatenate(parts)

    def classes(self, pixels: I64Array) -> I64Array:
        """The index of the output's first maximum: int64 [N]."""
        found: I64Array = self.outputs(pixels).argmax(axis=1).astype(np.int64)
        return found


def single_float(models: Sequence[Path]) -> bool:
    """Is it one float network that is asked about?  Raises BadInput for a mixture, TflmError."""
    floats = [path for path in models if is_float(path)]
    if floats and len(models) > 1:
        raise BadInput(f"{floats[0].name} is a float network: give it alone, or quantized ones alone")
    return bool(floats)


def input_range(text: str) -> tuple[float, float]:
    """The numbers in LO,HI.  Raises BadInput."""
    try:
        lo, hi = (float(part) for part in text.split(","))
    except ValueError as err:
        raise BadInput(f"--input-range {text}: it must be two numbers, LO,HI") from err
    if not (lo < hi and abs(lo) <= 1e6 and abs(hi) <= 1e6):
        raise BadInput(f"--input-range {text}: LO must be less than HI, both within ±1e6")
    return lo, hi


def float_network(path: Path, data: Pixels, ends: str) -> FloatNetwork:
    """The float network on pixel codes.  Raises BadInput."""
    network = FloatNetwork.read(path).taking(*input_range(ends))
    if network.n_input != data.x[0].size:
        raise BadInput(f"x has {data.x[0].size} values, {path.name} takes {network.n_input}")
    return network


def quantized(
    network: FloatNetwork, codes: I64Array, bits: str, schemes: str, folder: Path, fresh: bool = False
) -> tuple[list[Width], list[str]]:
    """The networks of every width and scheme, written to `folder`, and why some cannot be made.

    Raises BadInput where none can, and, unless `fresh`, where another study's networks are in their places.
    """
    wanted = parse_indices(bits, FIXED_BITS[1] + 1, "--bits", FIXED_BITS[0])
    names = schemes.split(",")
    if not set(names) <= {FIXED, AFFINE} or len(set(names)) != len(names):
        raise BadInput(f"--scheme {schemes}: {FIXED}, {AFFINE}, or both with a comma")
    ranges = Ranges.of(network, codes)
    made, missing = [], dict[tuple[str, int], str]()
    asked = [(scheme, n) for scheme in names for n in wanted if scheme != AFFINE or n <= AFFINE_BITS[1]]
    for scheme, n in asked:
        try:
            made.append(_Made.of(network, ranges, scheme, n, folder))
        except (NotQuantizable, TflmError) as err:
            missing[scheme, n] = str(err)
    if not fresh:
        _check_places(made, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for one in made:
        one.write()
    found = []
    for one in made:
        try:
            found.append(one.read())
        except TflmError as err:  # a file that runs nowhere
            one.path.unlink()
            missing[one.scheme, one.bits] = str(err)
    told = [
        f"{scheme} {n} bits, which cannot be made: {missing[scheme, n]}"
        for scheme, n in asked
        if (scheme, n) in missing
    ]
    if told and not found:
        raise BadInput(f"{'; '.join(told[:3])} (try other --bits or another --scheme)")
    if not found:
        raise BadInput(f"--bits {bits}: there is no {schemes} network of these widths")
    return found, told


@dataclass(frozen=True, eq=False)
class _Made:
    """A quantized network that is not written yet."""

    scheme: str
    bits: int
    path: Path
    content: bytes
    unit: float

    @staticmethod
    def of(network: FloatNetwork, ranges: Ranges, scheme: str, n: int, folder: Path) -> _Made:
        """Raises NotQuantizable, TflmError."""
        if scheme == FIXED:
            path, content = folder / f"{scheme}-b{n}.npz", fixed_point(network, ranges, n).content
            return _Made(scheme, n, path, content, fixed_unit(network, ranges, n))
        path, content = folder / f"{scheme}-b{n}.tflite", affine(network, ranges, n)
        return _Made(scheme, n, path, content, affine_unit(ranges, n))

    def write(self) -> None:
        """Unless it is there already."""
        if not self.path.is_file() or self.path.read_bytes() != self.content:
            replace_file(self.path, self.content)

    def read(self) -> Width:
        """As a study asks it.  Raises TflmError where the file is none that runs."""
        return Width(self.scheme, self.bits, self.path.stem, self.path, _with_classes(self.path), self.unit)


def _with_classes(path: Path) -> Network:
    """Raises BadInput, TflmError."""
    network = read_network(path, "tflm", classes=False)
    check_classes(network.name, network.subject.n_output)
    return network


def check_classes(name: str, n_output: int) -> None:
    """BadInput for a network of a single output."""
    if n_output < 2:
        raise BadInput(f"{name} has a single output, and so no classes, which a study counts")


def _check_places(made: Sequence[_Made], folder: Path) -> None:
    """BadInput where files of these names are other networks, of which another result in the folder tells."""
    others = [one.path.name for one in made if one.path.is_file() and one.path.read_bytes() != one.content]
    if others:
        named = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        said = "is another study's network" if len(others) == 1 else "are another study's networks"
        raise BadInput(f"{folder}: {named} {said}; another --out, or --fresh")


def given(models: Sequence[Path]) -> list[Width]:
    """Quantized networks as their files hold them, fewest bits first.  Raises BadInput, TflmError."""
    found = []
    for path in models:
        network = _with_classes(path)
        rules = [step.rule for step in network.program.steps if isinstance(step, Staircase)]
        bits = int(rules[0].hi - rules[0].lo).bit_length() if rules else 8
        stem = re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem)[:100].strip(".") or "network"
        found.append(Width(GIVEN, bits, stem, path, network))
    found.sort(key=lambda width: width.bits)
    for what in ([w.stem for w in found], [w.bits for w in found]):
        if len(set(what)) != len(what):
            raise BadInput(f"two networks of one name or width: {', '.join(map(str, what))}")
    return found


def taken_by_all(path: Path, widths: Sequence[Width]) -> Pixels:
    """The inputs in a file; floats where all networks take these, and make the same codes of them.

    Raises BadInput.
    """
    networks = [width.network for width in widths]
    made = [conversion_of(network.ends) for network in networks if isinstance(network, Tflite)]
    found = [one for one in made if one is not None and one.dtype == "float32"]

    def codes(x: NDArray[Any]) -> NDArray[Any]:
        first, *others = (one.codes(x) for one in found)
        if any(not np.array_equal(first, other) for other in others):
            raise BadInput(f"{path}: these networks make other codes of x; give int8 codes, the same for all")
        return first

    convert = Conversion("float32", codes) if len(found) == len(networks) else None
    data = read_pixels(path, networks[0].program.n_input, codes=True, convert=convert)
    for network in networks:
        if network.program.n_input != data.x[0].size:
            raise BadInput(f"x has {data.x[0].size} values, {network.name} takes {network.program.n_input}")
    return data
