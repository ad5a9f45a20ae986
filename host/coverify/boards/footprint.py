"""How much flash and RAM does a firmware image take? From its ELF: what is loaded, and what it sets aside.

The place of the model, the engine's arena and the stack are left out: they are as large as the board's memory
allows; what of them is used the device tells itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from coverify.errors import BadInput

_APART = (".model", ".arena", ".stack")


@dataclass(frozen=True)
class Footprint:
    """Bytes of an image: `flash` is code, constants and initial values, `ram` is data and the fault stack."""

    flash: int
    ram: int


def footprint(elf: Path) -> Footprint | None:
    """The footprint of an image for a microcontroller; None for a program of this host.

    BadInput when it cannot be read.
    """
    try:
        with elf.open("rb") as file:
            image = ELFFile(file)
            if image["e_machine"] != "EM_ARM":
                return None
            flash = ram = 0
            for section in image.iter_sections():
                flags, size = section["sh_flags"], int(section["sh_size"])
                if not flags & SH_FLAGS.SHF_ALLOC or section.name in _APART:
                    continue
                if section["sh_type"] != "SHT_NOBITS":
                    flash += size
                if flags & SH_FLAGS.SHF_WRITE:
                    ram += size
    except (OSError, ELFError) as err:
        raise BadInput(f"cannot read the firmware {elf}: {err}") from err
    return Footprint(flash, ram)
