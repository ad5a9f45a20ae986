"""Hold every row of the operator table equal to TFLM on random models, and record on how many.

    python tests/fuzz/counts.py --cases 400
    python tests/fuzz/counts.py --op ADD

Each generator of an operator (tests/one_op.py) makes models of the seeds 0…cases − 1; those that the
reference refuses are not counted. The record is written to the package only when nothing differs: what
differs is stored under build/fuzz with the line that replays it, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
import time
from collections import Counter
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[0:0] = [str(ROOT / part) for part in ("tests", "host", "firmware_models")]

from rich.console import Console
from rich.progress import track

from fuzz import case as stored
from fuzz.interpreter import Interpreter
from fuzz.judge import judge
from one_op import CASES_OF, Case
from tflm_int8 import Model, Reference, TflmError
from tflm_int8.operators import OPERATORS
from tflm_int8.oracle_record import OracleRecord

SAMPLES = 4
OUT = Path(__file__).resolve().parents[2] / "build" / "fuzz"


def count(
    operator: str, case: Case, seeds: range, tflm: Interpreter, out: Path
) -> tuple[Counter[str], list[str]]:
    """Type of the operator's first input → models that agree; and the replay lines of those that do not."""
    counted: Counter[str] = Counter()
    failures = []
    for seed in seeds:
        content = case.model(seed)
        try:
            reference = Reference(Model.from_bytes(content, f"{case.key}-{seed}"))
        except TflmError:
            continue
        nodes = [kernel.node for kernel in reference.kernels if kernel.node.op.name == operator]
        if not nodes:
            continue
        x = case.inputs(reference, seed, SAMPLES).reshape(-1, *reference.input.shape)
        judgement = judge(content, [x], tflm)
        if judgement.failure is not None:
            ops = [op.name for op in reference.model.operators]
            folder = stored.write(out, seed, content, [x], judgement.failure, ops)
            failures.append(f"{judgement.failure.message}\n  {stored.replay_line(folder)}")
        elif not judgement.refused:
            counted.update({_type(node) for node in nodes})
    return counted, failures


def _type(node) -> str:
    """The type of the operator's data: of its first computed input, a condition aside, of its output, or (of
    one that only handles variables) of the model's input."""
    inputs = [t for t in map(node.optional_input, range(len(node.op.inputs))) if t is not None]
    first = [t for t in inputs if t.data is None and t.dtype != "bool"]
    outputs = [node.model.tensors[o] for o in (*node.op.outputs, *node.model.inputs)]
    return next(t.dtype for t in (*first, *outputs) if t.dtype != "resource")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Count the random models on which operators equal TFLM.")
    parser.add_argument("--cases", type=int, default=400, help="seeds of each generator")
    parser.add_argument(
        "--op", nargs="+", choices=sorted(OPERATORS), help="only these rows, of the record's seeds"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where failures are stored")
    options = parser.parse_args()
    console, start, seeds = Console(), time.monotonic(), range(options.cases)
    version, others = importlib.metadata.version("tflite-micro"), {}
    if options.op:
        record = OracleRecord.read()
        seeds, others = range(*record.seeds), {k: v for k, v in record.cases.items() if k in OPERATORS}
        if record.version != version:
            parser.error(f"the other rows of the record are of {record.oracle} {record.version}")
    cases: dict[str, Counter[str]] = {operator: Counter() for operator in options.op or OPERATORS}
    failures: list[str] = []
    with Interpreter() as tflm:
        for operator in track(sorted(cases), "operators", console=console):
            for case in CASES_OF[operator]:
                counted, found = count(operator, case, seeds, tflm, options.out)
                cases[operator] += counted
                failures += found
    for failure in failures:
        console.print(failure, markup=False, soft_wrap=True)
    totals = {operator: counts.total() for operator, counts in cases.items()}
    least = min(totals, key=totals.__getitem__)
    console.print(
        f"{sum(totals.values())} models of {len(totals)} operators in {time.monotonic() - start:.0f} s "
        f"(least: {least}, {totals[least]}); {len(failures)} failures",
        markup=False,
    )
    if failures:
        return 1
    OracleRecord("tflite-micro", version, (seeds.start, seeds.stop), {**others, **cases}).write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
