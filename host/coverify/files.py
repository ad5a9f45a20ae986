"""Files that are either the old one or the whole new one, never a piece, whatever happens in between."""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
from pathlib import Path

from coverify.errors import BadInput


def check_place(path: Path, *inputs: Path | None) -> None:
    """BadInput where no file can come to be at `path`, or where it is one of `inputs`: said before the work
    of hours, not after.
    """
    if not path.parent.is_dir():
        raise BadInput(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise BadInput(f"{path}: it is a folder; a file is wanted")
    if (why := unwritable(path)) is not None:
        raise BadInput(f"{path}: {why}")
    check_no_input(path, *inputs)


def unwritable(path: Path, folder: bool = False) -> str | None:
    """Why no file can come to be at `path`, or in the folder there, which may have to be made; it is tried.

    What exists and is neither file nor folder (a pipe, a terminal) is taken as it is.
    """
    place = Path(os.path.realpath(path))  # Path.resolve raises RuntimeError of links that go in circles
    if not folder:
        if place.exists() and not place.is_file():
            return None
        place = place.parent
    nearest = next(one for one in (place, *place.parents) if one.exists())
    if not nearest.is_dir():
        return f"{nearest} is a file; a folder is wanted"
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"nothing may be written in {nearest}: {error.strerror}"


def check_no_input(path: Path, *inputs: Path | None) -> None:
    """BadInput where a file that is to be written at `path` would be written over one of `inputs`."""
    for given in inputs:
        if given is not None and path.is_file() and given.is_file() and path.samefile(given):
            raise BadInput(f"{path}: it is {given.name}, which is read here; it would be written over")


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`, through a temporary file beside it.  Raises OSError, which names `path`.

    A symbolic link stays one: its target is replaced. What exists and is no regular file (a pipe, a terminal)
    is written to as it is.
    """
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            target.write_bytes(content)
        else:
            _replace(target, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def keep_evidence(path: Path, content: bytes) -> None:
    """The same where nothing but a file may be in the way: a pipe that nobody reads would hold for ever.

    A symbolic link is replaced, not its target: evidence lies in the folder that was named.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "it is there already, and no file", str(path))
    try:
        _replace(path, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
