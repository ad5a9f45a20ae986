"""coverify verify: does every input within eps codes of a given one keep its label?"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from coverify.check import Rejected, check
from coverify.cli.network import Codes, Network, Samples, read_network
from coverify.cli.outcome import (
    Bar,
    JsonOption,
    OutOption,
    Output,
    ProfileOption,
    progress_bar,
    run_verb,
    versions,
)
from coverify.cli.property import Asked, How, answered, property_task
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.report import Query as QueryRow
from coverify.report import Result, write_result
from coverify.report.verdict import Verdict, worst
from coverify.verify.certificate import Certificate, certifiable
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines import ENGINES
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.errors import CannotDecide
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness
from coverify.verify.smt import ENCODINGS
from coverify.verify.smt.whole import WholeQuery
from coverify.verify.witness import Witness
from coverify.verify.worker import AUTO, Worker

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_SAVE_EVERY_S = 2.0


def verify(
    model: Annotated[
        Path, typer.Argument(help="The .tflite file, or a fixed-point network (.npz).", show_default=False)
    ],
    eps: Annotated[
        int | None, typer.Option(min=0, max=255, help="Radius in codes of the input (int8, or pixel values).")
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(help=".npz with x (int8; uint8 pixels for an .npz network) and, optionally, labels y."),
    ] = None,
    property_file: Annotated[
        Path | None,
        typer.Option(
            "--property",
            metavar="FILE",
            help="Instead of --eps: a property file (.toml; docs/properties.md) or a .vnnlib file.",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(help="With --eps: the features that may move, as 0,3,10-19, or an .npz with mask."),
    ] = None,
    changes: Annotated[
        int | None, typer.Option(min=0, help="At most so many features change (with or without --eps).")
    ] = None,
    units: Annotated[
        str, typer.Option(help="What X and Y of a .vnnlib file are: real values or codes.")
    ] = "real",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which neurons, bounds and features a HOLDS rests on (Z3).")
    ] = False,
    index: Annotated[
        str | None, typer.Option(help="Which inputs: numbers and ranges, as 0,3,10-19. Default: all.")
    ] = None,
    engine: Annotated[str, typer.Option(help=f"{AUTO}, {', '.join(ENGINES)}.")] = AUTO,
    encoding: Annotated[
        str, typer.Option(help=f"How SMT solvers see the network: {', '.join(ENCODINGS)}.")
    ] = ENCODINGS[0],
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one query.")] = 60.0,
    label: Annotated[
        str, typer.Option(help="Which class must stay: given (y, where the inputs have it) or predicted.")
    ] = "given",
    jobs: Annotated[int, typer.Option(min=1, help="Solvers that may race at once (default: cores).")] = CORES,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the attack.")] = 0,
    profile: ProfileOption = "tflm",
    export_smt2: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Decide nothing; write each query as SMT-LIB 2 (QF_BV) for any solver: one to FILE (.smt2), "
            "or all to DIR.",
        ),
    ] = None,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """Decide, on MODEL's exact integers, whether every input within --eps codes keeps its label.

    The region of input i is every integer x' of the input's range with |x' - x[i]| <= eps per element.
    The property: the index of the first maximum of the output tensor stays the label. HOLDS: proved over
    the whole region.
    VIOLATED: with a counterexample that was run (--out DIR keeps it as a witness, for coverify replay).
    HOLDS of bounds, cases or enumeration: with a certificate in --out DIR, for coverify check.
    A HOLDS of milp or marabou rests on floating point and says so; auto never takes it.
    UNKNOWN: the engine or its time ended; never a proof. An input that is misclassified already is
    VIOLATED by itself.

    Exits with 0 when every query holds, 1 when one is violated, 4 when one is unknown.

    --property FILE states anything else: masks, ranges, few changes, targets, output ranges, relations,
    monotonicity (docs/properties.md).

    Example: coverify verify net.tflite --eps 4 --inputs test.npz --index 0-49 --out run
    """
    output = Output(json, out)

    def body() -> Result:
        if property_file is not None or mask is not None or changes is not None or explain:
            about = Asked(property_file, eps, mask, changes, units, inputs, index, label, out)
            how = How(engine_with(engine, encoding), timeout, seed, jobs, explain)
            if export_smt2 is not None:
                raise BadInput("--export-smt2 writes queries of --eps alone")
            return answered(property_task(model, profile, about), how, output, _saver(out))
        if eps is None or inputs is None:
            raise BadInput("--eps N and --inputs X.npz, or --property FILE: what is asked?")
        task = _prepare(model, profile, inputs, index, eps, label)
        if export_smt2 is not None:
            return _exported(task, export_smt2, encoding, timeout)
        asked = engine_with(engine, encoding)
        save = _saver(out)
        rows: list[QueryRow] = []
        with progress_bar(output) as progress, Worker(task.network.program, jobs=jobs) as worker:
            bar = Bar(progress, "queries")
            for i in task.indices:
                outcome = worker.decide(task.query(i), asked, timeout, seed)
                rows.append(_row(task, i, outcome, out, seed))
                bar(len(rows), len(task.indices))
                save(_result(task, rows, seed))
        return _result(task, rows, seed)

    run_verb("verify", output, body)


@dataclass(frozen=True, eq=False)
class _Task:
    """What is asked: a prepared network, its inputs, which of them, and the radius."""

    network: Network
    data: Samples
    labels: list[int]
    indices: list[int]
    eps: int

    def query(self, i: int) -> Robustness:
        program = self.network.program
        x0 = self.data.x[i]
        return Robustness.around(x0, self.labels[i], self.eps, None, program.input_lo, program.input_hi)

    def smt2(self, i: int, encoding: str, timeout_s: float) -> str:
        """Query i as the text of an SMT-LIB 2 file."""
        problem = Problem(self.network.program, self.query(i))
        try:
            whole = WholeQuery.of(problem, encoding, Deadline.in_s(timeout_s))
        except (CannotDecide, OutOfTime) as err:
            why = str(err) or "out of time"
            raise BadInput(f"sample {i}: it cannot be written for SMT solvers: {why}") from err
        network = self.network
        said = f"coverify: {network.name!r}, SHA-256 {network.ref.sha256}, arithmetic {network.profile}"
        return whole.smt2([said, f"sample {i}, radius {self.eps} codes, encoding {encoding}"])


def labels_of(network: Network, data: Samples, label: str) -> list[int]:
    """The labels that the inputs state, or those that the network gives.  Raises BadInput."""
    if label not in ("given", "predicted"):
        raise BadInput(f"--label {label}: given or predicted")
    given = data.y if label == "given" else None
    return network.classes(data.x) if given is None else [int(y) for y in given]


def _prepare(model: Path, profile: str, inputs: Path, index: str | None, eps: int, label: str) -> _Task:
    network = read_network(model, profile)
    data = network.samples(inputs)
    labels = labels_of(network, data, label)
    return _Task(network, data, labels, parse_indices(index, len(data.x)), eps)


def engine_with(engine: str, encoding: str) -> str:
    """The engine as the worker names it.  Raises BadInput for an encoding that it does not have."""
    if encoding not in ENCODINGS:
        raise BadInput(f"--encoding {encoding}: {', '.join(ENCODINGS)}")
    if encoding == ENCODINGS[0]:
        return engine
    if engine == AUTO:
        raise BadInput(f"--encoding {encoding} needs --engine z3, bitwuzla or boolector")
    return f"{engine}:{encoding}"


def _exported(task: _Task, target: Path, encoding: str, timeout_s: float) -> Result:
    """Every query as an .smt2 file."""
    single = target.suffix == ".smt2"
    if single and len(task.indices) != 1:
        raise BadInput(f"--export-smt2 {target}: {len(task.indices)} queries need a folder (or --index)")
    for i in task.indices:
        file = target if single else target / f"query-{i}-eps{task.eps}.smt2"
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, task.smt2(i, encoding, timeout_s).encode("ascii", "backslashreplace"))
    n = len(task.indices)
    return Result(
        verb="verify",
        verdict="OK",
        model=task.network.ref,
        profile=task.network.profile,
        message=f"{n} {'query was' if n == 1 else 'queries were'} written to {target}; none was decided",
        versions=versions(),
    )


def parse_indices(text: str | None, n: int) -> list[int]:
    """The numbers in "0,3,10-19", ascending and once each, all below n; None: all.  Raises BadInput."""
    if text is None:
        return list(range(n))
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise BadInput(f"--index {text}: {part!r} is neither a number nor a range such as 10-19")
        lo, hi = int(first), int(last or first)
        if lo > hi or hi >= n:
            raise BadInput(f"--index {text}: {part!r} is outside 0-{n - 1}")
        chosen.update(range(lo, hi + 1))
    return sorted(chosen)


def _saver(out: Path | None) -> Callable[[Result], None]:
    """Writes a result into the folder every now and then, so that a crash loses little."""
    if out is None:
        return lambda result: None
    out.mkdir(parents=True, exist_ok=True)
    last = 0.0

    def save(result: Result) -> None:
        nonlocal last
        if time.monotonic() - last >= _SAVE_EVERY_S:
            write_result(out, result)
            last = time.monotonic()

    return save


def _row(task: _Task, i: int, outcome: Outcome, out: Path | None, seed: int) -> QueryRow:
    witness, picture, predicted = None, None, None
    if outcome.witness is not None:
        x0 = task.data.x[i]
        x = outcome.witness.astype(x0.dtype).reshape(x0.shape)
        predicted = task.network.classes(x[None])[0]
        picture = task.network.picture(x0, x)
        if out is not None:
            witness = f"witness-{i}-eps{task.eps}.zip"
            _witness(task, i, outcome, x, predicted, seed).write(out / witness)
    certificate = _certificate(task, i, outcome, out)
    return QueryRow(
        index=i,
        eps=task.eps,
        verdict=outcome.verdict.value,
        engine=outcome.engine,
        time_s=outcome.time_s,
        witness=witness,
        certificate=certificate,
        label=task.labels[i],
        predicted=predicted,
        note=outcome.note or None,
        proof=outcome.proof or None,
        picture=picture,
    )


def _certificate(task: _Task, i: int, outcome: Outcome, out: Path | None) -> str | None:
    """The file that proves a HOLDS, where the engine argues for it and the checker reads such networks."""
    network = task.network
    if out is None or outcome.argument is None or not certifiable(network.profile):
        return None
    name = f"certificate-{i}-eps{task.eps}.zip"
    query, engine = task.query(i), outcome.engine
    Certificate(network.content, network.profile, query, outcome.argument, engine).write(out / name)
    try:
        check(out / name)
    except Rejected:  # an operator that the checker does not know: it would prove nothing to anybody
        (out / name).unlink()
        return None
    return name


def _witness(task: _Task, i: int, outcome: Outcome, x: Codes, predicted: int, seed: int) -> Witness:
    """The counterexample x (a sample) of input i as a file's content."""
    network = task.network
    return Witness(
        model=network.content,
        model_name=network.name,
        kind=network.kind,
        profile=network.profile,
        x0=network.shaped(task.data.x[i]),
        x=network.shaped(x),
        label=task.labels[i],
        predicted=predicted,
        eps=task.eps,
        tensors=network.tensors(x),
        engine=outcome.engine,
        seed=seed,
        index=i,
        note=outcome.note,
        versions=versions(),
    )


def _result(task: _Task, rows: list[QueryRow], seed: int) -> Result:
    left = len(task.indices) - len(rows)
    gaps = [
        "inputs outside the boxes asked about",
        "anything but the index of the output's first maximum",
    ]
    if task.network.stateful:
        gaps.append("invocations other than the first after a reset: the network keeps state")
    if left:
        gaps.append(f"{left} of {len(task.indices)} queries: not decided yet")
    verdicts: list[Verdict] = [row.verdict for row in rows]
    if left:
        verdicts.append("UNKNOWN")
    return Result(
        verb="verify",
        verdict=worst(verdicts),
        model=task.network.ref,
        profile=task.network.profile,
        queries=tuple(rows),
        not_covered=tuple(gaps),
        versions=versions(*(package.distribution for package in PACKAGES.values())),
        seed=seed,
    )
