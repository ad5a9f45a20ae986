"""What does a user's own board say of itself? A TOML file, read once into a frozen dataclass.

    name = "nucleo-f446re"                                  how reports call it
    url = "serial:/dev/ttyACM0"                             a device URL (catalog.py), or instead of it
    usb = "0483:374b:0670FF495157"                          USB ids, with or without a serial number (usb.py)
    core = "Cortex-M4F"                                     optional, like all below
    baud = 921600
    timeout_scale = 2.0                                     all waiting times are multiplied by it
    notes = "on the shelf by the window"
    flash = ["pyocd", "load", "-W", "-t", "stm32f446re", "{elf}"]
    elf = "../build/coverify-stm32f4.elf"                   what runs on it: crashes are located in it; an
                                                            emulated board is started with it

A name is looked up in ./boards and in the user's configuration folder (~/.config/coverify/boards). Unknown
keys and wrong types are BoardErrors that name file and line; nothing is executed by reading a file.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from coverify.boards.usb import USB, UsbIds
from coverify.errors import BoardError

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
KEYS = ("name", "url", "usb", "core", "baud", "timeout_scale", "notes", "flash", "elf")
MAX_FILE_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
T = TypeVar("T")


@dataclass(frozen=True)
class BoardFile:
    """A board file's content; None or empty where the file says nothing."""

    path: Path
    name: str
    url: str
    core: str
    baud: int | None
    timeout_scale: float | None
    notes: str
    flash: tuple[str, ...]
    elf: Path | None


class _Table:
    """The file's top-level table; errors name file, line and key."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        try:
            self._values: dict[str, object] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as err:
            raise BoardError(f"{path}: not valid TOML: {err}") from err

    def error(self, key: str, why: str) -> BoardError:
        lines = self._text.splitlines()
        pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[\]=.]""")
        line = next((i for i, text in enumerate(lines, 1) if pattern.match(text)), None)
        where = f"{self._path}:{line}" if line else f"{self._path}"
        return BoardError(f"{where}: {key}: {why}")

    def refuse_unknown(self) -> None:
        for key in self._values:
            if key not in KEYS:
                raise self.error(key, f"unknown key; a board file has {', '.join(KEYS)}")

    def get(self, key: str, kind: type[T], what: str) -> T | None:
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.error(key, f"must be {what}")
        return value

    def text(self, key: str, required: bool = False) -> str:
        value = self.get(key, str, "a text")
        if required and not value:
            raise self.error(
                key, "is missing; every board file needs it" + (" (or usb)" if key == "url" else "")
            )
        if value and not value.isprintable():
            raise self.error(key, "must be printable text on one line")
        return value or ""

    def baud(self) -> int | None:
        baud = self.get("baud", int, "a whole number")
        if baud is not None and not 1 <= baud < 100_000_000:
            raise self.error("baud", "must be between 1 and 99999999")
        return baud

    def timeout_scale(self) -> float | None:
        if isinstance(self._values.get("timeout_scale"), int):
            scale: float | None = self.get("timeout_scale", int, "a number")
        else:
            scale = self.get("timeout_scale", float, "a number")
        if scale is not None and not 0.1 <= scale <= 1000:
            raise self.error("timeout_scale", "must be between 0.1 and 1000")
        return scale

    def flash(self) -> tuple[str, ...]:
        words = self.get("flash", list, "a list of texts") or []
        if not all(isinstance(word, str) for word in words):
            raise self.error("flash", "must be a list of texts: the program, then its arguments")
        unknown = {hole for word in words for hole in re.findall(r"\{([^}]*)\}", word)} - {"elf", "port"}
        if unknown:
            raise self.error("flash", f"{{{min(unknown)}}} means nothing; there are {{elf}} and {{port}}")
        return tuple(words)


def read_board_file(path: Path) -> BoardFile:
    """Read and check a board file."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode()
    except OSError as err:
        raise BoardError(f"cannot read the board file {path}: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise BoardError(f"{path}: not a text file (UTF-8)") from err
    if len(raw) > MAX_FILE_BYTES:
        raise BoardError(f"{path}: larger than {MAX_FILE_BYTES} bytes; this is no board file")
    table = _Table(path, text)
    table.refuse_unknown()
    return BoardFile(
        path,
        name=table.text("name", required=True),
        url=_url(table),
        core=table.text("core"),
        baud=table.baud(),
        timeout_scale=table.timeout_scale(),
        notes=table.text("notes"),
        flash=table.flash(),
        elf=path.parent / elf if (elf := table.text("elf")) else None,
    )


def _url(table: _Table) -> str:
    usb = table.text("usb")
    if not usb:
        return table.text("url", required=True)
    if table.text("url"):
        raise table.error("usb", "the file gives a url as well; keep one of them")
    try:
        return f"{USB}:{UsbIds.parse(usb)}"
    except BoardError as err:
        raise table.error("usb", str(err)) from err


def _folders() -> tuple[Path, ...]:
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path("boards"), Path(config) / "coverify" / "boards"


def named_board_files() -> tuple[Path, ...]:
    """All board files that a name finds, the first of each name."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return tuple(found.values())


def find_board_file(text: str) -> Path | None:
    """The board file that `text` means: a path that ends in .toml, or a name; None when it is neither."""
    if text.endswith(".toml"):
        return Path(text)
    if not _NAME.fullmatch(text):
        return None
    return next((path for folder in _folders() if (path := folder / f"{text}.toml").is_file()), None)
