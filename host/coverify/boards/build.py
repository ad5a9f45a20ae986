"""Where is the firmware for an emulated board? Built once from device_harness, then kept.

The sources are those of the checkout that holds this package, or the copy installed with it. What is built
is kept under a hash of the sources, the compiler's version and the target: in build/firmware of a checkout,
else in the user's cache folder (~/.cache/coverify). A build happens in a folder of its own that is renamed
when complete, so builds at the same time neither see nor disturb one another.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coverify.errors import BuildError, ToolMissing

BUILD_TIMEOUT_S = 600
_OUTPUT_LINES = 30
_IGNORED = {"build", "__pycache__"}


@dataclass(frozen=True)
class Tflm:
    """A TensorFlow Lite Micro that the user built for the target, linked as the engine (docs/tflm.md)."""

    library: Path
    include: tuple[Path, ...]
    flags: tuple[str, ...] = ()

    @property
    def make_variables(self) -> list[str]:
        """The arguments of make; BuildError for a path that make would take for two."""
        paths = [self.library.resolve(), *(folder.resolve() for folder in self.include)]
        for path in paths:
            if any(c.isspace() for c in str(path)):
                raise BuildError(f"linking {self.library.name}", f"{path}: make takes no space in a path")
            if not path.exists():
                raise BuildError(f"linking {self.library.name}", f"{path}: no such file or folder")
        library, *folders = map(str, paths)
        return [
            "ENGINE=tflm",
            f"TFLM_LIB={library}",
            f"TFLM_INCLUDE={' '.join(folders)}",
            f"TFLM_FLAGS={' '.join(self.flags)}",
        ]


@dataclass(frozen=True)
class Target:
    """What to build: a port of device_harness, its machine where it has several, sanitizers (native only).

    `tflm` is the engine; None: our own kernels.
    """

    port: str
    machine: str = ""
    sanitize: bool = False
    tflm: Tflm | None = None

    @property
    def name(self) -> str:
        """How messages and folders call it."""
        return self.machine or self.port

    @property
    def is_cross(self) -> bool:
        """True when it runs on a Cortex-M."""
        return self.port != "native"

    @property
    def artifact(self) -> str:
        """The file that the build makes."""
        return f"coverify-{self._machine or self.port}.elf" if self.is_cross else "coverify-native"

    @property
    def _machine(self) -> str:
        """The machine as make knows it: an386 for mps2-an386."""
        return self.machine.rpartition("-")[2]

    @property
    def compiler(self) -> str:
        """The compiler that the build calls: for C, or for C++ where TFLM is linked."""
        if self.tflm is not None:
            return "arm-none-eabi-g++" if self.is_cross else "g++"
        words = (os.environ.get("CC") or "gcc").split()
        return "arm-none-eabi-gcc" if self.is_cross else words[0]

    @property
    def make_variables(self) -> list[str]:
        """The arguments of make, without BUILD."""
        words = [f"PORT={self.port}"]
        if self.machine:
            words.append(f"MACHINE={self._machine}")
        if self.tflm is not None:
            words += self.tflm.make_variables
        return [*words, "SAN=1"] if self.sanitize else words


NATIVE = Target("native")
NATIVE_SANITIZED = Target("native", sanitize=True)
_PORTS = {"netduinoplus2": "stm32f4", "olimex-stm32-h405": "stm32f4", "microbit": "nrf51"}


def machine_target(machine: str, tflm: Tflm | None = None) -> Target:
    """The target of one of QEMU's machines: a port that has only one image, or a machine of mps2."""
    port = _PORTS.get(machine)
    return Target(port, tflm=tflm) if port is not None else Target("mps2", machine, tflm=tflm)


def harness() -> Path:
    """The folder of the firmware's sources; BuildError when they are not there."""
    beside = _checkout() / "device_harness"
    if (beside / "Makefile").is_file():
        return beside
    package = importlib.util.find_spec("coverify_harness")
    for installed in map(Path, (package and package.submodule_search_locations) or ()):
        if (installed / "Makefile").is_file():
            return installed
    raise BuildError(
        "finding the firmware's sources", f"neither {beside} nor the package coverify_harness is there"
    )


def build(target: Target, say: Callable[[str], None] | None = None) -> Path:
    """The path of the firmware for `target`, built if need be (`say` is told); ToolMissing or BuildError."""
    _require(target)
    source = harness()
    kind = "-san" if target.sanitize else "-tflm" if target.tflm else ""
    kept = _cache() / f"{target.name}{kind}-{_key(source, target)}"
    if not (kept / target.artifact).is_file():
        if say is not None:
            say(f"building the firmware for {target.name}, once for these sources")
        _build_into(source, target, kept)
    return kept / target.artifact


def _require(target: Target) -> None:
    why = f"building the firmware for {target.name}"
    if shutil.which("make") is None:
        raise ToolMissing("make", "make", why)
    if shutil.which(target.compiler) is None:
        package = "gcc-arm-none-eabi libnewlib-arm-none-eabi" if target.is_cross else "gcc libc6-dev"
        if target.tflm is not None:
            package = "libstdc++-arm-none-eabi-newlib" if target.is_cross else "g++"
        raise ToolMissing(target.compiler, package, why)


def _checkout() -> Path:
    return Path(__file__).resolve().parents[3]


def _cache() -> Path:
    """The folder for what is built, made if need be."""
    root = _checkout()
    if (root / "device_harness" / "Makefile").is_file() and os.access(root, os.W_OK):
        folder = root / "build" / "firmware"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coverify" / "firmware"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _key(source: Path, target: Target) -> str:
    """A hash of all that the firmware is made of."""
    version = subprocess.run([target.compiler, "--version"], capture_output=True, check=False).stdout
    digest = hashlib.sha256(repr((target, version, target.make_variables)).encode())
    if target.tflm is not None:
        digest.update(target.tflm.library.read_bytes())
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        hidden = any(part in _IGNORED or part.startswith(".") for part in relative.parts)
        if path.is_file() and not hidden:
            content = path.read_bytes()
            digest.update(f"\0{relative.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _build_into(source: Path, target: Target, kept: Path) -> None:
    """Build in a fresh folder beside `kept` and rename it; whoever comes first wins."""
    fresh = Path(tempfile.mkdtemp(prefix=f".{kept.name}-", dir=kept.parent))
    try:
        _make(source, target, fresh)
        try:
            fresh.rename(kept)
        except OSError:
            if not (kept / target.artifact).is_file():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _make(source: Path, target: Target, folder: Path) -> None:
    command = [
        "make",
        "-s",
        "--no-print-directory",
        "-C",
        str(source),
        *target.make_variables,
        f"BUILD={folder}",
    ]
    # a make that called us must not lend its options or its job server to ours
    environment = {
        k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEFILES")
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise BuildError(" ".join(command), f"not done after {BUILD_TIMEOUT_S} s") from err
    lines = done.stdout.decode(errors="replace").splitlines()[-_OUTPUT_LINES:]
    if done.returncode != 0:
        raise BuildError(" ".join(command), "\n".join(lines))
    if not (folder / target.artifact).is_file():
        raise BuildError(" ".join(command), "\n".join([*lines, f"it made no {target.artifact}"]))
