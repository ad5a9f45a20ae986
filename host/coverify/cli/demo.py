"""coverify demo: the whole loop on the shipped networks, each step a command that the user could have typed.

Exits with 0 when the loop closed: every comparison matched, every counterexample was confirmed on the device.
(That some inputs are not robust is what the demo shows, not a failure of it.)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.rule import Rule

from coverify.boards import build
from coverify.cli.outcome import Shown
from coverify.errors import CoverifyError
from coverify.interrupts import INTERRUPTED, TERMINATED, Terminated, python
from coverify.report import read_result

CORTEX_M4 = "qemu:mps2-an386"
NETWORKS = {
    "digits_mlp": ("--eps", "8", "--index", "0-24,103,123,227", "--timeout", "20"),
    "digits_cnn": ("--eps", "4", "--index", "0-1,55,92", "--timeout", "10"),
}
"""What is asked of each network: inputs of which some are not robust, in times that a demo may take."""


def demo(
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help=f"Default: {CORTEX_M4}, or native: without an emulator."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where results and the report go.")] = Path("demo"),
) -> None:
    """Run the loop: model, reference, device, proof or counterexample, replay, report.

    Uses the digit networks of firmware_models/networks.
    """
    console = Shown(highlight=False)
    networks = _networks()
    if networks is None:
        console.print("the networks are not here: run the demo in a checkout of coverify", style="bold red")
        raise typer.Exit(2)
    chosen = device or _device(console)
    _fresh(out)
    start = time.monotonic()
    closed = all([_loop(console, chosen, networks, name, out / name) for name in NETWORKS])
    _run(console, "report", str(out))
    console.print(Rule("summary"))
    for line in _summary(out, chosen, time.monotonic() - start):
        console.print(line, markup=False)
    html = (out / "report.html").resolve()
    console.print(f"report   {html}", markup=False, soft_wrap=True)
    if closed:
        said = "the device computes the reference, and confirms every counterexample that was found"
        console.print(f"the loop closed: {said}", style="bold green")
    else:
        console.print("the loop did NOT close", style="bold red")
    raise typer.Exit(0 if closed else 1)


def _networks() -> Path | None:
    """The folder of the shipped networks, beside the firmware's sources."""
    try:
        folder = build.harness().parent / "firmware_models" / "networks"
    except CoverifyError:
        return None
    return folder if (folder / "digits_mlp.tflite").is_file() else None


def _device(console: Console) -> str:
    """A Cortex-M4 where it can be built for and emulated, else this host, which is said."""
    if all(shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")):
        return CORTEX_M4
    console.print(
        "NO CORTEX-M: the cross compiler or the emulator is missing (make tools installs them).\n"
        "The same firmware source runs as a process of this host instead, on a pseudo-terminal.",
        style="bold yellow",
    )
    return "native:"


def _fresh(out: Path) -> None:
    """Remove what an earlier demo left; nothing else in the folder is touched."""
    for name in NETWORKS:
        if (out / name / "conform.json").is_file():
            shutil.rmtree(out / name)
    out.mkdir(parents=True, exist_ok=True)


def _loop(console: Console, device: str, networks: Path, name: str, out: Path) -> bool:
    """conform, verify, replay for one network; True when the loop closed."""
    model, inputs = str(networks / f"{name}.tflite"), str(networks / f"{name}.npz")
    out.mkdir(parents=True, exist_ok=True)
    common = ["--inputs", inputs, "--out", str(out)]
    closed = (
        _run(console, "conform", model, "--device", device, "--limit", "40", "--vectors", "20", *common) == 0
    )
    decided = _run(console, "verify", model, *NETWORKS[name], *common)
    witnesses = sorted(map(str, out.glob("witness-*.zip")))
    if witnesses:
        closed &= _run(console, "replay", *witnesses, "--device", device, "--out", str(out)) == 0
    return closed and decided in (0, 1, 4)


def _run(console: Console, *arguments: str) -> int:
    """One verb as a command of its own; returns its exit code."""
    shown = " ".join(os.path.relpath(a) if a.startswith("/") else a for a in arguments)
    console.print(Rule(f"coverify {shown[:150]}", align="left"), markup=False)
    with subprocess.Popen([*python("from coverify.__main__ import main; main()"), *arguments]) as verb:
        try:
            code = verb.wait()
        except Terminated:  # Ctrl-C, it hears itself
            verb.terminate()
            raise
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code in TERMINATED:
        raise Terminated(TERMINATED[code])
    return code


def _summary(out: Path, device: str, time_s: float) -> list[str]:
    lines = [f"device   {device}", f"time     {time_s:.0f} s"]
    for path in sorted(out.glob("*/*.json")):
        result = read_result(path)
        said = f"{path.parent.name} {result.verb}: {result.verdict}"
        if result.bytes_compared:
            said += f", {result.samples} samples, {result.bytes_compared} bytes compared"
        if result.queries:
            counts = {
                v: sum(q.verdict == v for q in result.queries) for v in ("HOLDS", "VIOLATED", "UNKNOWN")
            }
            said = f"{path.parent.name} verify: " + ", ".join(f"{n} {v}" for v, n in counts.items() if n)
        if result.replays:
            said += f", {len(result.replays)} counterexamples run on the device"
        lines.append(said)
    return lines
