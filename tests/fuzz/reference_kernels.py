"""TFLite's own reference kernels, compiled for emulated Cortex-M, against the reference on random models.

    python tests/fuzz/reference_kernels.py --cases 40
    python tests/fuzz/reference_kernels.py --machine mps2-an386 --single-rounding

The long form of tests/device_harness/test_reference_kernels.py. What differs is kept as a folder
(build/fuzz), and the exit code is 1; what the reference or the image refuses is not counted.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import product
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[0:0] = [str(ROOT / part) for part in ("tests", "host", "firmware_models")]

import reference_kernels
from coverify.boards.device import open_device
from coverify.conformance.compare import Comparison, compare_digests
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples
from coverify.errors import DeviceFault, DeviceRefused
from coverify.link.client import Client
from fuzz.on_device import SAMPLES, Counts, hold
from one_op import CASES_OF, Case
from tflm_int8 import Model, Reference, TflmError

MACHINES = ("mps2-an386", "microbit")


def is_equal(case: Case, seed: int, profile: str, client: Client) -> bool | None:
    """Every tensor, by digests; None: the reference or the image refuses the model."""
    model = Model.from_bytes(case.model(seed), f"{case.key}-{seed}")
    if len(model.inputs) != 1:
        return None
    try:
        reference, comparison = Reference(model, profile), Comparison(model)
        x = case.inputs(reference, seed, SAMPLES)
        if reference.input.dtype != "int8":
            return None
        compare_digests(comparison, reference, Stepper(client, model), Samples(x, len(x)))
    except (TflmError, DeviceRefused):
        return None
    return comparison.verdict == "MATCH"


def count(machine: str, image: Path, profile: str, seeds: range) -> Counts:
    """Every operator that the headers have, on one machine."""
    counts = Counts()
    for operator in reference_kernels.OPERATORS:
        try:
            with open_device(f"qemu:{machine}@{image}") as device:
                for case, seed in product(CASES_OF[operator], seeds):
                    equal = is_equal(case, seed, profile, device.client)
                    if equal is False:
                        hold(operator, case, seed, profile, device.client, counts)
                    counts.equal[operator] += equal is True
        except DeviceFault as fault:
            counts.differing[operator] += 1
            print(f"{machine} {operator}: {fault}", flush=True)
        print(f"{machine} {operator}: {counts.equal[operator]} models equal", flush=True)
    return counts


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="TFLite's kernels on a Cortex-M, on random models.")
    parser.add_argument("--machine", action="append", choices=MACHINES, help="only this one")
    parser.add_argument("--cases", type=int, default=40, help="seeds of each generator")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--single-rounding", action="store_true", help="compiled with TFLITE_SINGLE_ROUNDING")
    options = parser.parse_args()
    why = reference_kernels.missing()
    if why is not None:
        print(why, file=sys.stderr)
        return 2
    defines = (reference_kernels.SINGLE_ROUNDING, "-DNDEBUG") if options.single_rounding else ()
    profile = "tflm-single-rounding" if options.single_rounding else "tflm"
    differing = 0
    for machine in options.machine or MACHINES:
        start = time.monotonic()
        image = reference_kernels.image(machine, *defines)
        counts = count(machine, image, profile, range(options.first, options.first + options.cases))
        differing += counts.differing.total()
        took = time.monotonic() - start
        print(f"{machine}, {profile}: {counts.equal.total()} models equal in {took:.0f} s")
        print("  differ:", " ".join(f"{k}:{n}" for k, n in sorted(counts.differing.items()) if n) or "none")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
