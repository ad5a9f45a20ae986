"""Which inputs does an `.npz` file hold? Read as untrusted data: no pickles, bounded sizes, one clear error.

The contract: `x` in the input's type, N × the input's shape without its batch dimension, and optionally `y`,
N integer labels; of a network with several inputs `x0`, `x1`, …, in the order of the model's inputs. With
`quantize`, an x may be uint8 or float and is mapped by the input's scale and zero point (for uint8: the value
itself counts as the real value) as TFLM's QUANTIZE does it. A fixed-point network takes x as uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.array_words import how_stored, listed, represented, sizes
from coverify.clamped import Clamped, Limits, Which, notes_of
from coverify.errors import BadInput
from coverify.npy import BadArray, opened_zip, parse_npy, read_member
from tflm_int8 import BadTensor

MAX_BYTES = 1 << 30
"""Largest array that is read, in bytes, unpacked."""
MAX_PIXELS = 1 << 26
MAX_SAMPLES = 1 << 20
"""Most values and inputs for several networks, each of which runs them all as int64."""
_QUANTIZED = ("int8", "uint8", "int16")
"""Types of inputs to which real numbers are quantized."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """x: int8 [N, *shape]; y: int64 [N], or None where the file has no labels; clamped: what was; passed:
    what is said of a y that is not used.
    """

    x: NDArray[np.int8]
    y: NDArray[np.int64] | None
    clamped: tuple[Clamped, ...] = ()
    passed: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def notes(self) -> tuple[str, ...]:
        """How many values were clamped, and what is not used."""
        return (*notes_of(self.clamped), *self.passed)

    def first(self, n: int | None) -> Inputs:
        """The first n of them; None: all."""
        clamped = tuple(one.at(slice(n)) for one in self.clamped)
        return Inputs(self.x[:n], None if self.y is None else self.y[:n], clamped, self.passed)


@dataclass(frozen=True)
class Conversion:
    """Values of another type, of which the network itself makes codes: [N, shape] → int8 [N, shape]."""

    dtype: str
    codes: Callable[[NDArray[Any]], NDArray[Any]]
    limits: Limits | None = None


@dataclass(frozen=True)
class Wanted:
    """What a network's input takes: its type, its shape without the batch dimension; (scale, zero point).

    limits: of values that the network makes codes of, which are taken as they are.
    """

    dtype: str
    shape: tuple[int, ...]
    quantization: tuple[float, int] | None = None
    convert: Conversion | None = None
    limits: Limits | None = None


@dataclass(frozen=True, eq=False)
class ManyInputs:
    """x: of every input [N, *shape], in its type; y: int64 [N], or None where the file has no labels.

    clamped: of each input of which values were clamped, which, and what it represents; passed: what is said
    of a y that is not used.
    """

    x: tuple[NDArray[Any], ...]
    y: NDArray[np.int64] | None
    clamped: tuple[Clamped, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """How many values were clamped, and what is not used."""
        return self.notes_of(slice(None))

    def notes_of(self, which: Which) -> tuple[str, ...]:
        """The same of these samples alone."""
        return (*notes_of(self.clamped, which), *self.passed)


def read_all(
    path: Path | str, wanted: Sequence[Wanted], quantize: bool | None = None, labels: bool = True
) -> ManyInputs:
    """The samples in a file, for a network with these inputs; quantize: None where there is no such option;
    labels: are they needed, so that a y which holds none is refused?  Raises BadInput.
    """
    path = Path(path)
    names = names_of(len(wanted))
    arrays = _arrays(path, names, "y")
    clamped = list[Clamped]()
    x = tuple(
        _checked(path, name, arrays[name], one, quantize, clamped)
        for name, one in zip(names, wanted, strict=True)
    )
    counts = [len(one) for one in x]
    if len(set(counts)) > 1:
        said = ", ".join(f"{name}: {n}" for name, n in zip(names, counts, strict=True))
        raise BadInput(f"{path}: the inputs have different numbers of samples ({said})")
    passed = list[str]()
    y = _read_labels(path, arrays.get("y"), counts[0], None if labels else passed)
    return ManyInputs(x, y, tuple(clamped), tuple(passed))


def names_of(n: int, name: str = "x") -> tuple[str, ...]:
    """What the arrays of a network's inputs are called: x, or x0, x1, …; name="y": those of its outputs."""
    return (name,) if n == 1 else tuple(f"{name}{i}" for i in range(n))


def _checked(
    path: Path,
    name: str,
    x: NDArray[np.generic],
    wanted: Wanted,
    quantize: bool | None,
    clamped: list[Clamped],
) -> NDArray[Any]:
    given = wanted.convert is not None and x.dtype == wanted.convert.dtype
    codes = _values(path, name, x) if given else _codes(path, x, wanted, quantize, name, clamped)
    if not codes.size:
        raise BadInput(f"{path}: {name} holds no samples")
    shape = wanted.shape
    if codes.ndim != len(shape) + 1 or codes.shape[1:] != shape:
        said = " x ".join(map(str, ("N", *shape)))
        raise BadInput(f"{path}: {name} is {sizes(codes)}, the network wants {said}")
    convert = wanted.convert if given else None
    taken = codes if convert is None else _converted(path, convert, codes)
    limits = wanted.limits if convert is None else convert.limits
    if limits is not None:
        clamped.append(limits.clamped(name, codes))
    return taken


def _converted(path: Path, convert: Conversion, x: NDArray[Any]) -> NDArray[Any]:
    """The codes of values, which BadInput names by file and input where they have none."""
    _check_finite(path, "x", x)
    try:
        return convert.codes(x)
    except BadTensor as error:
        raise BadInput(f"{path}: {error}") from error


def read_inputs(
    path: Path | str,
    shape: tuple[int, ...],
    quantization: tuple[float, int] | None = None,
    quantize: bool | None = None,
    convert: Conversion | None = None,
    labels: bool = True,
) -> Inputs:
    """The int8 inputs in a file, for a network whose only input has `shape` (without the batch dimension).

    quantization: (scale, zero point) of the input tensor, needed with quantize (None: there is no such
    option); convert: values of that type are taken as well; labels: as in read_all.  Raises BadInput.
    """
    path = Path(path)
    found = read_all(path, [Wanted("int8", shape, quantization, convert)], quantize, labels)
    return Inputs(found.x[0], found.y, found.clamped, found.passed)


@dataclass(frozen=True, eq=False)
class Pixels:
    """x: int16 [N, *shape], values 0..255; y: int64 [N], or None where the file has no labels.

    notes: what is said of a y that is not used.
    """

    x: NDArray[np.int16]
    y: NDArray[np.int64] | None
    notes: tuple[str, ...] = ()


def read_pixels(
    path: Path | str,
    n_input: int,
    codes: bool = False,
    convert: Conversion | None = None,
    labels: bool = True,
) -> Pixels:
    """The pixel values (uint8, N × any shape of n_input elements) in a file; with `codes` also int8 codes,
    which are pixel − 128, and no more than MAX_PIXELS of MAX_SAMPLES inputs. convert: values of that type are
    made codes; labels: as in read_all.  Raises BadInput.
    """
    path = Path(path)
    arrays = _arrays(path, max_bytes=MAX_PIXELS if codes else MAX_BYTES)
    x = arrays["x"]
    if convert is not None and x.dtype == convert.dtype:
        x = _converted(path, convert, x)
    if x.dtype != np.uint8 and not (codes and x.dtype == np.int8):
        taken = "pixel values, uint8" + (", or int8 codes (pixel − 128), are read" if codes else "")
        raise BadInput(
            f"{path}: x is {x.dtype}; {taken if codes else 'a fixed-point network takes ' + taken}"
        )
    if x.ndim < 2 or not len(x) or x[0].size != n_input:
        wanted = f"N x {n_input} pixels, N at least 1"
        raise BadInput(f"{path}: x is {sizes(x)}, the network wants {wanted}")
    if codes and len(x) > MAX_SAMPLES:
        raise BadInput(f"{path}: x holds {len(x)} inputs; at most {MAX_SAMPLES} are read")
    passed, zero = list[str](), 128 if x.dtype == np.int8 else 0
    y = _read_labels(path, arrays.get("y"), len(x), None if labels else passed)
    return Pixels(x.astype(np.int16) + np.int16(zero), y, tuple(passed))


def read_point(path: Path, n_input: int) -> NDArray[np.float64]:
    """One input of real numbers: x, float64 [n_input], in a file.  Raises BadInput."""
    x = _arrays(path)["x"]
    if x.dtype != np.float64 or x.shape != (n_input,) or not np.all(np.isfinite(x)):
        raise BadInput(f"{path}: it must hold x, {n_input} finite float64")
    return x.astype(np.float64)


def read_flat(
    path: Path | str, convert: Conversion | None = None
) -> tuple[NDArray[np.generic], NDArray[np.int64] | None]:
    """The codes (int8) or pixels (uint8) of a file about no network in particular: x [N, n], that of several
    inputs side by side, and y where it has labels. convert: values of that type are made codes.

    Raises BadInput.
    """
    path = Path(path)
    arrays = _arrays(path, _inputs_in(path))
    x = _side_by_side(path, arrays) if "x" not in arrays else arrays["x"]
    if convert is not None and x.dtype == convert.dtype:
        x = _converted(path, convert, x)
    if x.dtype not in (np.int8, np.uint8) or x.ndim < 2 or not x.size:
        how = "it must hold N inputs, int8 or uint8, or with --model what that network makes codes of"
        raise BadInput(f"{path}: x is {x.dtype} {list(x.shape)}; {how}")
    return x.reshape(len(x), -1), _labels(path, arrays.get("y"), len(x))


def _inputs_in(path: Path) -> tuple[str, ...]:
    """x, or x0, x1, … where a file has these instead."""
    try:
        with opened_zip(path, MAX_BYTES) as archive:
            names = {info.filename.removesuffix(".npy") for info in archive.infolist()}
    except (OSError, BadArray):
        return ("x",)  # which says what is wrong
    n = next(i for i in range(len(names) + 1) if f"x{i}" not in names)
    return ("x",) if "x" in names or n < 2 else names_of(n)


def _side_by_side(path: Path, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """[N, n]: the codes of several inputs."""
    parts = [array for name, array in arrays.items() if name != "y"]
    if any(part.dtype != np.int8 or part.ndim < 2 or len(part) != len(parts[0]) for part in parts):
        said = ", ".join(f"{name}: {a.dtype} {sizes(a)}" for name, a in arrays.items() if name != "y")
        raise BadInput(f"{path}: of several inputs each must hold N times int8 codes ({said})")
    return np.hstack([part.reshape(len(part), -1) for part in parts])


def _arrays(
    path: Path, needed: Sequence[str] = ("x",), more: str = "y", max_bytes: int = MAX_BYTES
) -> dict[str, NDArray[np.generic]]:
    """The arrays of these names, and one more where the file has it."""
    try:
        with opened_zip(path, MAX_BYTES) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            for name in needed:
                if name not in names:
                    several = f": the network has {len(needed)} inputs, {', '.join(needed)}"
                    said = several if len(needed) > 1 else ""
                    raise BadInput(f"{path}: there is no array {name}{said} (the file has {listed(names)})")
            return {
                name: parse_npy(read_member(archive, names[name], max_bytes))
                for name in (*needed, more)
                if name in names
            }
    except OSError as err:
        raise BadInput(f"{path}: cannot be read: {err.strerror or err}") from err
    except BadArray as err:
        raise BadInput(f"{path}: not an .npz file that can be used: {err}") from err


def _codes(
    path: Path,
    x: NDArray[np.generic],
    wanted: Wanted,
    quantize: bool | None,
    name: str,
    clamped: list[Clamped],
) -> NDArray[Any]:
    """x in the input's type; what of it is clamped."""
    if x.dtype == wanted.dtype:
        return _values(path, name, x)
    what = "values" if wanted.dtype in ("float32", "bool") else "codes"
    how = how_stored(name, x, wanted.dtype) or f"{what} are stored as {name}.astype(numpy.{wanted.dtype})"
    if not quantize:
        if _quantizable(x) and wanted.dtype in _QUANTIZED:
            how = _made_codes(name, wanted, how) if quantize is None else _quantize_takes(wanted)
        if wanted.convert is not None:
            how = f"or {wanted.convert.dtype}, of which the network makes codes"
        raise BadInput(f"{path}: {name} is {x.dtype}, it must hold the input's {wanted.dtype} {what} ({how})")
    if wanted.dtype not in _QUANTIZED:
        said = f"the input is {wanted.dtype}, which nothing is quantized to: not with --quantize ({how})"
        raise BadInput(f"{path}: {name} is {x.dtype}; {said}")
    if not _quantizable(x):
        raise BadInput(f"{path}: {name} is {x.dtype}; only uint8 and float can be quantized ({how})")
    if wanted.quantization is None:
        raise BadInput(f"{path}: the network's input has no scale to quantize {name} with")
    real = x.astype(np.float32)
    _check_finite(path, name, real)
    scale, zero_point = np.float32(wanted.quantization[0]), wanted.quantization[1]
    ratio = (real / scale).astype(np.float64)
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + zero_point
    limits, (lo, hi) = np.iinfo(wanted.dtype), represented(wanted.quantization, wanted.dtype)

    def told(count: str, first: str) -> str:
        of = f"values of {name} in {path.name}"
        return f"--quantize clamped {count} {of}: the input represents {lo:.6g} to {hi:.6g}"

    if x.ndim and x.size:
        outside = ((rounded < limits.min) | (rounded > limits.max)).reshape(len(x), -1)
        clamped.append(Clamped(x, outside, np.arange(len(x)), told))
    codes: NDArray[Any] = np.clip(rounded, limits.min, limits.max).astype(wanted.dtype)
    return codes


def _quantize_takes(wanted: Wanted) -> str:
    """What --quantize makes codes of: pixels of 0..255 are not what an input of 0 to 1 is given in."""
    taken = "--quantize takes uint8 and float"
    if wanted.quantization is None or wanted.dtype not in _QUANTIZED:
        return taken
    lo, hi = represented(wanted.quantization, wanted.dtype)
    return f"{taken}: real numbers, of which the input represents {lo:.6g} to {hi:.6g}"


def _made_codes(name: str, wanted: Wanted, how: str) -> str:
    """How codes are made of real numbers, with the input's own."""
    if wanted.quantization is None or wanted.dtype not in _QUANTIZED:
        return how
    (scale, zero_point), limits = wanted.quantization, np.iinfo(wanted.dtype)
    shift = f"{'-' if zero_point < 0 else '+'} {abs(zero_point)}"
    made = f"{name} / {np.float32(scale)!s} {shift}, rounded, within {limits.min}..{limits.max}"
    return f"of real {name} they are {made}; {how}"


def _values(path: Path, name: str, x: NDArray[Any]) -> NDArray[Any]:
    """x itself; of bool only bytes 0 and 1 are values, of float32 only finite numbers."""
    _check_finite(path, name, x)
    if x.dtype == np.bool_ and np.any(x.view(np.uint8) > 1):
        raise BadInput(f"{path}: {name} is bool, but holds other bytes than 0 and 1")
    return x


def _check_finite(path: Path, name: str, x: NDArray[Any]) -> None:
    """BadInput names the first value that is no finite number."""
    if x.dtype.kind != "f" or np.all(np.isfinite(x)):
        return
    first = int(np.flatnonzero(~np.isfinite(x))[0])
    sample, feature = divmod(first, max(1, x.size // len(x))) if x.ndim else (0, 0)
    value = "NaN" if np.isnan(x.flat[first]) else "infinite"
    raise BadInput(f"{path}: {name} of sample {sample}, feature {feature}, is {value}: numbers are wanted")


def _quantizable(x: NDArray[np.generic]) -> bool:
    return x.dtype == np.uint8 or x.dtype.kind == "f"


def _labels(path: Path, y: NDArray[np.generic] | None, n: int) -> NDArray[np.int64] | None:
    """y as int64 [n], where the file has one."""
    if y is None:
        return None
    if y.dtype.kind not in "iu" or y.shape != (n,):
        rows = y.ndim == 2 and len(y) == n and y.shape[1] > 1
        how = ": of one row of scores for each input, y.argmax(1)" if rows else ""
        raise BadInput(f"{path}: y is {y.dtype} {list(y.shape)}, it must hold {n} integers{how}")
    if y.dtype == np.uint64 and np.any(y > np.uint64(2**63 - 1)):
        raise BadInput(f"{path}: y holds labels beyond int64")
    return y.astype(np.int64)


def _read_labels(
    path: Path, y: NDArray[np.generic] | None, n: int, passed: list[str] | None
) -> NDArray[np.int64] | None:
    """The same; passed: where no labels are needed. Then targets (float), or a row for each sample (one-hot),
    are passed over, and a note says so.
    """
    if y is None or passed is None or not _targets(y, n):
        return _labels(path, y, n)
    passed.append(
        f"note: y in {path.name} is {y.dtype} {list(y.shape)}, which are no labels (these are {n} integers): "
        "it is not used"
    )
    return None


def _targets(y: NDArray[np.generic], n: int) -> bool:
    """Has it a value, or values, for each of n samples that are no class numbers?"""
    return y.ndim > 0 and len(y) == n and (y.ndim > 1 or y.dtype.kind not in "iu")
