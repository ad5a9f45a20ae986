"""The example of docs/porting.md is a program: it compiles without a warning beside the agent."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from oracle import ROOT

HARNESS = ROOT / "device_harness"
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
PORT = HARNESS / "ports/cortexm"
BODIES = """
static uint32_t my_read(void *port, uint8_t *to, uint32_t capacity)
{ (void)port; (void)to; return capacity - capacity; }
static void my_write(void *port, const uint8_t *from, uint32_t n) { (void)port; (void)from; (void)n; }
static uint64_t my_cycles(void *port) { (void)port; return 0; }
void my_sleep_until_a_byte_comes(void) {}
"""


def test_the_example_of_the_porting_guide_compiles(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (example,) = re.findall(r"```c\n(.*?)```", (ROOT / "docs/porting.md").read_text("utf-8"), re.DOTALL)
    source = tmp_path / "example.c"
    source.write_text(
        "void my_sleep_until_a_byte_comes(void);\nvoid coverify_task(void);\n" + example + BODIES
    )
    includes = [f"-I{HARNESS / 'agent'}", f"-I{HARNESS / 'engines/kernels'}"]
    command = ["gcc", *WARNINGS, *includes, "-c", source, "-o", tmp_path / "example.o"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def machine(folder: Path, port: str, **changed: str) -> list[str]:
    """The compiler with the machine.h of a port, in which some numbers are others."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    lines = [f'#include "{HARNESS / "ports" / port / "machine.h"}"']
    lines += [f"#undef {name}\n#define {name} {value}" for name, value in changed.items()]
    (folder / "machine.h").write_text("\n".join(lines) + "\n")
    known = {"stm32f4": ["-DCV_MAX_PAYLOAD=1024u"], "nrf51": ["-DCV_MAX_PAYLOAD=256u", "-DCV_WINDOW=2u"]}
    defines = known.get(port, ["-DCV_MPS2_an386"])
    core = ["-mcpu=cortex-m0", "-mthumb"]
    includes = [f"-I{folder}", f"-I{HARNESS / 'agent'}", f"-I{PORT}"]
    return ["arm-none-eabi-gcc", *core, *defines, *includes]


@pytest.mark.cross
@pytest.mark.parametrize(
    ("port", "changed", "said"),
    [
        ("stm32f4", {}, ""),
        ("mps2", {}, ""),
        ("nrf51", {}, ""),
        ("stm32f4", {"CV_MODEL_AT": "0x20005FF0"}, "DATA and MODEL overlap"),
        ("stm32f4", {"CV_MODEL_BYTES": "0xE004"}, "MODEL and ARENA overlap"),
        ("nrf51", {"CV_ARENA_AT": "0x20001000"}, "DATA and ARENA overlap"),
        ("nrf51", {"CV_CODE_BYTES": "0x20004"}, "CODE and MODEL overlap"),
    ],
)
def test_memories_that_overlap_are_not_linked(tmp_path, port, changed, said):
    compiler = machine(tmp_path, port, **changed)
    script = tmp_path / "link.ld"
    source = PORT / "link.ld.S"
    subprocess.run([*compiler, "-E", "-P", "-x", "assembler-with-cpp", source, "-o", script], check=True)
    (tmp_path / "empty.c").write_text("void cv_reset(void) {}\n")
    command = [*compiler, "-nostdlib", "-T", script, tmp_path / "empty.c", "-o", tmp_path / "image"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (said == ""), done.stderr
    assert said in done.stderr


@pytest.mark.cross
@pytest.mark.parametrize(
    ("port", "changed", "said"),
    [
        ("stm32f4", {}, ""),
        ("mps2", {}, ""),
        ("nrf51", {}, ""),
        ("stm32f4", {"CV_RING_BYTES": "0x1000"}, "the ring holds a window of the longest frames"),
        ("nrf51", {"CV_RING_BYTES": "0x200"}, "the ring holds a window of the longest frames"),
        ("nrf51", {"CV_RING_BYTES": "0x600"}, "the ring is a power of two"),
    ],
)
def test_a_ring_that_a_window_of_frames_overruns_is_not_compiled(tmp_path, port, changed, said):
    command = [*machine(tmp_path, port, **changed), *WARNINGS, "-fsyntax-only", "-include", "machine.h"]
    done = subprocess.run([*command, PORT / "ring.c"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (said == ""), done.stderr
    assert said in done.stderr
