"""Which serial port is the board with these USB ids? And what do the ids say of the adapter?

    usb:0483:374b                       the only adapter of that vendor and product
    usb:0483:374b:0670FF495157@921600   the one with that serial number, at a baud rate

Ports are renumbered when boards are plugged in another order; ids and serial number stay. They are looked up
when the line is opened, and again after a reset or flashing. Two ports that fit are an error, not a choice.
Sources: ST TN1235 (ST-LINK), pyOCD's and OpenOCD's lists of probes, the USB ID Repository (bridges).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from coverify.errors import BoardError, LinkError

USB: Final = "usb"
_IDS = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::([!-?A-~]+))?(?:@([1-9][0-9]{0,7}))?")


@dataclass(frozen=True)
class UsbIds:
    """Vendor and product (16 bits each), serial number ("": any), baud rate (None: the default)."""

    vendor: int
    product: int
    serial: str = ""
    baud: int | None = None

    @classmethod
    def parse(cls, text: str) -> UsbIds:
        """`VVVV:PPPP[:SERIAL][@BAUD]`, hexadecimal; BoardError for anything else."""
        found = _IDS.fullmatch(text)
        if found is None:
            raise BoardError(
                f"{text!r}: USB ids are VENDOR:PRODUCT or VENDOR:PRODUCT:SERIAL, as in 0483:374b"
            )
        vendor, product, serial, baud = found.groups()
        return cls(int(vendor, 16), int(product, 16), serial or "", int(baud) if baud else None)

    @classmethod
    def of(cls, port: ListPortInfo) -> UsbIds | None:
        """The ids of a port, None where it is no USB device; without a serial number that no URL can hold."""
        if port.vid is None or port.pid is None:
            return None
        ids = cls(port.vid, port.pid, port.serial_number or "")
        return ids if _IDS.fullmatch(str(ids)) else cls(port.vid, port.pid)

    def __str__(self) -> str:
        words = [f"{self.vendor:04x}", f"{self.product:04x}", *([self.serial] if self.serial else [])]
        return ":".join(words) + (f"@{self.baud}" if self.baud else "")

    def fits(self, port: ListPortInfo) -> bool:
        """Is `port` one of them?"""
        same = (port.vid, port.pid) == (self.vendor, self.product)
        return same and self.serial in ("", port.serial_number)

    def line_url(self, ports: Iterable[ListPortInfo] | None = None) -> str:
        """The line's address, found among `ports` (None: those of this machine).

        LinkError when it is not plugged in, BoardError when several fit.
        """
        there = list(list_ports.comports() if ports is None else ports)
        fitting = sorted(port.device for port in there if self.fits(port))
        if not fitting:
            others = ", ".join(sorted(port.device for port in there)) or "none"
            raise LinkError(
                f"no serial port has the USB ids {self}; is the board plugged in? Ports: {others}"
            )
        if len(fitting) > 1:
            raise BoardError(
                f"{', '.join(fitting)} have the USB ids {self}; add the serial number "
                "(coverify boards --scan) or give the port: serial:PORT"
            )
        return f"{fitting[0]}@{self.baud}" if self.baud else str(fitting[0])


@dataclass(frozen=True)
class Adapter:
    """`flash`: what a board file could say to flash through it, PART being the microcontroller's name."""

    name: str
    flash: tuple[str, ...] = ()


_PYOCD = ("pyocd", "load", "-W", "-t", "PART", "{elf}")  # -W: no probe is an error, not waited for
_BRIDGE = "USB to UART bridge"
_ADAPTERS: Final = {
    (0x0483, 0x374B): Adapter("ST-LINK/V2-1", _PYOCD),
    (0x0483, 0x3752): Adapter("ST-LINK/V2-1", _PYOCD),
    (0x0483, 0x374E): Adapter("STLINK-V3", _PYOCD),
    (0x0483, 0x374F): Adapter("STLINK-V3", _PYOCD),
    (0x0483, 0x3753): Adapter("STLINK-V3", _PYOCD),
    (0x0483, 0x3754): Adapter("STLINK-V3", _PYOCD),
    (0x0D28, 0x0204): Adapter("DAPLink", _PYOCD),
    (0x2E8A, 0x000C): Adapter("Raspberry Pi Debug Probe", _PYOCD),
    (0x303A, 0x1001): Adapter(
        "Espressif USB JTAG", ("esptool", "--port", "{port}", "write-flash", "0x0", "FILE.bin")
    ),
    (0x0403, 0x6001): Adapter(f"FTDI FT232R, {_BRIDGE}"),
    (0x0403, 0x6010): Adapter(f"FTDI FT2232, {_BRIDGE}"),
    (0x0403, 0x6015): Adapter(f"FTDI FT-X, {_BRIDGE}"),
    (0x10C4, 0xEA60): Adapter(f"Silicon Labs CP210x, {_BRIDGE}"),
    (0x1A86, 0x7523): Adapter(f"WCH CH340, {_BRIDGE}"),
    (0x067B, 0x2303): Adapter(f"Prolific PL2303, {_BRIDGE}"),
}
_SEGGER: Final = 0x1366


def adapter_of(port: ListPortInfo) -> Adapter | None:
    """What the port's ids are known to be; None where they are not in the list."""
    if port.vid is None or port.pid is None:
        return None
    if port.vid == _SEGGER:
        return Adapter("J-Link", _PYOCD)
    return _ADAPTERS.get((port.vid, port.pid))
