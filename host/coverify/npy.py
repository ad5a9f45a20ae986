"""Zip archives and `.npy` arrays: of others' making read, of ours written.

What is read may be anything: sizes are bounded, nothing is unpickled, one typed error. What is written has
the same bytes for the same content, on any machine and at any time.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as _format
from numpy.typing import NDArray

npy_format: Any = _format  # its functions carry no types in numpy 1

MAX_DIMENSIONS = 8
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip archive can state: every member has this one."""
_UNIX, _READABLE, _PRIVATE = 3, 0o644 << 16, 0o600 << 16
"""What a member says of the system it was made on, and of who may read it: all, or its owner."""
_USUAL, _QUICK = 6, 1
"""Levels of zlib."""


class BadArray(Exception):
    """The bytes are not an array, or not one that is read here; the caller names the file."""


@contextmanager
def opened_zip(path: Path, max_bytes: int) -> Iterator[zipfile.ZipFile]:
    """A regular file of at most max_bytes as a zip archive.  Raises BadArray, OSError."""
    if not path.exists():
        raise BadArray("there is no such file")
    if not path.is_file():
        raise BadArray("it is not a regular file")
    if path.stat().st_size > max_bytes:
        raise BadArray(f"the file is larger than {max_bytes} bytes")
    with opened_archive(path) as archive:
        yield archive


@contextmanager
def opened_archive(source: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """A file or the bytes in a stream as a zip archive.  Raises BadArray, OSError."""
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as err:
        why = "" if str(err) == "File is not a zip file" else f" ({err})"
        raise BadArray(f"not a zip archive{why}") from err
    with archive:
        yield archive


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, max_bytes: int) -> bytes:
    """The bytes of one member, at most max_bytes whatever its header says.  Raises BadArray."""
    if info.file_size > max_bytes:
        raise BadArray(f"{info.filename[:100]!r} has {info.file_size} bytes, more than {max_bytes}")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadArray(f"{info.filename[:100]!r} is encrypted or packed in an unusual way")
    try:
        with archive.open(info) as stream:
            data = stream.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as err:
        raise BadArray(f"{info.filename[:100]!r} is damaged: {err}") from err
    if len(data) > max_bytes or len(data) != info.file_size:
        raise BadArray(f"{info.filename[:100]!r} is not as long as the archive says")
    return data


def parse_npy(data: bytes) -> NDArray[np.generic]:
    """An array of numbers from the bytes of a .npy file.  Raises BadArray."""
    stream = io.BytesIO(data)
    try:
        version = npy_format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = npy_format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, fortran, dtype = npy_format.read_array_header_2_0(stream)
        else:
            raise BadArray(f".npy version {version} is not read")
    except BadArray:
        raise
    except Exception as err:  # numpy's header parser raises what it likes on malformed bytes
        raise BadArray("the .npy header is malformed") from err
    if dtype.hasobject:
        raise BadArray("the array holds pickled objects, which are never loaded")
    if dtype.kind not in "iufb" or dtype.fields is not None or dtype.subdtype is not None:
        raise BadArray(f"arrays of {dtype} are not read")
    if len(shape) > MAX_DIMENSIONS or any(not isinstance(n, int) or n < 0 for n in shape):
        raise BadArray(f"an array of shape {shape} is not read")
    body = data[stream.tell() :]
    if math.prod(shape) * dtype.itemsize != len(body):
        raise BadArray(f"shape {shape} of {dtype} does not fit its {len(body)} bytes")
    array = np.frombuffer(body, dtype).reshape(shape, order="F" if fortran else "C")
    return np.asarray(array.astype(dtype.newbyteorder("=")), order="C")


def npy_bytes(array: NDArray[np.generic]) -> bytes:
    """The .npy file of an array, row-major."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(array, order="C"), allow_pickle=False)
    return stream.getvalue()


def zip_bytes(
    members: Mapping[str, bytes], quick: tuple[str, ...] = (), permissions: int = _READABLE
) -> bytes:
    """A zip archive of these members, name → content, in this order.

    quick: members whose names begin so are packed faster and less tightly.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system, info.external_attr = _UNIX, permissions
            archive.writestr(info, data, compresslevel=_QUICK if name.startswith(quick) else _USUAL)
    return stream.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The .npz file of these arrays, as numpy reads it."""
    members = {f"{name}.npy": npy_bytes(array) for name, array in arrays.items()}
    return zip_bytes(members, permissions=_PRIVATE)
