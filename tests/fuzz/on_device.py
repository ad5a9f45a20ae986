"""Hold a kernel profile to a device on random models of one operator, and count by operator what agrees.

    python tests/fuzz/on_device.py --device qemu:mps3-an547@tflm.elf --profile cmsis-nn --cases 40

The device is the oracle here: TFLM as somebody built it (docs/tflm.md). What differs is kept as a folder with
the model, its inputs, what the reference says and what came (build/fuzz), and the exit code is 1. What the
profile or the device refuses is counted apart. The inputs of a model that keeps state are successive
invocations; models of several inputs do not go over the link.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[0:0] = [str(ROOT / part) for part in ("tests", "host", "firmware_models")]

import numpy as np

from coverify.boards.device import open_device
from coverify.conformance.batch import Batch
from coverify.conformance.stepping import Stepper
from coverify.errors import DeviceFault, DeviceRefused
from coverify.link.client import Client
from fuzz import case as stored
from fuzz.judge import Failure, bits
from one_op import CASES_OF, Case
from tflm_int8 import Model, Reference, TflmError

SAMPLES = 4
OUT = Path(__file__).resolve().parents[2] / "build" / "fuzz"


@dataclass
class Counts:
    """By operator: models that agree, that differ, that the device refuses; the first refusal of each."""

    equal: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    why: dict[str, str] = field(default_factory=dict)


def differs(reference: Reference, client: Client, x: np.ndarray) -> Failure | None:
    """The first tensor that is not the reference's, of x [N, sample shape].  Raises DeviceRefused."""
    stepper = Stepper(client, reference.model)
    expected = reference.trace(x.reshape(-1, *reference.input.shape))
    batch = Batch.of(x)  # whose samples are arrays even where one has no dimension
    traces = stepper.traces(batch) if reference.stateful else map(stepper.trace, batch)
    for sample, got in enumerate(traces):
        for op in reference.model.operators:
            for t in (t for t in op.outputs if t in expected):  # a variable's handle is in no trace
                want = expected[t][sample].reshape(got[t].shape)
                if not np.array_equal(bits(want), bits(got[t])):
                    first = np.argwhere(np.atleast_1d(bits(want) != bits(got[t])))[0].tolist()
                    said = f"{op.name} {reference.model.name}: sample {sample}, tensor {t}, element {first}"
                    return Failure("device", op.index, t, sample, said, want, got[t])
    return None


def hold(
    operator: str, case: Case, seed: int, profile: str, client: Client, counts: Counts
) -> Failure | None:
    """Count one model; the failure, if it differs."""
    content = case.model(seed)
    try:
        model = Model.from_bytes(content, f"{case.key}-{seed}")
        if len(model.inputs) != 1:
            return None
        reference = Reference(model, profile)
        x = case.inputs(reference, seed, SAMPLES)
        failure = differs(reference, client, x)
    except TflmError:
        return None
    except DeviceRefused as refusal:
        counts.refused[operator] += 1
        counts.why.setdefault(operator, str(refusal))
        return None
    counts.differing[operator] += failure is not None
    counts.equal[operator] += failure is None
    if failure is not None:
        folder = stored.write(OUT, seed, content, [x], failure, [op.name for op in model.operators])
        print(f"{failure.message}\n  kept in {folder}", flush=True)
    return failure


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Hold a kernel profile to a device on random models.")
    parser.add_argument("--device", required=True, help="as coverify takes it")
    parser.add_argument("--profile", default="tflm")
    parser.add_argument("--cases", type=int, default=10, help="seeds of each generator")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--op", action="append", help="only this operator; may be repeated")
    options = parser.parse_args()
    counts, start = Counts(), time.monotonic()
    for operator in options.op or sorted(CASES_OF):
        try:
            with open_device(options.device) as device:
                for case in CASES_OF[operator]:
                    for seed in range(options.first, options.first + options.cases):
                        hold(operator, case, seed, options.profile, device.client, counts)
        except DeviceFault as fault:
            counts.differing[operator] += 1
            print(f"{operator}: {fault}", flush=True)
    for operator, why in counts.why.items():
        print(f"refused: {operator} {counts.refused[operator]}, first: {why}")
    print("differ:", " ".join(f"{k}:{n}" for k, n in sorted(counts.differing.items()) if n) or "none")
    print("equal:", " ".join(f"{k}:{n}" for k, n in sorted(counts.equal.items()) if n))
    print(f"{counts.equal.total()} models in {time.monotonic() - start:.0f} s")
    return 1 if counts.differing.total() else 0


if __name__ == "__main__":
    sys.exit(main())
