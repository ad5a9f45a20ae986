"""coverify distinguish: is there an input on which two profiles, or two networks, compute differently?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from coverify.cli.campaign import CORES
from coverify.cli.campaign_progress import Saver
from coverify.cli.counterexample import few_values
from coverify.cli.distinguish.files import class_certificates, forget
from coverify.cli.distinguish.operator import of_operator
from coverify.cli.network import (
    BUT_THE_CLASS,
    LATER_INVOCATIONS,
    OUTSIDE_BOXES,
    Network,
    Tflite,
    of_one_head,
    read_network,
)
from coverify.cli.outcome import (
    HeadOption,
    JsonOption,
    OutOption,
    Output,
    ProfileOption,
    finite,
    interruptible,
    run_verb,
    versions,
)
from coverify.cli.progress import Bar, progress_bar
from coverify.cli.samples import parse_indices
from coverify.errors import BadInput
from coverify.report import Query as QueryRow
from coverify.report import Result
from coverify.report.grade import told_weak
from coverify.report.separations import Separation
from coverify.report.verdict import Verdict, worst
from coverify.verify.archive import Codes
from coverify.verify.bounds import wire_bounds
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.equivalence.claim import Question
from coverify.verify.equivalence.decide import Decider, Kept, names
from coverify.verify.equivalence.distinction import Computed, Distinction
from coverify.verify.equivalence.separation import table
from coverify.verify.equivalence.sides import Pair, Side
from coverify.verify.errors import CannotDecide
from coverify.verify.query import I64Array, Outcome, Robustness
from coverify.verify.worker import AUTO, Worker
from tflm_int8.model import Quantization, Tensor

_EVERYWHERE = 1 << 16
"""A radius beyond any input range."""


def distinguish(
    model: Annotated[
        Path | None, typer.Argument(help="The .tflite file, or a fixed-point network (.npz).")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="The other kernel profile (see coverify ops).")
    ] = None,
    against_model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The other network, of the same sizes.")
    ] = None,
    op: Annotated[
        str | None, typer.Option(metavar="OP", help="Instead of a MODEL: one operator, any scales.")
    ] = None,
    profile: ProfileOption = "tflm",
    head: HeadOption = None,
    question: Annotated[
        str, typer.Option(help="What must be equal: output (every value of it) or class (its first maximum).")
    ] = Question.OUTPUT.value,
    tolerance: Annotated[
        int, typer.Option(min=0, max=255, help="Differences of an output that count as none, in codes.")
    ] = 0,
    eps: Annotated[
        int | None,
        typer.Option(
            min=0, max=255, help="Only within so many codes of each of --inputs. Default: all inputs."
        ),
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(help=".npz with x; without --eps: where the search starts from.")
    ] = None,
    index: Annotated[str | None, typer.Option(help="Which inputs: numbers and ranges, as 0,3,10-19.")] = None,
    engine: Annotated[str, typer.Option(help=f"{', '.join(names())}; for --op: {AUTO}, edges, z3.")] = AUTO,
    timeout: Annotated[float, typer.Option(min=0.1, callback=finite, help="Seconds for one region.")] = 60.0,
    jobs: Annotated[int, typer.Option(min=1, help="Solvers that may race at once (default: cores).")] = CORES,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the search.")] = 0,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """Find an input on which MODEL gives something else under --against (or --against-model does), or prove
    that there is none.

    The region is the whole input space, or with --eps the boxes around --inputs. HOLDS (exit 0): no input of
    it tells the two apart, proved. VIOLATED (1): with an input that does, run on both (--out DIR keeps it; on
    a device, coverify replay tells which of the two it follows). UNKNOWN (4): neither was reached in time.
    For two profiles a table says which channels' requantizations differ within reach.

    Examples: coverify distinguish net.tflite --against cmsis-nn-single-rounding --question class --out run

    coverify distinguish net.tflite --against-model repaired.tflite --inputs test.npz --eps 2

    coverify distinguish --op FULLY_CONNECTED --against tflite-ref --out run
    """
    output = Output(json, out)

    def body() -> Result:
        if (model is None) == (op is None):
            raise BadInput("a MODEL or --op OP is needed, and not both")
        if op is not None:
            if against is None or against_model or inputs or index or eps is not None or head is not None:
                raise BadInput("--op needs --against PROFILE, and takes no networks and no inputs")
            _insist_on_two(profile, against)
            if tolerance or question != Question.OUTPUT.value:
                raise BadInput("--op asks for the same output: --question, --tolerance are about a MODEL")
            return of_operator(op, (profile, against), engine, timeout, seed, output)
        assert model is not None
        pair = _networks(model, against_model, (profile, against), head)
        task = _Task(pair, Question(_known(question)), tolerance, eps, seed, engine, out)
        _check_floats(task)
        task.check()
        task.read(inputs, index)
        return _decided(task, timeout, jobs)

    run_verb("distinguish", output, body)


def _known(question: str) -> str:
    if question not in [q.value for q in Question]:
        raise BadInput(f"--question {question}: {', '.join(q.value for q in Question)}")
    return question


def _networks(
    model: Path, other: Path | None, profiles: tuple[str, str | None], head: int | None
) -> tuple[Network, Network]:
    """Both sides.  Raises BadInput, TflmError."""
    first, second = profiles
    if other is None and second is None:
        raise BadInput("--against PROFILE or --against-model FILE is needed")
    if other is None:
        _insist_on_two(first, second)
    network = read_network(model, first, False, head, many=True)
    return network, read_network(other or model, second or first, False, head, many=True)


def _check_floats(task: _Task) -> None:
    """BadInput where equal codes are no equal inputs, or outputs, as these are floats."""
    a, b = task.networks
    if not isinstance(a, Tflite) or not isinstance(b, Tflite):
        return
    ends = [("inputs", a.subject.input, b.subject.input, a.ends.takes_floats or b.ends.takes_floats)]
    if task.question is Question.OUTPUT:
        given = a.ends.gives_floats or b.ends.gives_floats
        ends.append(("outputs", a.subject.output, b.subject.output, given))
    for what, one, other, floats in ends:
        if floats and (one is None or other is None or not one.same(other)):
            raise BadInput(f"the networks' {what} are floats of other scales: of equal ones the codes differ")


def _insist_on_two(profile: str, against: str | None) -> None:
    if against == profile:
        raise BadInput(f"--against {against}: that is the profile itself")


@dataclass(eq=False)
class _Task:
    """What is asked.  given: the file's inputs, int64 [m, n]; indices: those with a region of their own."""

    networks: tuple[Network, Network]
    question: Question
    tolerance: int
    eps: int | None
    seed: int
    engine: str
    out: Path | None
    given: I64Array = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    indices: list[int] = field(default_factory=list)

    @property
    def pair(self) -> Pair:
        first, second = (Side(f"{n.name} ({n.profile})", n.program, n.outputs) for n in self.networks)
        return Pair(first, second, self.question, self.tolerance)

    @property
    def of_profiles(self) -> bool:
        """One file, two profiles?"""
        return self.networks[0].content == self.networks[1].content

    @property
    def said(self) -> str:
        """The property in words; the profiles stand in the result."""
        within = f" within {self.tolerance}" if self.tolerance else ""
        other = self.networks[1]
        whose = "" if self.of_profiles else f" as {other.name} ({other.ref.sha256[:12]})"
        return f"same {self.question.value}{whose}{within}"

    def check(self) -> None:
        """BadInput where the question has one answer only."""
        program = self.networks[0].program
        if self.question is Question.CLASS and program.sizes()[program.output] < 2:
            raise BadInput(
                f"--question class: {self.networks[0].name} has a single output, whose class is always 0; "
                "--question output asks about its value (--tolerance N: differences that count as none)"
            )

    def read(self, inputs: Path | None, index: str | None) -> None:
        """The inputs.  Raises BadInput."""
        if inputs is None:
            if self.eps is not None or index is not None:
                raise BadInput("--eps and --index need --inputs")
            self.given = np.zeros((0, self.networks[0].program.n_input), np.int64)
            return
        x = self.networks[0].samples(inputs, labels=False).x
        self.given = x.reshape(len(x), -1).astype(np.int64)
        chosen = parse_indices(index, len(x))
        if self.eps is None:
            self.given = self.given[chosen]
        else:
            self.indices = chosen

    def regions(self) -> list[tuple[int | None, Robustness]]:
        """The box of every index, or the one of all inputs."""
        program = self.networks[0].program
        limits = program.input_lo, program.input_hi
        if self.eps is not None:
            return [(i, Robustness.around(self.given[i], 0, self.eps, None, *limits)) for i in self.indices]
        middle = self.given[0] if len(self.given) else np.full(program.n_input, sum(limits) // 2)
        return [(None, Robustness.around(middle, 0, _EVERYWHERE, None, *limits))]


def _decided(task: _Task, timeout: float, jobs: int) -> Result:
    pair, regions = task.pair, task.regions()
    if task.out is not None:
        forget(task.out)
    rows: list[QueryRow] = []
    with (
        interruptible(lambda: _result(task, rows, regions) if rows else None),
        progress_bar() as progress,
        Worker(pair.first.program, jobs=jobs) as worker,
    ):
        bar = Bar(progress, "regions")
        decider = Decider(pair, worker, task.given)
        save = Saver(task.out, lambda: _result(task, rows, regions))
        for i, region in regions:
            outcome = decider.decide(region, task.engine, timeout, task.seed)
            row = _row(task, i, outcome)
            if row.verdict == "HOLDS" and task.question is Question.CLASS and task.out is not None:
                keeps = decider.each_keeps(region, timeout - outcome.time_s, task.seed)
                row = _certified(task, row, keeps, task.out)
            rows.append(row)
            bar(len(rows), len(regions))
            save()
    return _result(task, rows, regions)


def _result(task: _Task, rows: list[QueryRow], regions: Sequence[tuple[int | None, Robustness]]) -> Result:
    """Of the regions that were looked at."""
    done = len(rows) == len(regions)
    verdicts: list[Verdict] = [row.verdict for row in rows] + ([] if done else ["UNKNOWN"])
    left = f"{len(rows)} of {len(regions)} regions looked at"
    return Result(
        verb="distinguish",
        verdict=worst(verdicts),
        message=(_message(rows[0]) if len(rows) == 1 else _weak(rows)) if done else left,
        model=task.networks[0].ref,
        profile=" / ".join(dict.fromkeys(n.profile for n in task.networks)),
        queries=tuple(rows),
        separations=_separations(task, [region for _, region in regions]) if done else (),
        not_covered=tuple(_gaps(task)),
        versions=versions(*(package.distribution for package in PACKAGES.values())),
        seed=task.seed,
    )


def _weak(rows: list[QueryRow]) -> str | None:
    """What is said of several regions of which none differs, where that is not proved."""
    return told_weak(rows) if all(row.verdict == "HOLDS" for row in rows) else None


def _message(row: QueryRow) -> str:
    where = "any input" if row.eps is None else "any input of the region"
    match row.verdict:
        case "HOLDS":
            return f"the two do not differ on {where} ({row.proof})"
        case "VIOLATED":
            return f"an input tells the two apart: {row.note}"
        case _:
            return f"not decided: {row.note}"


def _row(task: _Task, i: int | None, outcome: Outcome) -> QueryRow:
    witness, note, picture, inputs = None, outcome.note, None, None
    labels: tuple[int | None, int | None] = (None, None)
    if outcome.witness is not None:
        kept = _distinction(task, outcome)
        note, labels = (
            _difference(task, outcome.witness.astype(np.int64)),
            (kept.first.label, kept.second.label),
        )
        if task.out is not None:
            witness = "distinction.zip" if i is None else f"distinction-{i}-eps{task.eps}.zip"
            task.out.mkdir(parents=True, exist_ok=True)
            kept.write(task.out / witness)
        if i is not None:
            base = task.given[i].astype(kept.x.dtype).reshape(kept.x.shape)
            picture = task.networks[0].picture(base, kept.x)
            inputs = few_values(base, kept.x, task.networks[0].subject.input)
    return QueryRow(
        index=i,
        eps=task.eps,
        verdict=outcome.verdict.value,
        engine=outcome.engine,
        time_s=outcome.time_s,
        witness=witness,
        label=labels[0],
        predicted=labels[1],
        property=task.said,
        note=note[:4000] or None,
        proof=outcome.proof or None,
        picture=picture,
        inputs=inputs,
    )


def _certified(task: _Task, row: QueryRow, keeps: Kept | None, out: Path) -> QueryRow:
    """The row with the certificates of both networks, where each keeps one class and the checker sees it."""
    name = "certificate" if row.index is None else f"certificate-{row.index}-eps{row.eps}"
    paths = [out / f"{name}.zip", out / f"{name}-against.zip"]
    why = "" if keeps is None else class_certificates(keeps, task.networks, paths)
    if keeps is None or why:
        said = f"no certificate: {why or 'that each keeps one class was not proved'}"
        return row.model_copy(update={"note": f"{row.note}; {said}" if row.note else said})
    first, second = (path.name for path in paths)
    files = {"certificate": first, "certificate_against": second, "label": keeps.region.label}
    return row.model_copy(update=files)


def _distinction(task: _Task, outcome: Outcome) -> Distinction:
    """The content of the file that keeps the outcome's input."""
    assert outcome.witness is not None
    first, second = task.networks
    flat = outcome.witness
    x = first.shaped(flat.astype(np.int8) if first.kind == "tflite" else flat)
    one, other = (_computed(network, flat.astype(np.int64), x) for network in (first, second))
    return Distinction(
        x,
        one,
        other,
        "class" if task.question is Question.CLASS else "output",
        task.tolerance,
        outcome.engine,
        task.seed,
        first.kind,
        versions(),
    )


def _computed(network: Network, flat: I64Array, x: Codes) -> Computed:
    label = int(network.outputs(flat[None])[0].argmax())
    tensors = network.tensors(x)
    return Computed(network.content, network.name, network.profile, label, tensors, network.head)


def _difference(task: _Task, x: I64Array) -> str:
    """How the outputs differ there, and at which operator the two begin to."""
    first, second = (n.outputs(x[None])[0] for n in task.networks)
    differs = np.flatnonzero(first != second)
    most = int(np.abs(first - second).max())
    at = int(differs[0])
    said = (
        f"{len(differs)} of {len(first)} outputs differ, by up to {most} ({at}: {first[at]} / {second[at]})"
    )
    classes = int(first.argmax()), int(second.argmax())
    said += f"; class {classes[0]} / {classes[1]}" if classes[0] != classes[1] else ""
    network = task.networks[0]
    if task.of_profiles and isinstance(network, Tflite):
        shaped = network.shaped(x.astype(np.int8))
        one, other = (n.tensors(shaped) for n in task.networks)
        for op in network.reference.model.operators:
            if any(not np.array_equal(one[t], other[t]) for t in op.outputs):
                return f"{said}; they part at op {op.index} {op.name}"
    return said


def _separations(task: _Task, regions: list[Robustness]) -> tuple[Separation, ...] | None:
    """The table of two profiles, on the box that holds all regions."""
    first, second = task.networks
    if not task.of_profiles or not isinstance(first, Tflite):
        return None
    lo, hi = np.stack([r.lo for r in regions]).min(axis=0), np.stack([r.hi for r in regions]).max(axis=0)
    try:
        rows = table(first.program, second.program, wire_bounds(first.program, lo, hi))
    except CannotDecide:
        return None
    names = {op.index: op.name for op in first.reference.model.operators}
    return tuple(
        Separation(
            op_index=row.operator if row.operator >= 0 else None,
            op=names.get(row.operator),
            channel=row.channel,
            first=row.rules[0],
            second=row.rules[1],
            reach=row.reach,
            accumulators=row.apart.count,
            everywhere=row.everywhere,
            accumulator=int(row.apart.start[0]) if row.apart.count else None,
            values=row.values,
        )
        for row in rows
    )


def _gaps(task: _Task) -> list[str]:
    gaps = [] if task.eps is None else [OUTSIDE_BOXES]
    if task.question is Question.CLASS:
        gaps.append(BUT_THE_CLASS)
    if any(n.stateful for n in task.networks):
        gaps.append(LATER_INVOCATIONS)
    first, second = task.networks
    gaps += dict.fromkeys(of_one_head(first) + of_one_head(second))
    if isinstance(first, Tflite) and isinstance(second, Tflite):
        for what in ("input", "output"):
            a, b = (_tensor(n, what).quantization for n in (first, second))
            if a is not None and b is not None and not _equal(a, b):
                gaps.append(f"real values: the two {what}s have different scales; their codes were compared")
    return gaps


def _tensor(network: Tflite, what: str) -> Tensor:
    return network.reference.input if what == "input" else network.reference.output


def _equal(a: Quantization, b: Quantization) -> bool:
    return np.array_equal(a.scales, b.scales) and np.array_equal(a.zero_points, b.zero_points)
