"""The options and rows of verbs that talk to a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from coverify.boards.catalog import FOREIGN, resolve
from coverify.boards.device import Device, open_device, open_foreign
from coverify.boards.footprint import footprint
from coverify.cli.outcome import Interrupted, Output, verdict_of
from coverify.cli.progress import Bar, progress_bar
from coverify.conformance.foreign import NOT_COVERED
from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceFault, DeviceRefused, LinkError
from coverify.report import Device as DeviceRow
from coverify.report import Result, Verdict, worst
from tflm_int8 import Model

DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="native:, qemu:MACHINE[@FIRMWARE], serial:PORT@BAUD, usb:VENDOR:PRODUCT, rfc2217://HOST:PORT, "
        "socket://HOST:PORT, mlperf:PORT@BAUD (conform and replay alone) or a board file (see: coverify "
        "boards).",
    ),
]
WireLogOption = Annotated[
    Path | None,
    typer.Option("--wire-log", metavar="FILE", help="Log every frame, both ways, with time stamps."),
]


@dataclass
class Ending:
    """How a run on a device ended: by itself, or by what broke or interrupted it."""

    error: LinkError | DeviceFault | DeviceRefused | None = None
    stop: KeyboardInterrupt | None = None

    @property
    def early(self) -> bool:
        """Did it end before everything was run?"""
        return self.error is not None or self.stop is not None

    def verdict(self, found: Verdict) -> Verdict:
        """From what was found until then: a mismatch stands, whatever came after it."""
        if self.error is not None:
            return worst((found, verdict_of(self.error)))
        return "UNKNOWN" if self.stop is not None and found == "MATCH" else found

    def message(self, found: str | None, differ: bool) -> str | None:
        """Why there is no better verdict; `found` is what was found, `differ`: whether that is a mismatch."""
        if not self.early:
            return found
        why = "interrupted" if self.error is None else str(self.error)
        return f"{found}; then: {why}" if differ and found else why

    def passed_on(self, result: Result) -> Result:
        """The result of what was run.  Raises Interrupted with it where the run was interrupted."""
        if self.stop is not None:
            raise Interrupted(result) from self.stop
        return result


@contextmanager
def ending(anything: Callable[[], object]) -> Iterator[Ending]:
    """Of a run on a device in here. An interrupt before `anything` was found is raised as it is."""
    end = Ending()
    try:
        yield end
    except (LinkError, DeviceFault, DeviceRefused) as error:
        end.error = error
    except KeyboardInterrupt as stop:
        if not anything():
            raise
        end.stop = stop


def opened(url: str, wire_log: Path | None, output: Output, model: Model | None) -> Device:
    """A greeted device, for `with`: what was started for it is ended on the way out.

    An emulated board has the model, if one is named, in its memory when it starts; its digest proves it.
    """
    console = output.console

    def log(text: str) -> None:
        console.print(text, style="dim", markup=False)

    return open_device(url, wire_log=wire_log, log=log, preload=None if model is None else model.content)


def load(device: Device, model: Model) -> Stepper:
    """The model on the device, with a progress bar for the upload."""
    with progress_bar() as progress:
        return Stepper(device.client, model, Bar(progress, "upload"))


def check_device(url: str, output: Output, foreign: bool = False) -> None:
    """Open the device and leave it, before the work of hours that is to be run there.

    foreign: is firmware that speaks MLPerf Tiny's commands taken?  Raises what the link and the device raise.
    """
    if foreign and is_foreign(url):
        open_foreign(url).close()
        return
    with opened(url, None, output, None):
        pass


def device_row(device: Device) -> DeviceRow:
    """The device as a result names it, in its own words."""
    hello = device.hello
    return DeviceRow(
        url=device.board.url,
        board=hello.board,
        core=hello.core,
        engine=hello.engine,
        rounding=hello.rounding,
        compiler=hello.compiler,
        build_id=hello.build_id,
        protocol=hello.version,
    )


def with_usage(row: DeviceRow, device: Device) -> DeviceRow:
    """The row with what the device used and counted. To be called after it has computed."""
    used = device.client.usage()
    image = footprint(device.firmware) if device.firmware is not None else None
    return row.model_copy(
        update={
            "counter": device.hello.counter or None,
            "arena_bytes": used.arena or None,
            "stack_bytes": used.stack or None,
            "flash_bytes": image.flash if image else None,
            "ram_bytes": image.ram if image else None,
        }
    )


def is_foreign(url: str) -> bool:
    """True for firmware that speaks MLPerf Tiny's commands."""
    return resolve(url).kind == FOREIGN


def device_limits(url: str) -> tuple[str, ...]:
    """What running on this kind of device cannot show."""
    kind = resolve(url).kind
    if kind == "native":
        return ("the microcontroller: the firmware ran as a process of this host (native:)",)
    if kind == FOREIGN:
        return NOT_COVERED
    if kind == "qemu":
        return ("silicon: the core is emulated by QEMU (instructions, not timing, caches or errata)",)
    return ()
