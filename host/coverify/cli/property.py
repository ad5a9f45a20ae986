"""Properties other than --eps for coverify verify: a property file, masks, few changes, explanations."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coverify.campaign.inquiry import Question
from coverify.cli.campaign import Work, identity_of, unanswered
from coverify.cli.counterexample import Shown, shown, witness_of
from coverify.cli.evidence import Evidence, proved
from coverify.cli.network import Network, Samples, check_labels, labels_of, read_network
from coverify.cli.outcome import plain_text
from coverify.cli.samples import parse_indices
from coverify.errors import BadInput
from coverify.report import Query as QueryRow
from coverify.report.rows import MAX_ROWS, ReasonRow
from coverify.verify.archive import Codes
from coverify.verify.breach import Breach
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import BadQuery, CannotDecide
from coverify.verify.explanation import Explanation
from coverify.verify.property.document import PropertyDocument, RegionDocument, Stays
from coverify.verify.property.errors import BadBase, BadProperty
from coverify.verify.property.file import read_document
from coverify.verify.property.property import Property
from coverify.verify.property.question import MOVED
from coverify.verify.property.question import Question as PropertyQuestion
from coverify.verify.property.subject import Subject
from coverify.verify.property.unsafe import cases_of, emptiness
from coverify.verify.property.vnnlib import read_specification
from coverify.verify.query import I64Array, Outcome
from coverify.verify.query import Verdict as Answer
from coverify.verify.worker import Worker

NOT_COVERED = ("inputs outside the regions asked about", "anything but the properties stated")
NO_CERTIFICATE = "certificates of all that holds here: each row without one says why there is none"


@dataclass(frozen=True, eq=False)
class PropertyTask:
    """A property of a network, and the inputs that it is asked about (None: it needs none, and is asked as
    index 0).

    radii: how near to the input it is asked about, where the property does not say; limit: as in Work.
    """

    network: Network
    property: Property
    data: Samples | None
    labels: list[int]
    indices: list[int]
    out: Path | None
    radii: Sequence[int] | None = None
    limit: int | None = None
    running: threading.Lock = field(default_factory=threading.Lock)
    """Held while the network's reference or Z3 runs in this process: they are one thread's."""

    def asked(self, question: Question) -> PropertyQuestion:
        """What a question of the campaign is about.  Raises BadQuery."""
        stated = self.property if self.radii is None else self.property.within(question.eps)
        if self.data is None:
            return stated.question(question.case, None, 0)
        x0 = self.data.x[question.index].astype(np.int64).reshape(-1)
        return stated.question(question.case, x0, self.labels[question.index])

    def label(self, question: Question) -> int | None:
        """The class that the input is said to have; None where that is none of the network's, which has more
        than one.
        """
        n = self.property.subject.n_output
        label = -1 if self.data is None or n < 2 else self.labels[question.index]
        return label if 0 <= label < n else None

    def index(self, question: Question) -> int | None:
        """The number of the input."""
        return None if self.data is None else question.index

    def name(self, question: Question) -> str:
        """The question in the names of its files."""
        part = "property" if self.data is None else f"{question.index}-property"
        part = f"{part}-{question.case}" if question.case else part
        return part if self.radii is None else f"{part}-eps{question.eps}"


@dataclass(frozen=True)
class PropertyOptions:
    """What the command line says of a property; file: its own file; codes: is a .vnnlib file about codes?
    radii: of --eps, or none; limit: of --radius.
    """

    file: Path | None
    radii: list[int] | None
    limit: int | None
    mask: str | None
    changes: int | None
    codes: bool
    inputs: Path | None
    quantize: bool
    index: str | None
    label: str
    out: Path | None
    head: int | None = None


def in_codes(units: str | None, file: Path | None) -> bool:
    """What --units says of a .vnnlib file.  BadInput for any other file, which says it itself."""
    if units not in (None, "real", "codes"):
        raise BadInput(f"--units {units}: real or codes")
    if units is not None and (file is None or not _is_vnnlib(file)):
        raise BadInput(
            "--units is about a .vnnlib file; in a .toml file the keys codes, real and units say it"
        )
    return units == "codes"


def property_task(model: Path, profile: str, options: PropertyOptions) -> PropertyTask:
    """The property and the inputs that it is asked about.  Raises BadInput, TflmError."""
    network = read_network(model, profile, options.file is None, options.head, many=True)
    data = None
    if options.inputs is not None:
        data = network.samples(options.inputs, options.quantize, labels=False)
    subject = network.subject
    if data is not None:
        subject = dataclasses.replace(subject, shape=data.x.shape[1:])
    property_ = _property(subject, options)
    given = property_.needs_label and options.label == "given"
    if options.inputs is not None and data is not None and data.passed and given:
        network.samples(options.inputs, options.quantize)  # refuses the y that was passed over
    near, limit = options.radii if options.limit is None else [options.limit], options.limit
    if near is None and not property_.needs_base:  # inputs give no more than their shape, for rectangles
        if options.index is not None:
            raise BadInput("--index chooses inputs, and the property speaks of none: it is asked once")
        task = PropertyTask(network, property_, None, [], [0], options.out)
    elif data is None:
        raise BadInput("the property speaks of given inputs: --inputs X.npz")
    else:
        labels = labels_of(network, data, options.label)
        indices = parse_indices(options.index, len(data.x))
        task = PropertyTask(network, property_, data, labels, indices, options.out, near, limit)
        if property_.needs_label and options.inputs is not None:
            check_labels(network, options.inputs, labels, indices)
    _check(task, options)
    return task


def _check(task: PropertyTask, options: PropertyOptions) -> None:
    """BadInput, before any is decided, where a question makes no sense: of which input, or of the file."""
    least = 0 if task.radii is None or task.limit is not None else min(task.radii)
    for index in task.indices:
        for case in range(len(task.property.cases)):
            try:
                question = task.asked(Question(index, least, case=case))
                if index == task.indices[0]:  # of all inputs the coefficients are the same
                    question.refuse_large()
            except BadBase as err:
                raise BadInput(f"{options.inputs}: input {index}: {err}") from err
            except BadQuery as err:
                raise err if options.file is None else BadProperty(options.file, None, str(err)) from err


def _property(subject: Subject, options: PropertyOptions) -> Property:
    if options.file is None:
        return same_class(subject, options.mask, options.changes)
    if options.mask is not None or options.changes is not None:
        raise BadInput("--property FILE says that itself: --mask and --changes belong in the file")
    if _is_vnnlib(options.file) and (options.radii is not None or options.limit is not None):
        raise BadInput("--eps and --radius: a .vnnlib file says itself which inputs it is about")
    return property_of(subject, options.file, options.codes)


def property_of(subject: Subject, file: Path, codes: bool) -> Property:
    """The property in a .toml or .vnnlib file.  Raises BadProperty, which names the file."""
    try:
        return _read_property(subject, file, codes)
    except BadProperty:
        raise
    except BadQuery as err:
        raise BadProperty(file, None, str(err)) from err


def _read_property(subject: Subject, file: Path, codes: bool) -> Property:
    if file.suffix.lower() in (".gz", ".zip", ".xz", ".bz2"):
        raise BadProperty(file, None, "it is packed: unpack it first")
    if not _is_vnnlib(file):
        return Property.from_document(read_document(file), subject, file.parent)
    said = read_specification(file)
    cases = cases_of(said, subject, file, codes)
    if not cases:
        nothing = "none of its boxes holds an input of the network: nothing is asked"
        raise BadProperty(file, None, f"{nothing} (in the first, {emptiness(said, subject, file, codes)})")
    return Property.from_cases(cases, subject, f"{plain_text(file.name)} has no counterexample")


def _is_vnnlib(file: Path) -> bool:
    return file.suffix.lower() == ".vnnlib"


def same_class(subject: Subject, mask: str | None, changes: int | None) -> Property:
    """The class stays the label, where only the mask's features move, or few.  Raises BadInput."""
    chosen: dict[str, object] = {"changes": changes}
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
    return tuple(parse_indices(text, n, "--mask"))


def property_work(task: PropertyTask, seed: int, explained_s: float | None = None) -> Work:
    """The task as a campaign sees it; `explained_s`: every HOLDS is explained, each in so many seconds."""
    words = task.property.words if task.radii is None else task.property.within(None).words
    identity = {
        **identity_of(task.network, task.data, task.labels),
        "property": words,
        "property's SHA-256": task.property.digest(),
    }
    if task.radii is not None:
        identity["question"] = "each radius" if task.limit is None else "the largest radius"
    if explained_s is not None:
        identity["explained"] = "yes"
    explaining = _Explaining(Worker(task.property.subject.program), explained_s)
    message = [f"property: {words}", *task.property.notes]
    return Work(
        identity=identity,
        indices=task.indices,
        radii=[0] if task.radii is None else task.radii,
        limit=task.limit,
        asked=task.asked,
        row=lambda question, outcome: _row(task, question, outcome, seed, explaining),
        result=unanswered(task.network, NOT_COVERED, seed, "\n".join(message)),
        name=task.name,
        cases=len(task.property.cases),
        gaps=lambda rows: [NO_CERTIFICATE] if task.out is not None and any(map(_bare, rows)) else [],
        close=explaining.close,
        notes=() if task.data is None else task.data.notes(task.indices),
    )


def _bare(row: QueryRow) -> bool:
    return row.verdict == "HOLDS" and row.certificate is None


def _row(
    task: PropertyTask, question: Question, outcome: Outcome, seed: int, explaining: _Explaining
) -> QueryRow:
    network, asked, witness, seen = task.network, task.asked(question), None, Shown()
    if outcome.witness is not None:
        base, x = (_sample(task, v) for v in asked.inputs(outcome.witness.astype(np.int64)))
        with task.running:
            given = None if task.data is None else task.data.x[question.index]
            seen = shown(network, base, x, given, a_pair=asked.raised is not None)
            breach = _breach(asked, network.shaped(x))
            label, index = task.label(question), task.index(question)
            content = witness_of(
                network, base, x, outcome, label=label, seed=seed, index=index, breach=breach
            )
        if task.out is not None:
            witness = f"witness-{task.name(question)}.zip"
            content.write(task.out / witness)
    evidence = _evidence(task, question, asked, outcome)
    explanation = explaining.of(asked) if outcome.verdict is Answer.HOLDS else None
    return QueryRow(
        index=task.index(question),
        eps=None if task.radii is None else question.eps,
        case=question.case if len(task.property.cases) > 1 else None,
        verdict=outcome.verdict.value,
        engine=outcome.engine,
        time_s=outcome.time_s,
        witness=witness,
        certificate=evidence.file,
        label=task.label(question),
        predicted=seen.predicted,
        unchanged=seen.unchanged,
        inputs=seen.inputs,
        outputs=seen.outputs,
        property=asked.words,
        note="; ".join(filter(None, (evidence.note(outcome), *_notes(task, question, outcome)))) or None,
        proof=outcome.proof or None,
        detail=None if explanation is None else explanation.summary(),
        reasons=None if explanation is None else _reasons(explanation),
        picture=seen.picture,
    )


def _notes(task: PropertyTask, question: Question, outcome: Outcome) -> tuple[str, ...]:
    """What is to be said of a row's region; also what a counterexample is shown beside."""
    notes, asked = task.property.notes_of(question.case), task.asked(question)
    if outcome.witness is None or asked.centre != MOVED or asked.raised is not None:
        return notes
    if np.array_equal(outcome.witness, asked.region.x0):  # that is said already
        return notes
    return (f"shown beside {MOVED.rstrip(',')}", *notes)


def _sample(task: PropertyTask, x: I64Array) -> Codes:
    """One sample in the shape and type of the network's inputs."""
    sample = x.reshape(task.property.subject.shape)
    return sample.astype(np.int8) if task.network.kind == "tflite" else sample.astype(np.int16)


@dataclass(frozen=True, eq=False)
class _Explaining:
    """Every HOLDS is explained, one after the other, each in so many seconds; or none is. For any threads."""

    worker: Worker
    time_s: float | None
    turn: threading.Lock = field(default_factory=threading.Lock)

    def of(self, asked: PropertyQuestion) -> Explanation | None:
        """Raises InterruptedError once it is closed."""
        if self.time_s is None:
            return None
        try:
            problem = asked.problem(Deadline.in_s(self.time_s))
            with self.turn:
                self.worker.program = problem.program
                found = self.worker.explain(problem.query, self.time_s)
            if self.worker.stopped:  # what it says of that is no answer
                raise InterruptedError("the explanation was ended")
            return found
        except (CannotDecide, OutOfTime) as err:
            return Explanation(None, False, (), str(err))

    def close(self) -> None:
        """End what is under way, and explain no more."""
        self.worker.stop()
        with self.turn:
            self.worker.close()


def _reasons(explanation: Explanation) -> tuple[ReasonRow, ...]:
    return tuple(
        ReasonRow(what=r.what, wire=r.wire, op_index=r.operator, element=r.element, lo=r.lo, hi=r.hi)
        for r in (explanation.reasons or ())[:MAX_ROWS]
    )


def _evidence(task: PropertyTask, question: Question, asked: PropertyQuestion, outcome: Outcome) -> Evidence:
    """The file that proves that the class stays, or that relations hold, on a box; or why there is none."""
    if task.out is None or outcome.verdict is not Answer.HOLDS:
        return Evidence()
    relation = None if asked.stays else asked.relation(outcome.argument)
    if not asked.stays and relation is None:
        return Evidence(why="the checker reads no claim of so many alternatives")
    if not asked.checkable(outcome.argument):
        return Evidence(
            why="the checker reads no such claim of a softmax's outputs, unless every input was run"
        )
    path = task.out / f"certificate-{task.name(question)}.zip"
    return proved(task.network, asked.query, outcome, path, relation, asked.raised)


def _breach(asked: PropertyQuestion, x: Codes) -> Breach:
    """What a counterexample x, in the shape of a witness, breaks."""
    region = asked.region
    lo, hi = (end[: x.size].astype(np.int16).reshape(x.shape) for end in (region.lo, region.hi))
    return Breach(asked.words, asked.formula, lo, hi, region.changes, asked.raised)
