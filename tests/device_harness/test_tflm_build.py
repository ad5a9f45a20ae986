"""Linking a TFLM of the user's: what the Makefile reads from the library, tried with very small ones.

The library of a real TFLM is for test_tflm_on_cortex_m.py.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mutants import HARNESS

pytestmark = pytest.mark.cross
OPERATOR = "void _ZN6tflite12Register_ADDEv(void){}"
"""tflite::Register_ADD() by its symbol."""


def library(folder: Path, source: str, *flags: str) -> Path:
    """An archive of one object for a Cortex-M."""
    for tool in ("arm-none-eabi-gcc", "arm-none-eabi-g++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    (folder / "a.c").write_text(source)
    flags = flags or ("-mcpu=cortex-m3", "-mfloat-abi=soft")
    subprocess.run(["arm-none-eabi-gcc", "-mthumb", *flags, "-c", "a.c"], cwd=folder, check=True)
    subprocess.run(["arm-none-eabi-ar", "rcs", "liba.a", "a.o"], cwd=folder, check=True)
    return folder / "liba.a"


def make(folder: Path, lib: Path, machine: str) -> str:
    """What make would do, or why it does not begin."""
    command = [
        "make",
        "-n",
        "-C",
        str(HARNESS),
        "PORT=mps2",
        f"MACHINE={machine}",
        f"BUILD={folder}",
        "ENGINE=tflm",
    ]
    done = subprocess.run(
        [*command, f"TFLM_LIB={lib}", f"TFLM_INCLUDE={folder}"], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_operators_are_those_that_the_library_has(tmp_path):
    lib = library(
        tmp_path, OPERATOR + " void _ZN6tflite22Register_AVERAGE_POOL_2DEv(void){} void other(void){}"
    )
    assert '-DCV_TFLM_OPERATORS="ADD AVERAGE_POOL_2D"' in make(tmp_path, lib, "an385")


def test_a_library_without_operators_is_refused_before_anything_is_compiled(tmp_path):
    assert "has no operator" in make(tmp_path, library(tmp_path, "void other(void){}"), "an385")


def test_floating_point_numbers_are_passed_as_the_library_does(tmp_path):
    hard = ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    called = OPERATOR + " float f(float x){return x * x;}"
    soft = make(tmp_path, library(tmp_path, called), "an386")
    assert "-mfloat-abi=softfp" in soft
    assert "-mfloat-abi=hard" not in soft
    assert "-mfloat-abi=softfp" not in make(tmp_path, library(tmp_path, called, *hard), "an386")


def test_a_library_that_passes_them_in_registers_is_refused_where_the_core_has_none(tmp_path):
    hard = ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
    lib = library(tmp_path, OPERATOR + " float f(float x){return x * x;}", *hard)
    assert "was compiled with -mfloat-abi=hard" in make(tmp_path, lib, "an385")


def test_another_library_is_another_build(tmp_path):
    """The build id, by which a flashed image is known, is of the library too."""
    ids = set()
    for body in ("{}", "{ for (;;); }"):
        said = make(tmp_path, library(tmp_path, OPERATOR.replace("{}", body)), "an385")
        ids.add(said.partition("CV_BUILD_ID=")[2][:20])
    assert len(ids) == 2
