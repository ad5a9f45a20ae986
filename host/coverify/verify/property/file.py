"""Which property does a TOML file hold? Read as untrusted data: bounded, closed, errors name file and line.

Files of masks and radii lie beside it. Nothing in a file is executed, and no path leads out of its folder.
"""

from __future__ import annotations

import importlib
import re
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from coverify.npy import BadArray, opened_zip, parse_npy, read_member
from coverify.verify.property.document import MAX_DEPTH, MAX_FEATURES, PropertyDocument
from coverify.verify.property.errors import BadProperty
from coverify.verify.property.refusal import refusal

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
MAX_BYTES = 1 << 20
MAX_ARRAY_BYTES = 16 << 20


def text_of(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a file that may be anything.  Raises BadProperty."""
    try:
        if not path.is_file():
            raise BadProperty(path, None, "there is no such file, or it is not a regular one")
        with path.open("rb") as stream:
            raw = stream.read(max_bytes + 1)
        text = raw.decode("utf-8-sig")  # editors on Windows put a byte-order mark in front
    except OSError as err:
        raise BadProperty(path, None, f"cannot be read: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise BadProperty(path, None, "not a text file (UTF-8)") from err
    if len(raw) > max_bytes:
        raise BadProperty(path, None, f"larger than {max_bytes} bytes")
    return text


def read_document(path: Path) -> PropertyDocument:
    """The document in a TOML file.  Raises BadProperty."""
    text = text_of(path)
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as err:
        line = re.search(r"\(at line (\d+)", str(err))
        raise BadProperty(path, int(line[1]) if line else None, f"not valid TOML: {err}") from err
    except (ValueError, ArithmeticError) as err:  # of int() and Decimal()
        raise BadProperty(path, None, "not valid TOML: a number of too many digits") from err
    except RecursionError as err:
        raise BadProperty(path, None, "nested too deeply") from err
    try:
        return PropertyDocument.model_validate(_tuples(path, values))
    except ValidationError as err:
        raise refusal(path, text, err) from err
    except RecursionError as err:
        raise BadProperty(path, None, "nested too deeply") from err


def _tuples(path: Path, value: object, depth: int = 0) -> object:
    """TOML's lists as tuples, as the closed models want them.  Raises BadProperty (too deep)."""
    if depth > MAX_DEPTH:
        raise BadProperty(path, None, f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return tuple(_tuples(path, part, depth + 1) for part in value)
    if isinstance(value, dict):
        return {key: _tuples(path, part, depth + 1) for key, part in value.items()}
    return value


def read_array(folder: Path, name: str, array: str) -> NDArray[np.int64]:
    """The array of that name in an .npz file of the folder, flat; bool or integers.  Raises BadProperty."""
    path = folder / name
    try:
        with opened_zip(path, MAX_ARRAY_BYTES) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if f"{array}.npy" not in members:
                raise BadArray(f"there is no array {array}")
            found = parse_npy(read_member(archive, members[f"{array}.npy"], MAX_ARRAY_BYTES))
    except OSError as err:
        raise BadProperty(path, None, f"cannot be read: {err.strerror or err}") from err
    except BadArray as err:
        raise BadProperty(path, None, f"not an .npz file that can be used: {err}") from err
    if found.dtype.kind not in "iub" or found.size > MAX_FEATURES:
        raise BadProperty(path, None, f"{array} is {found.dtype} of {found.size}: integers or bools are read")
    if found.dtype.kind == "u" and found.size and int(found.max()) > 2**31:
        raise BadProperty(path, None, f"{array} holds values beyond 2**31")
    return found.astype(np.int64).reshape(-1)
