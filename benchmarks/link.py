#!/usr/bin/env python3
"""What does the link cost?  Useful over wire bytes, and the pace of a comparison beside the core's own.

Bytes: 1 MB to the native device in 4 KiB payloads; everything that crosses the line, both ways, counts.
Pace: every tensor of every sample of MLPerf Tiny's keyword and image networks is compared by digests on
QEMU's Cortex-M4. The core's own time is what the device counted between begin and end of each operator
(SysTick) in that same run, so that a busy host disturbs both alike. Networks or tools that are absent are
left out by name.
"""
# ruff: noqa: E402  (the checkout must be found before the imports)

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "firmware_models"), str(ROOT / "host")]

from rich.console import Console
from rich.table import Table

from coverify.boards import build
from coverify.boards.device import open_device
from coverify.boards.native import NativeProcess
from coverify.conformance.compare import Comparison, compare_digests
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples, int8_element, vectors
from coverify.errors import DeviceRefused
from coverify.link.client import Client
from coverify.link.deadline import Deadline
from coverify.link.line import SerialLine
from tflm_int8 import Model, Reference, sample_shape

SHARED = ROOT.parent / "shared" / "data" / "models"
NETWORKS = {
    "DS-CNN keyword spotting": (SHARED / "kws_ref_model.tflite", 4),
    "ResNet-8": (SHARED / "pretrainedResnet_quant.tflite", 1),
    "digits_cnn": (ROOT / "firmware_models" / "networks" / "digits_cnn.tflite", 8),
}
DEVICE = "qemu:mps2-an386"
UPLOAD_BYTES = 1 << 20


class CountingLine(SerialLine):
    """A line that counts what crosses it."""

    n_bytes = 0

    def read(self, deadline: Deadline) -> bytes:
        """As SerialLine."""
        data = super().read(deadline)
        self.n_bytes += len(data)
        return data

    def write(self, data: bytes, deadline: Deadline) -> bool:
        """As SerialLine."""
        self.n_bytes += len(data)
        return super().write(data, deadline)


def bytes_on_the_wire() -> dict[str, float]:
    """Useful over wire bytes of an upload of UPLOAD_BYTES in 4 KiB payloads."""
    process = NativeProcess(build.build(build.NATIVE), Deadline.in_s(30))
    line = CountingLine(process.line_url)
    try:
        client = Client(line)
        client.hello()
        line.n_bytes = 0
        try:
            client.ensure_model(bytes(range(256)) * (UPLOAD_BYTES // 256))
        except DeviceRefused as refused:  # it is no model, which is found once all of it is there
            if refused.status_name != "BAD_MODEL":
                raise
        return {"useful": UPLOAD_BYTES, "wire": line.n_bytes, "ratio": UPLOAD_BYTES / line.n_bytes}
    finally:
        line.close()
        process.end()


def pace(path: Path, n: int) -> dict[str, float | str]:
    """Samples per second with every tensor compared, and the core's own."""
    model = Model.read(path)
    reference = Reference(model)
    x = vectors(sample_shape(reference.input), n, 1, 0)
    with open_device(DEVICE, preload=model.content) as device:
        stepper = Stepper(device.client, model)
        comparison = Comparison(model)
        start = time.monotonic()
        compare_digests(comparison, reference, stepper, Samples(x, 0, 1, (int8_element(0),)))
        wall_s = time.monotonic() - start
        core_s = sum(comparison.cycles.values()) / device.hello.clock_hz
        counter = device.hello.counter
    return {
        "verdict": comparison.verdict, "samples": n, "bytes_compared": comparison.bytes_compared,
        "samples_per_s": n / wall_s, "core_samples_per_s": n / core_s, "ratio": core_s / wall_s,
        "counter": counter,
    }  # fmt: skip


def main() -> None:
    """Print two tables; --json also gives the figures to a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=25, help="of ResNet-8; faster networks get more")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    console = Console()
    figures: dict[str, object] = {}
    if shutil.which("gcc") and shutil.which("make"):
        wire = bytes_on_the_wire()
        figures["wire"] = wire
        console.print(f"upload, 4 KiB payloads: {wire['ratio']:.2%} of the bytes on the wire are the model's")
    else:
        console.print("bytes on the wire: left out, make and gcc are not installed")
    if not all(map(shutil.which, ("make", "arm-none-eabi-gcc", "qemu-system-arm"))):
        console.print("pace: left out, the cross compiler and the emulator are not installed")
    else:
        table = Table("network", "compared / s", "core alone / s", "ratio", "verdict", title=DEVICE)
        for name, (path, times) in NETWORKS.items():
            if not path.is_file():
                console.print(f"{name}: left out, {path.name} is not there")
                continue
            row = pace(path, given.samples * times)
            figures[name] = row
            table.add_row(
                name, f"{row['samples_per_s']:.2f}", f"{row['core_samples_per_s']:.2f}",
                f"{row['ratio']:.1%}", str(row["verdict"]),
            )  # fmt: skip
        console.print(table)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
