"""Firmware that overflows its stack, hangs or divides by zero in one operator says so, and where."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from coverify.boards.device import open_device
from coverify.boards.symbols import Symbols
from coverify.errors import BadInput, DeviceFault
from coverify.link.deadline import Deadline
from made_once import made_once
from model_builder import Builder
from mutants import HARNESS, remade

MACHINES = ("mps2-an386", "mps2-an505", "mps3-an547", "netduinoplus2", "microbit")

SOFTMAX = "engines/kernels/op_softmax.c"
RUN = "enum cv_status k_softmax_run("
DEFECTS = """
__attribute__((noinline)) int dig(volatile int n);
__attribute__((noinline)) int dig(volatile int n)
{
    volatile int local[16];
    local[n & 15] = n;
    return n < 0 ? 0 : dig(n + 1) + local[n & 15];
}
__attribute__((noinline)) int spin(volatile int n);
__attribute__((noinline)) int spin(volatile int n)
{
    while (n >= 0)
        ;
    return 0;
}
__attribute__((noinline)) int divide(volatile int n);
__attribute__((noinline)) int divide(volatile int n)
{
    *(volatile unsigned *)0xE000ED14 |= 1u << 4; /* CCR.DIV_0_TRP */
    return 7 / (n - n);
}
"""
OVERFLOW, HANG, DIVIDE = 1, 2, 3
CHOICE = f"""
    int8_t first = k_read(g, op->inputs[0])[0];
    (void)(first == {OVERFLOW} ? dig(0) : first == {HANG} ? spin(0) : first == {DIVIDE} ? divide(0) : 0);
"""
WATCHDOG_S = 2

pytestmark = pytest.mark.cross


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """machine → its firmware, in which SOFTMAX overflows the stack, hangs or divides as its input says."""

    def prepare(machine: str, folder: Path) -> None:
        source = folder / "harness"
        shutil.copytree(HARNESS, source, ignore=shutil.ignore_patterns("build"))
        softmax = source / SOFTMAX
        text = softmax.read_text()
        at = text.index(RUN)
        body = text.index("{", at) + 1
        softmax.write_text(text[:at] + DEFECTS + text[at:body] + CHOICE + text[body:])
        for port in ("mps2", "stm32f4"):
            header = source / "ports" / port / "machine.h"
            changed = header.read_text().replace("CV_WATCHDOG_S 25u", f"CV_WATCHDOG_S {WATCHDOG_S}u")
            header.write_text(changed)
        remade(source, machine, folder / "built", "op_softmax.c", "machine.h")

    def built(machine: str) -> Path:
        made = made_once(tmp_path_factory, f"broken-{machine}", partial(prepare, machine))
        (elf,) = (made / "built").glob("*.elf")
        return elf

    return built


def network() -> bytes:
    b = Builder()
    return b.finish(b.softmax(b.input((1, 4), 0.5, 0)))


def crash(elf: Path, machine: str, defect: int) -> DeviceFault:
    """What the device reports when SOFTMAX has run; the same again for every request."""
    with open_device(f"qemu:{machine}", firmware=elf) as device:
        device.client.ensure_model(network())
        device.client.set_input(0, bytes([defect, 0, 0, 0]))
        with pytest.raises(DeviceFault) as caught:
            device.client.invoke()
        with pytest.raises(DeviceFault) as again:
            device.client.hello(Deadline.in_s(20))
        assert str(again.value) == str(caught.value)
        return caught.value


@pytest.mark.parametrize("machine", MACHINES)
def test_a_stack_that_overflows_is_named_and_the_calls_that_filled_it(broken, machine):
    fault = crash(broken(machine), machine, OVERFLOW)
    said = str(fault)
    if machine != "microbit":  # Armv6-M has no status registers
        assert "the stack has overflowed" in said
    assert "the stack shows calls from dig (op_softmax.c:" in said
    assert fault.exception in (3, 4, 5, 6)


@pytest.mark.parametrize("machine", ["mps2-an386", "mps2-an505", "netduinoplus2"])
def test_an_operator_that_hangs_is_found_by_the_watchdog(broken, machine):
    fault = crash(broken(machine), machine, HANG)
    assert fault.exception == 14
    assert "watchdog: no operator ended in its time" in str(fault)
    assert "; in spin (op_softmax.c:" in str(fault)
    assert "calls from k_softmax_run (op_softmax.c:" in str(fault)


def test_a_division_by_zero_is_found_in_its_function(broken):
    fault = crash(broken("mps2-an386"), "mps2-an386", DIVIDE)
    assert "UsageFault (DIVBYZERO)" in str(fault)
    assert "; in divide (op_softmax.c:" in str(fault)


def test_an_elf_of_other_firmware_says_nothing(broken, tmp_path):
    elf = broken("mps2-an386")
    symbols = Symbols.read(elf)
    assert not symbols.are_of("0123456789abcdef")
    assert not symbols.are_of("")
    nm = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True).stdout
    main = next(int(line.split()[0], 16) for line in nm.splitlines() if line.endswith(" T main"))
    assert symbols.place(main).startswith("main (main.c:")
    assert symbols.place(0x7000_0000) is None
    (tmp_path / "not.elf").write_bytes(b"\x7fELF" + bytes(200))
    with pytest.raises(BadInput):
        Symbols.read(tmp_path / "not.elf")
