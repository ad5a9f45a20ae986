"""How does a model get into an emulated board's memory before the board starts? QEMU's loader puts it there.

The firmware's symbol cv_model_memory says where. QEMU refuses to load anything over a segment of the ELF,
even one without bytes in the file (the model buffer is such a one), so the emulator gets a copy of the ELF in
which that segment is void. The device is told nothing: it hashes its memory and compares with the model's
digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from coverify.errors import BadInput

_SYMBOL = "cv_model_memory"
_PT_NULL = bytes(4)


@dataclass(frozen=True)
class Preload:
    """What QEMU is started with: a firmware, and a file whose bytes lie at `address`."""

    elf: Path
    file: Path
    address: int


def make_preload(elf: Path, model: bytes, folder: Path) -> Preload | None:
    """Writes both files into `folder`; None when the model does not fit.

    Raises BadInput when `elf` is not this project's firmware.
    """
    try:
        with elf.open("rb") as file:
            firmware = ELFFile(file)
            address, size = _model_memory(firmware, elf)
            headers = _void_headers(firmware, address)
    except (OSError, ELFError) as err:
        raise BadInput(f"cannot read the firmware {elf}: {err}") from err
    if len(model) > size:
        return None
    content = bytearray(elf.read_bytes())
    for header in headers:
        content[header : header + len(_PT_NULL)] = _PT_NULL
    made = Preload(folder / elf.name, folder / "model.tflite", address)
    made.elf.write_bytes(content)
    made.file.write_bytes(model)
    return made


def _model_memory(firmware: ELFFile, elf: Path) -> tuple[int, int]:
    """The address and size of the model buffer."""
    for table in firmware.iter_sections():
        found = table.get_symbol_by_name(_SYMBOL) if isinstance(table, SymbolTableSection) else None
        if found:
            return int(found[0]["st_value"]), int(found[0]["st_size"])
    raise BadInput(f"{elf}: no symbol {_SYMBOL}; is this coverify's firmware, not stripped?")


def _void_headers(firmware: ELFFile, address: int) -> list[int]:
    """Where in the file the program headers of segments without bytes stand that hold `address`."""
    first, size = int(firmware.header["e_phoff"]), int(firmware.header["e_phentsize"])
    return [
        first + i * size
        for i, segment in enumerate(firmware.iter_segments())
        if segment["p_filesz"] == 0 and 0 <= address - segment["p_paddr"] < segment["p_memsz"]
    ]
