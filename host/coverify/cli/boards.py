"""coverify boards, build and flash: which devices there are, and their firmware."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from coverify.boards import build as firmware
from coverify.boards.catalog import Board, boards, resolve
from coverify.boards.device import Device
from coverify.boards.flash import flash
from coverify.boards.qemu import PROGRAM, machines
from coverify.boards.scan import Found, drafts, write_drafts
from coverify.boards.scan import scan as scan_ports
from coverify.boards.symbols import Symbols
from coverify.boards.usb import adapter_of
from coverify.cli.devices import device_row
from coverify.cli.outcome import JsonOption, Output, plain_text, run_verb, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.errors import BadInput, BoardError, LinkError
from coverify.files import check_no_input
from coverify.link.deadline import Deadline
from coverify.report import BoardRow, Result

RESTART_S = 10.0
"""How long a board may take to come back after it was flashed, before its timeout_scale."""


def boards_verb(
    scan: Annotated[
        bool, typer.Option("--scan", help="Look at the serial ports and draft board files.")
    ] = False,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="PORT", help="With --scan: this port or rfc2217:// line too; may be repeated."),
    ] = None,
    ask: Annotated[
        bool, typer.Option(help="With --scan: say HELLO on every port (opening one may reset its board).")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="With --scan: write the drafts there, NAME.toml each."
        ),
    ] = None,
    json: JsonOption = None,
) -> None:
    """List the devices that --device takes: the built-in ones and your board files.

    With --scan, the serial ports of this machine instead: the debug probe or bridge by its USB ids, and,
    where coverify's firmware answers HELLO, its board, core and baud rate; a board file is drafted for each.

    Example: coverify boards --scan -o boards
    """
    output = Output(json)

    def body() -> Result:
        if scan:
            return _scan(port or [], ask, out, output)
        if port or out is not None:
            raise BadInput("--port and --output go with --scan")
        rows = tuple(_row(board) for board in boards())
        return Result(
            verb="boards", verdict="OK", message=f"{len(rows)} boards", boards=rows, versions=versions()
        )

    run_verb("boards", output, body)


def _scan(more: list[str], ask: bool, out: Path | None, output: Output) -> Result:
    with progress_bar() as progress:
        found = scan_ports(more, ask=ask, progress=Bar(progress, "ports"))
    named = list(drafts(found))
    written = write_drafts(out, named) if out is not None else []
    if not written:
        for name, text in named:
            output.console.print(f"# {name}.toml\n{text}", markup=False, soft_wrap=True)
    answered = sum(one.hello is not None for one in found)
    ports = "1 serial port" if len(found) == 1 else f"{len(found)} serial ports"
    said = f"{ports}, coverify's firmware answers on {answered}"
    if written:
        said += f"; drafts: {', '.join(map(str, written))}"
    rows = tuple(_found_row(one, name, text) for one, (name, text) in zip(found, named, strict=True))
    return Result(verb="boards", verdict="OK", message=said, boards=rows, versions=versions())


def _found_row(found: Found, name: str, draft: str) -> BoardRow:
    hello, adapter = found.hello, adapter_of(found.port)
    notes = f"build {hello.build_id}" if hello else found.said
    return BoardRow(
        name=name,
        url=plain_text(found.port.device),
        core=hello.core if hello else "unknown",
        notes=plain_text(f"{adapter.name}; {notes}" if adapter else notes),
        ready=hello is not None,
        draft=draft,
    )


def _row(board: Board) -> BoardRow:
    lacks = _lacking(board) if board.emulated else None
    notes = "; ".join(filter(None, (board.notes, lacks)))
    ready = None if lacks is None else not lacks
    return BoardRow(name=board.name, url=board.url, core=board.core, notes=notes, ready=ready)


def _lacking(board: Board) -> str:
    """What an emulated board needs and this machine has not; "" for nothing."""
    tools = ("gcc",) if board.kind == "native" else ("arm-none-eabi-gcc", PROGRAM)
    if missing := [tool for tool in tools if shutil.which(tool) is None]:
        return f"not here: {', '.join(missing)}"
    if board.kind != "native" and board.target not in machines():
        return f"this {PROGRAM} has no machine {board.target}: a newer one may have it"
    return ""


def build(
    device: Annotated[
        str, typer.Argument(metavar="DEVICE", help="native:, qemu:MACHINE (see: coverify boards).")
    ],
    copy_to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Copy the firmware there too.")
    ] = None,
    sanitize: Annotated[bool, typer.Option(help="With AddressSanitizer and UBSan (native: only).")] = False,
    tflm_lib: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Link this TensorFlow Lite Micro instead of our kernels."),
    ] = None,
    tflm_include: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A folder of its headers; may be repeated.")
    ] = None,
    tflm_flags: Annotated[
        str, typer.Option(metavar="FLAGS", help="The macros that it was compiled with.")
    ] = "-DTF_LITE_STATIC_MEMORY",
    json: JsonOption = None,
) -> None:
    """Build the firmware for an emulated DEVICE and print where it is.

    It is built once for each state of the sources; verbs that start the device build it themselves. With
    --tflm-lib the engine is the TFLM that you built for that core (docs/tflm.md); give the image to
    other verbs as --device qemu:MACHINE@FILE.
    """

    def body() -> Result:
        board = resolve(device)
        if not board.emulated:
            raise BoardError(f"{device} is not built here; build and flash it with its own tools")
        if sanitize and board.kind != "native":
            raise BoardError("--sanitize is for native: only")
        tflm = _tflm(tflm_lib, tflm_include or [], tflm_flags)
        native = firmware.Target("native", sanitize=sanitize, tflm=tflm)
        if copy_to is not None and tflm is not None:
            check_no_input(copy_to, tflm.library)
        path = firmware.build(
            native if board.kind == "native" else firmware.machine_target(board.target, tflm)
        )
        if copy_to is not None:
            path = Path(shutil.copy2(path, copy_to))
        return Result(verb="build", verdict="OK", message=str(path), versions=versions())

    run_verb("build", Output(json), body)


def _tflm(library: Path | None, include: list[Path], flags: str) -> firmware.Tflm | None:
    if library is None:
        if include:
            raise BoardError("--tflm-include goes with --tflm-lib")
        return None
    if not include:
        raise BoardError("--tflm-lib needs --tflm-include: the folders of TFLM's headers")
    return firmware.Tflm(library, tuple(include), tuple(flags.split()))


def flash_verb(
    device: Annotated[
        str, typer.Argument(metavar="BOARD", help="A board file, by name or path (see: coverify boards).")
    ],
    elf: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The firmware. Default: the board file's elf.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Flash BOARD by the command in its board file, then prove that what runs is what was flashed.

    After flashing the device is greeted: the build id that it reports, a digest of the firmware's sources,
    its compiler's version and the flags, must stand in FILE. Exits with 1 when other firmware runs.
    """
    output = Output(json)

    def body() -> Result:
        board = resolve(device)
        image = elf or board.elf
        if image is None:
            raise BoardError(f"{board.name}: which firmware? Give --elf, or elf = … in the board file")
        symbols = Symbols.read(image)
        flash(board, image)
        with _restarted(board) as running:
            runs, row = running.hello.build_id, device_row(running)
        ours = symbols.are_of(runs)
        said = f"{board.name} runs {image.name}" if ours else f"{board.name} runs other firmware than {image}"
        return Result(
            verb="flash",
            verdict="OK" if ours else "MISMATCH",
            message=f"{said}: build id {runs}",
            device=row,
            versions=versions(),
        )

    run_verb("flash", output, body)


def _restarted(board: Board) -> Device:
    """The board after it was flashed; a real one's port may be gone for a moment.  Raises LinkError."""
    deadline = Deadline.in_s(RESTART_S * board.timeout_scale)
    while True:
        try:
            return Device(board)
        except LinkError:
            if board.emulated or deadline.passed:
                raise
            time.sleep(0.2)
