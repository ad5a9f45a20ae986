"""How does firmware get onto a board? By the program that the board file names, as the user would call it.

The template's `{elf}` and `{port}` are replaced, nothing is passed through a shell. Out of scope: a flasher
of our own (pyOCD, OpenOCD, esptool, … do it well).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from coverify.boards.catalog import Board
from coverify.errors import BadInput, BoardError, BuildError, ToolMissing
from coverify.link.line import LineUrl

FLASH_TIMEOUT_S = 300
PYOCD_HINT = "pip install 'coverify[flash]'"
_OUTPUT_LINES = 30


def flasher(name: str) -> str | None:
    """Where the program is: on the PATH, or beside this Python, where pip puts pyocd."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def flash_command(board: Board, elf: Path) -> list[str]:
    """The command that flashes `elf`; BoardError when the board file names none."""
    if not board.flash:
        raise BoardError(f'{board.name}: no flash command; add one to its board file: flash = ["pyocd", …]')
    wanted = any("{port}" in word for word in board.flash)
    port = "" if board.emulated or not wanted else LineUrl.parse(board.line_url).port
    return [word.replace("{elf}", str(elf)).replace("{port}", port) for word in board.flash]


def flash(board: Board, elf: Path) -> None:
    """Flash `elf` onto `board`; errors carry what the program printed."""
    if not elf.is_file():
        raise BadInput(f"{elf}: no such file; build the firmware first")
    command = flash_command(board, elf)
    program = flasher(command[0])
    if program is None:
        hint = PYOCD_HINT if command[0] == "pyocd" else ""
        raise ToolMissing(command[0], command[0], f"flashing {board.name}", hint)
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FLASH_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise BuildError(" ".join(command), str(err)) from err
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").splitlines()[-_OUTPUT_LINES:]
        raise BuildError(" ".join(command), "\n".join(lines))
