"""Properties other than --eps for coverify verify: a property file, masks, few changes, explanations."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coverify.check import Rejected, check
from coverify.cli.network import Codes, Network, Samples, read_network
from coverify.cli.outcome import Bar, Output, progress_bar, versions
from coverify.errors import BadInput
from coverify.report import Query as QueryRow
from coverify.report import Result
from coverify.report.rows import MAX_ROWS, ReasonRow
from coverify.report.verdict import Verdict, worst
from coverify.verify.breach import Breach
from coverify.verify.certificate import Certificate, certifiable
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.errors import CannotDecide
from coverify.verify.explanation import Explanation, explain
from coverify.verify.property.document import PropertyDocument, RegionDocument, Stays
from coverify.verify.property.file import read_document
from coverify.verify.property.formula import ClassIs
from coverify.verify.property.property import Property
from coverify.verify.property.question import Question, decide
from coverify.verify.property.subject import Subject
from coverify.verify.property.unsafe import cases_of
from coverify.verify.property.vnnlib import read_specification
from coverify.verify.query import I64Array, Outcome
from coverify.verify.query import Verdict as Answer
from coverify.verify.witness import Witness
from coverify.verify.worker import Worker

NO_CERTIFICATE = (
    "certificates of all that holds here: the checker reads those of boxes on which the class stays or "
    "linear relations of the outputs hold"
)


@dataclass(frozen=True)
class How:
    """By which engine, for how long, and what else is wanted."""

    engine: str
    timeout_s: float
    seed: int
    jobs: int
    explained: bool


@dataclass(frozen=True, eq=False)
class PropertyTask:
    """A property of a network, and the inputs that it is asked about (None: it needs none)."""

    network: Network
    property: Property
    data: Samples | None
    labels: list[int]
    indices: list[int]
    out: Path | None
    rows: list[QueryRow] = field(default_factory=list)

    def questions(self) -> list[tuple[int | None, Question]]:
        """What is asked, in order, with the number of the input."""
        if self.data is None:
            return [(None, question) for question in self.property.questions(None, 0)]
        return [
            (i, question)
            for i in self.indices
            for question in self.property.questions(
                self.data.x[i].astype(np.int64).reshape(-1), self.labels[i]
            )
        ]


@dataclass(frozen=True)
class Asked:
    """The options that say what is asked, as they were given."""

    file: Path | None
    eps: int | None
    mask: str | None
    changes: int | None
    units: str
    inputs: Path | None
    index: str | None
    label: str
    out: Path | None


def property_task(model: Path, profile: str, asked: Asked) -> PropertyTask:
    """The property and the inputs that it is asked about.  Raises BadInput, TflmError."""
    from coverify.cli.verify import labels_of, parse_indices

    network = read_network(model, profile, classes=asked.file is None)
    data = None if asked.inputs is None else network.samples(asked.inputs)
    subject = network.subject
    if data is not None:
        subject = dataclasses.replace(subject, shape=data.x.shape[1:])
    property_ = _property(subject, asked)
    if data is None:
        if property_.needs_base:
            raise BadInput("the property speaks of given inputs: --inputs X.npz")
        return PropertyTask(network, property_, None, [], [], asked.out)
    labels = labels_of(network, data, asked.label)
    return PropertyTask(network, property_, data, labels, parse_indices(asked.index, len(data.x)), asked.out)


def _property(subject: Subject, asked: Asked) -> Property:
    if asked.units not in ("real", "codes"):
        raise BadInput(f"--units {asked.units}: real or codes")
    if asked.file is None:
        return ball(subject, asked.eps, asked.mask, asked.changes)
    if asked.eps is not None or asked.mask is not None or asked.changes is not None:
        raise BadInput("--property FILE says all of it: --eps, --mask and --changes belong into the file")
    return property_of(subject, asked.file, asked.units == "codes")


def property_of(subject: Subject, file: Path, codes: bool) -> Property:
    """The property in a .toml or .vnnlib file.  Raises BadInput."""
    if file.suffix.lower() != ".vnnlib":
        return Property.from_document(read_document(file), subject, file.parent)
    cases = cases_of(read_specification(file), subject, file, codes)
    if not cases:
        raise BadInput(f"{file}: none of its boxes holds an input of the network: nothing is asked")
    return Property.from_cases(cases, subject, f"{file.name} has no counterexample")


def ball(subject: Subject, eps: int | None, mask: str | None, changes: int | None) -> Property:
    """The class stays the label within eps codes, where only the mask's features move, or few.  BadInput."""
    chosen: dict[str, object] = {"eps": eps, "changes": changes}
    folder = Path()
    if mask is not None and mask.endswith(".npz"):
        folder, chosen["mask_file"] = Path(mask).parent, Path(mask).name
    elif mask is not None:
        chosen["mask"] = _features(mask, subject.program.n_input)
    try:
        region = RegionDocument.model_validate(chosen)
    except ValueError as err:
        raise BadInput(
            f"--mask {mask}: numbers and ranges as 0,3,10-19, or the name of an .npz file"
        ) from err
    document = PropertyDocument(region=region, claim=Stays(kind="label"))
    return Property.from_document(document, subject, folder)


def _features(text: str, n: int) -> tuple[int, ...]:
    from coverify.cli.verify import parse_indices

    return tuple(parse_indices(text, n, "--mask"))


def answered(task: PropertyTask, how: How, output: Output, save: Callable[[Result], None]) -> Result:
    """Every question decided, one after another."""
    questions = task.questions()
    if task.out is not None:
        task.out.mkdir(parents=True, exist_ok=True)
    numbers: dict[int | None, int] = {}
    with progress_bar(output) as progress, Worker(task.network.program, jobs=how.jobs) as worker:
        bar = Bar(progress, "queries")
        for i, question in questions:
            case = numbers[i] = numbers.get(i, -1) + 1
            try:
                outcome = decide(worker, question, how.engine, how.timeout_s, how.seed)
            except (CannotDecide, OutOfTime) as err:
                outcome = Outcome.unknown(how.engine, str(err) or "out of time")
            task.rows.append(_row(task, i, case, question, outcome, how))
            bar(len(task.rows), len(questions))
            save(_result(task, len(questions), how.seed))
    return _result(task, len(questions), how.seed)


def _name(kind: str, i: int | None, case: int) -> str:
    part = "property" if i is None else f"{i}-property"
    return f"{kind}-{part}{f'-{case}' if case else ''}.zip"


def _row(
    task: PropertyTask, i: int | None, case: int, question: Question, outcome: Outcome, how: How
) -> QueryRow:
    network, witness, picture, predicted = task.network, None, None, None
    if outcome.witness is not None:
        base, x = (_sample(task, v) for v in question.inputs(outcome.witness.astype(np.int64)))
        predicted = network.classes(x[None])[0]
        picture = network.picture(base, x)
        if task.out is not None:
            witness = _name("witness", i, case)
            _witness(task, i, question, outcome, base, x, predicted, how.seed).write(task.out / witness)
    certificate = _certificate(task, i, case, question, outcome)
    explanation = None
    if how.explained and outcome.verdict is Answer.HOLDS:
        explanation = _explained(question, how)
    return QueryRow(
        index=i,
        verdict=outcome.verdict.value,
        engine=outcome.engine,
        time_s=outcome.time_s,
        witness=witness,
        certificate=certificate,
        label=task.labels[i] if i is not None else None,
        predicted=predicted,
        property=question.words,
        note=outcome.note or None,
        proof=outcome.proof or None,
        detail=None if explanation is None else explanation.summary(),
        reasons=None if explanation is None else _reasons(explanation),
        picture=picture,
    )


def _sample(task: PropertyTask, x: I64Array) -> Codes:
    """One sample in the shape and type of the network's inputs."""
    sample = x.reshape(task.property.subject.shape)
    return sample.astype(np.int8) if task.network.kind == "tflite" else sample.astype(np.int16)


def _explained(question: Question, how: How) -> Explanation:
    deadline = Deadline.in_s(how.timeout_s)
    return explain(question.problem(deadline), deadline)


def _reasons(explanation: Explanation) -> tuple[ReasonRow, ...]:
    return tuple(
        ReasonRow(what=r.what, wire=r.wire, op_index=r.operator, element=r.element, lo=r.lo, hi=r.hi)
        for r in (explanation.reasons or ())[:MAX_ROWS]
    )


def _certificate(
    task: PropertyTask, i: int | None, case: int, question: Question, outcome: Outcome
) -> str | None:
    """The file that proves that the class stays, or that relations hold, on a box; None for what the checker
    does not read.
    """
    network = task.network
    stays = isinstance(question.formula, ClassIs) and question.formula.wanted and question.raised is None
    relation = None if stays else question.relation()
    if task.out is None or outcome.argument is None or not certifiable(network.profile):
        return None
    if not stays and relation is None:
        return None
    name = _name("certificate", i, case)
    query = question.problem(Deadline.never()).query
    content, profile, engine = network.content, network.profile, outcome.engine
    Certificate(content, profile, query, outcome.argument, engine, relation).write(task.out / name)
    try:
        check(task.out / name)
    except Rejected:
        (task.out / name).unlink()
        return None
    return name


def _witness(
    task: PropertyTask,
    i: int | None,
    question: Question,
    outcome: Outcome,
    base: Codes,
    x: Codes,
    predicted: int,
    seed: int,
) -> Witness:
    network, region = task.network, question.region
    shape, n = network.shaped(x).shape, x.size
    lo, hi = (end[:n].astype(np.int16).reshape(shape) for end in (region.lo, region.hi))
    breach = Breach(question.words, question.formula, lo, hi, region.changes, question.raised)
    return Witness(
        model=network.content,
        model_name=network.name,
        kind=network.kind,
        profile=network.profile,
        x0=network.shaped(base),
        x=network.shaped(x),
        label=task.labels[i] if i is not None else predicted,
        predicted=predicted,
        eps=0,
        tensors=network.tensors(x),
        engine=outcome.engine,
        seed=seed,
        index=i,
        note=outcome.note,
        versions=versions(),
        breach=breach,
    )


def _result(task: PropertyTask, total: int, seed: int) -> Result:
    left = total - len(task.rows)
    gaps = ["inputs outside the regions asked about", "anything but the properties stated"]
    if task.network.stateful:
        gaps.append("invocations other than the first after a reset: the network keeps state")
    if any(row.verdict == "HOLDS" and row.certificate is None for row in task.rows):
        gaps.append(NO_CERTIFICATE)
    if left:
        gaps.append(f"{left} of {total} queries: not decided yet")
    verdicts: list[Verdict] = [row.verdict for row in task.rows]
    if left:
        verdicts.append("UNKNOWN")
    return Result(
        verb="verify",
        verdict=worst(verdicts),
        model=task.network.ref,
        profile=task.network.profile,
        queries=tuple(task.rows),
        message=f"property: {task.property.words}",
        not_covered=tuple(gaps),
        versions=versions(*(package.distribution for package in PACKAGES.values())),
        seed=seed,
    )
