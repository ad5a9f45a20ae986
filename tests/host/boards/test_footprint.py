"""The footprint of an image, beside what binutils' size counts in the same file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from coverify.boards.build import NATIVE, build, machine_target
from coverify.boards.footprint import footprint
from coverify.errors import BadInput


@pytest.mark.cross
@pytest.mark.parametrize("machine", ["mps2-an386", "microbit"])
def test_flash_and_ram_are_those_of_binutils(machine: str) -> None:
    for tool in ("make", "arm-none-eabi-gcc", "arm-none-eabi-size"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    elf = build(machine_target(machine))
    told = subprocess.run(
        ["arm-none-eabi-size", "-A", elf], capture_output=True, text=True, check=True
    ).stdout
    sizes = {w[0]: int(w[1]) for w in map(str.split, told.splitlines()) if len(w) == 3 and w[1].isdigit()}
    found = footprint(elf)
    assert found is not None
    assert found.flash == sizes[".text"] + sizes[".ARM.exidx"] + sizes[".data"]
    assert found.ram == sizes[".data"] + sizes[".bss"] + sizes[".fault_stack"]


def test_a_program_of_this_host_has_none_and_what_is_no_elf_is_refused(tmp_path: Path) -> None:
    if shutil.which("make") is None or shutil.which("gcc") is None:
        pytest.skip("make and gcc are not installed")
    assert footprint(build(NATIVE)) is None
    (tmp_path / "a.elf").write_bytes(b"no ELF")
    with pytest.raises(BadInput, match=r"a\.elf"):
        footprint(tmp_path / "a.elf")
