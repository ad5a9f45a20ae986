"""coverify boards and coverify build: which devices there are, and their firmware."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from coverify.boards import build as firmware
from coverify.boards.catalog import Board, boards, resolve
from coverify.cli.outcome import JsonOption, Output, run_verb, versions
from coverify.errors import BoardError
from coverify.report import BoardRow, Result


def boards_verb(json: JsonOption = None) -> None:
    """List the devices that --device takes: the built-in ones and your board files."""

    def body() -> Result:
        rows = tuple(_row(board) for board in boards())
        return Result(
            verb="boards", verdict="OK", message=f"{len(rows)} boards", boards=rows, versions=versions()
        )

    run_verb("boards", Output(json), body)


def _row(board: Board) -> BoardRow:
    return BoardRow(name=board.name, url=board.url, core=board.core, notes=board.notes, ready=_ready(board))


def _ready(board: Board) -> bool | None:
    """Whether the tools for an emulated board are here; None for a real one."""
    if not board.emulated:
        return None
    if board.kind == "native":
        return shutil.which("gcc") is not None
    return all(shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm"))


def build(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="native:, qemu:MACHINE (see: coverify boards).")
    ],
    copy_to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Copy the firmware there too.")
    ] = None,
    sanitize: Annotated[bool, typer.Option(help="With AddressSanitizer and UBSan (native: only).")] = False,
    json: JsonOption = None,
) -> None:
    """Build the firmware for an emulated DEVICE and print where it is.

    It is built once for each state of the sources; verbs that start the device build it themselves.
    """

    def body() -> Result:
        board = resolve(device)
        if not board.emulated:
            raise BoardError(f"{device} is not built here; build and flash it with its own tools")
        if sanitize and board.kind != "native":
            raise BoardError("--sanitize is for native: only")
        native = firmware.NATIVE_SANITIZED if sanitize else firmware.NATIVE
        path = firmware.build(native if board.kind == "native" else firmware.machine_target(board.target))
        if copy_to is not None:
            path = Path(shutil.copy2(path, copy_to))
        return Result(verb="build", verdict="OK", message=str(path), versions=versions())

    run_verb("build", Output(json), body)
