"""Where in the firmware's sources is an address? From its ELF: the function, and the line by DWARF.

An ELF says where only for the very firmware that it is: the build id, which HELLO reports and which stands as
text in the image, tells.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.elf.elffile import ELFFile

from coverify.errors import BadInput

MAX_ELF_BYTES = 64 << 20


@dataclass(frozen=True)
class Symbols:
    """The functions and lines of an image: `starts` are ascending addresses, `functions` their names and
    ends, `lines` what DWARF says of each compilation unit.
    """

    content: bytes = field(repr=False)
    starts: tuple[int, ...] = field(repr=False)
    functions: tuple[tuple[str, int], ...] = field(repr=False)
    lines: tuple[tuple[int, int, str], ...] = field(repr=False)

    @staticmethod
    def read(elf: Path) -> Symbols:
        """The symbols of an ELF file.  Raises BadInput."""
        try:
            if elf.stat().st_size > MAX_ELF_BYTES:
                raise BadInput(f"the firmware {elf} is larger than {MAX_ELF_BYTES >> 20} MiB")
            content = elf.read_bytes()
            with elf.open("rb") as file:
                image = ELFFile(file)
                return Symbols(content, *_functions(image), _lines(image))
        except (OSError, ELFError, DWARFError) as err:
            raise BadInput(f"cannot read the firmware {elf}: {err}") from err

    def are_of(self, build_id: str) -> bool:
        """Is this the image that reports that build id?"""
        return bool(build_id) and build_id.encode() in self.content

    def place(self, address: int) -> str | None:
        """`function (file:line)` for an address, as far as it is known; None outside all functions."""
        at = bisect_right(self.starts, address) - 1
        if at < 0 or address >= self.functions[at][1]:
            return None
        name, line = self.functions[at][0], self._line(address)
        return f"{name} ({line})" if line else name

    def _line(self, address: int) -> str:
        at = bisect_right(self.lines, address, key=lambda row: row[0]) - 1
        return self.lines[at][2] if at >= 0 and address < self.lines[at][1] else ""


def _functions(image: Any) -> tuple[tuple[int, ...], tuple[tuple[str, int], ...]]:
    table = image.get_section_by_name(".symtab")
    found: dict[int, tuple[str, int]] = {}
    for symbol in table.iter_symbols() if table is not None else ():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]:
            start = int(symbol["st_value"]) & ~1  # bit 0 is Thumb's
            found[start] = symbol.name, start + int(symbol["st_size"])
    return tuple(sorted(found)), tuple(found[start] for start in sorted(found))


def _lines(image: Any) -> tuple[tuple[int, int, str], ...]:
    """(first address, end, file:line) of every row of the line tables, ascending."""
    if not image.has_dwarf_info():
        return ()
    rows: list[tuple[int, int, str]] = []
    dwarf = image.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        before: Any = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if before is not None and state.address > before.address:
                rows.append((before.address, state.address, f"{_file(program, before.file)}:{before.line}"))
            before = None if state.end_sequence else state
    return tuple(sorted(rows))


def _file(program: Any, number: int) -> str:
    """A file of a line table, by its number there: from 1 before DWARF 5, from 0 since."""
    header = program.header
    files = header["file_entry"]
    at = number - (1 if header["version"] < 5 else 0)
    return files[at].name.decode("utf-8", "replace") if 0 <= at < len(files) else "?"
