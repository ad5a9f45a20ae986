"""Firmware whose operators are TFLite's own reference kernels, compiled for a Cortex-M.

It is the product's image, in which the linker puts another operator table
(device_harness/reference_kernels); all else in it is the product's own objects, as `coverify build` made
them. The kernels are headers of the package xmos-ai-tools (TFLM's sources, in the namespace tflite_micro);
they need gemmlowp's fixedpoint.h and the headers of the C++ library, and no other file of TFLM. An image
is kept under build/firmware, as the product's are.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from coverify.boards.build import build, harness, machine_target

SOURCES = Path(__file__).resolve().parent / "device_harness" / "reference_kernels"
GEMMLOWP = Path("/usr/include/gemmlowp")
PACKAGE = "xmos-ai-tools"
CXX, CC = "arm-none-eabi-g++", "arm-none-eabi-gcc"
FLAGS = ("-std=c++17", "-Os", "-g1", "-Wall", "-Wextra", "-Werror", "-mthumb", "-fno-exceptions", "-fno-rtti",
         "-fno-threadsafe-statics", "-ffunction-sections", "-DTF_LITE_STATIC_MEMORY")  # fmt: skip
WRAPPED = ("-Wl,--wrap=k_operator_find", "-Wl,--wrap=k_operator_find_custom")
SINGLE_ROUNDING = "-DTFLITE_SINGLE_ROUNDING=1"

#: The operators that the headers have, of those that the firmware has.
OPERATORS = (
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE",
    "FULLY_CONNECTED", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM",
    "MUL", "PAD", "PADV2", "PRELU", "QUANTIZE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE",
    "SOFTMAX", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
)  # fmt: skip


def headers() -> Path | None:
    """The folder of the package's headers; None where it is not installed."""
    spec = importlib.util.find_spec("xmos_ai_tools")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "runtime" / "include"


def missing() -> str | None:
    """Why these images cannot be built or run here; None: they can."""
    if headers() is None:
        return f"{PACKAGE} is not installed (pip install --no-deps {PACKAGE})"
    if not (GEMMLOWP / "fixedpoint" / "fixedpoint.h").is_file():
        return "gemmlowp's headers are not installed (Debian: libgemmlowp-dev)"
    for tool in ("make", CXX, "qemu-system-arm"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    probe = [CXX, "-fsyntax-only", "-xc++", "-"]
    if subprocess.run(probe, input=b"#include <algorithm>\n", capture_output=True, check=False).returncode:
        return "the cross compiler has no C++ headers (Debian: libstdc++-arm-none-eabi-dev)"
    return None


def image(machine: str, *defines: str) -> Path:
    """The firmware for one of QEMU's machines, built if need be; skips the test where it cannot be."""
    why = missing()
    if why is not None:
        pytest.skip(why)
    firmware = build(machine_target(machine))
    kept = firmware.parent.parent / f"reference-{machine}-{_key(firmware, defines)}"
    if not kept.is_dir():
        fresh = Path(tempfile.mkdtemp(prefix=f".{kept.name}-", dir=kept.parent))
        try:
            _build_into(fresh, machine, firmware.parent, defines)
            fresh.rename(kept)
        except OSError:
            if not kept.is_dir():  # else another process was first
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return kept / "reference.elf"


def _build_into(folder: Path, machine: str, built: Path, defines: tuple[str, ...]) -> None:
    core, objects, link = _as_make_says(machine, built, "core", "objects", "link_flags")
    made = folder / "reference.o"
    own = [SOURCES, harness() / "agent", harness() / "engines" / "kernels"]
    includes = [*(f"-I{path}" for path in own), f"-isystem{headers()}", f"-isystem{GEMMLOWP}"]
    # one translation unit: reading TFLite's headers is most of the work
    text = "".join(f'#include "{path.name}"\n' for path in sorted(SOURCES.glob("*.cc")))
    command = [CXX, *FLAGS, *core, *defines, *includes, "-xc++", "-c", "-", "-o", str(made)]
    subprocess.run(command, input=text.encode(), check=True)
    # linked as C: of the C++ library nothing but headers is used
    command = [CC, *link, *WRAPPED, *objects, str(made), "-lm", "-o", str(folder / "reference.elf")]
    subprocess.run(command, check=True)


def _key(firmware: Path, defines: tuple[str, ...]) -> str:
    """A hash of all that an image is made of."""
    parts = [firmware.parent.name, importlib.metadata.version(PACKAGE), *FLAGS, *WRAPPED, *defines]
    digest = hashlib.sha256("\0".join(parts).encode())
    for path in sorted(p for p in SOURCES.rglob("*") if p.suffix in (".cc", ".h")):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _as_make_says(machine: str, built: Path, *names: str) -> list[list[str]]:
    """Variables of the firmware's Makefile, for what was built into that folder."""
    rule = "shown: ; " + "".join(f"$(info {name}: $({name}))" for name in names)
    variables = [*machine_target(machine).make_variables, f"BUILD={built}"]
    command = ["make", "-s", "-n", "-C", str(harness()), *variables, "--eval", rule, "shown"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    values = dict(line.partition(": ")[::2] for line in said)
    return [values[name].split() for name in names]
