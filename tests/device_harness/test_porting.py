"""The example of docs/porting.md is a program: it compiles without a warning beside the agent."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from oracle import ROOT

HARNESS = ROOT / "device_harness"
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
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
