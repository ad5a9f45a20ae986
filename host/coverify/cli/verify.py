"""coverify verify: does every input within eps codes of a given one keep its label?"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from coverify.campaign.inquiry import Question
from coverify.campaign.journal import RESULT, has_answers
from coverify.campaign.ledger import Retry
from coverify.cli.campaign import CORES, How, Work, carry_out, identity_of, unanswered
from coverify.cli.counterexample import Shown, shown, witness_of
from coverify.cli.evidence import Evidence, proved
from coverify.cli.export import exported
from coverify.cli.network import (
    BUT_THE_CLASS,
    OUTSIDE_BOXES,
    Network,
    Samples,
    check_labels,
    labels_of,
    of_one_class,
    read_network,
)
from coverify.cli.outcome import (
    HeadOption,
    JsonOption,
    OutOption,
    Output,
    ProfileOption,
    finite,
    run_verb,
)
from coverify.cli.property import PropertyOptions, in_codes, property_task, property_work
from coverify.cli.samples import QuantizeOption, check_quantize, parse_indices
from coverify.errors import BadInput
from coverify.report import Query as QueryRow
from coverify.report import Result
from coverify.verify.engines import ENGINES
from coverify.verify.property.claim import stays
from coverify.verify.property.question import Question as PropertyQuestion
from coverify.verify.query import Outcome, Robustness
from coverify.verify.smt import ENCODINGS
from coverify.verify.worker import AUTO

MAX_EPS = 255
NOT_COVERED = OUTSIDE_BOXES, BUT_THE_CLASS
PREDICTED = "whether the labels are right: the network's own classes were taken"


def verify(
    model: Annotated[
        Path, typer.Argument(help="The .tflite file, or a fixed-point network (.npz).", show_default=False)
    ],
    inputs: Annotated[
        Path | None,
        typer.Option(
            help=".npz with x (int8, or what the network quantizes; uint8 pixels for an .npz network) and, "
            "optionally, labels y."
        ),
    ] = None,
    quantize: QuantizeOption = False,
    eps: Annotated[
        str | None,
        typer.Option(help="Radius in codes of the input (int8, or pixel values); several: 1,2,4-8."),
    ] = None,
    radius: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_EPS, help="Instead of --eps: the largest radius that holds, per input, up to this."
        ),
    ] = None,
    property_file: Annotated[
        Path | None,
        typer.Option(
            "--property",
            metavar="FILE",
            help="A property file (.toml; docs/properties.md) or a .vnnlib file. --eps and --radius ask "
            "how near to each input a .toml file's claim holds.",
        ),
    ] = None,
    mask: Annotated[
        str | None,
        typer.Option(help="The features that may move, as 0,3,10-19, or an .npz with mask."),
    ] = None,
    changes: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="At most so many features change (with or without --eps)."),
    ] = None,
    units: Annotated[
        str | None,
        typer.Option(help="What X and Y of a .vnnlib file are: real (values; the default) or codes."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say which neurons, bounds and features a HOLDS rests on (Z3).")
    ] = False,
    index: Annotated[
        str | None, typer.Option(help="Which inputs: numbers and ranges, as 0,3,10-19. Default: all.")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help=f"{AUTO}, {', '.join(ENGINES)}. One way of an engine: cardinality:minicard, :cadical, :pb; "
            "one stage: eqv:attack, :intervals, :program. attack goes on until its time is over; "
            "attack:rounds, which auto asks, ends after its rounds."
        ),
    ] = AUTO,
    encoding: Annotated[
        str, typer.Option(help=f"How SMT solvers see the network: {', '.join(ENCODINGS)}.")
    ] = ENCODINGS[0],
    timeout: Annotated[float, typer.Option(min=0.1, callback=finite, help="Seconds for one query.")] = 60.0,
    label: Annotated[
        str, typer.Option(help="Which class must stay: given (y, where the inputs have it) or predicted.")
    ] = "given",
    jobs: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            help="Solvers at work at once (default: cores): queries side by side; those of the last ones "
            "race, and bab divides its work.",
        ),
    ] = CORES,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the attack.")] = 0,
    profile: ProfileOption = "tflm",
    head: HeadOption = None,
    export_smt2: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Decide nothing; write each query as SMT-LIB 2 (QF_BV) for any solver: one to FILE (.smt2), "
            "or all to DIR.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|local:N", help="Decide on the workers of a Dask cluster (tcp://host:8786)."
        ),
    ] = None,
    retry: Annotated[
        Retry, typer.Option(help="Which UNKNOWNs of --out DIR's journal are asked again (larger: time-out).")
    ] = Retry.LARGER,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what --out DIR's journal holds.")] = False,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """Decide, on MODEL's exact integers, whether every input within --eps codes keeps its label.

    The region of input i is every integer x' of the input's range with |x' - x[i]| <= eps per element.
    The property: the index of the first maximum of the output tensor stays the label. HOLDS: proved over
    the whole region.
    VIOLATED: with a counterexample that was run (--out DIR keeps it as a witness, for coverify replay).
    HOLDS of bounds, cases or enumeration: with a certificate in --out DIR, for coverify check.
    A HOLDS of milp, eqv or marabou rests on floating point and says so; auto never takes it.
    UNKNOWN: the engine or its time ended; never a proof. An input that is misclassified already is
    VIOLATED by itself.

    Every answer is committed to a journal in --out DIR: the same command goes on where the last one was
    ended, however it was (docs/campaigns.md).

    Exits with 0 when every query holds, 1 when one is violated, 4 when one is unknown, 130 after Ctrl-C,
    143 after SIGTERM, 129 after SIGHUP. With --radius: 0 when every input's largest radius is known, 4 when
    one is not. The answers of earlier calls in the same --out DIR count as well; how many is said.

    --property FILE states anything else: masks, ranges, few changes, targets, output ranges, relations,
    monotonicity (docs/properties.md). Where it does not say how near to the input, --eps and --radius do.

    Example: coverify verify net.tflite --eps 4 --inputs test.npz --index 0-49 --out run
    """
    output = Output(json, out)

    def body() -> Result:
        asks = engine_with(engine, encoding, export_smt2 is not None)
        how = How(asks, timeout, seed, jobs, retry, fresh, cluster)
        if fresh and out is None:
            raise BadInput("--fresh forgets what --out DIR's journal holds, and --out is not given")
        check_quantize(quantize, inputs)
        codes = in_codes(units, property_file)
        if property_file is not None or mask is not None or changes is not None or explain:
            if radius is not None and explain:
                raise BadInput("--explain is about the answers to single questions: not with --radius")
            radii = None if eps is None and radius is None else _radii(eps, radius)
            options = PropertyOptions(
                property_file, radii, radius, mask, changes, codes, inputs, quantize, index, label, out, head
            )
            work = property_work(property_task(model, profile, options), seed, timeout if explain else None)
        elif eps is None and radius is None:
            raise BadInput("what is asked? --eps N or --radius MAX with --inputs X.npz, or --property FILE")
        elif inputs is None:
            raise BadInput("--inputs X.npz is missing: the inputs, as x, around which --eps or --radius asks")
        else:
            radii = _radii(eps, radius)
            asked = _prepare(model, profile, inputs, index, radii, label, out, seed, quantize, head)
            work = asked.work(radius)
        if export_smt2 is not None:
            if out is not None and has_answers(out / RESULT):
                said = f"{out / RESULT} has a campaign's answers, and an export has none to put there"
                raise BadInput(f"--out {out}: {said}; leave it away, or give another folder")
            return exported(work, export_smt2, encoding, timeout)
        return carry_out(work, how, output)

    run_verb("verify", output, body)


@dataclass(frozen=True, eq=False)
class _Task:
    """What is asked: a network, inputs with their labels, which of them, and the radii.

    gaps: what no answer covers, because of the labels; out: the folder of the evidence.
    """

    network: Network
    data: Samples
    labels: list[int]
    indices: list[int]
    radii: list[int]
    out: Path | None
    seed: int
    gaps: tuple[str, ...] = ()
    running: threading.Lock = field(default_factory=threading.Lock)
    """Held while the network's reference runs: it is one thread's."""

    def query(self, question: Question) -> Robustness:
        """The ball around an input."""
        program, i = self.network.program, question.index
        limits = program.input_lo, program.input_hi
        return Robustness.around(self.data.x[i], self.labels[i], question.eps, None, *limits)

    def asked(self, question: Question) -> PropertyQuestion:
        """The same as a property: the class stays."""
        holds = stays(self.labels[question.index])
        return PropertyQuestion(self.network.program, self.query(question), holds, "the class stays")

    def work(self, limit: int | None) -> Work:
        """The task as a campaign sees it; limit: of the search for the largest radius, where it is one."""
        return Work(
            identity={
                **identity_of(self.network, self.data, self.labels),
                "property": "the first maximum of the output stays the label",
                "question": "each radius" if limit is None else "the largest radius",
            },
            indices=self.indices,
            radii=self.radii,
            limit=limit,
            asked=self.asked,
            row=lambda question, outcome: _row(self, question, outcome),
            result=unanswered(self.network, (*NOT_COVERED, *self.gaps), self.seed),
            notes=self.data.notes(self.indices),
        )


def robustness_work(
    model: Path, profile: str, inputs: Path, index: str, eps: int, out: Path, seed: int
) -> Work:
    """The campaign of this verb on given labels, for verbs that ask of several networks.  Raises BadInput."""
    return _prepare(model, profile, inputs, index, [eps], "given", out, seed).work(None)


def _radii(eps: str | None, radius: int | None) -> list[int]:
    """The radii that are asked about, of which one option is given at least.  Raises BadInput."""
    if eps is not None and radius is not None:
        raise BadInput("what is asked? --eps N about these radii, or --radius MAX for the largest one")
    return [radius] if radius is not None else parse_indices(eps, MAX_EPS + 1, "--eps")


def _prepare(
    model: Path,
    profile: str,
    inputs: Path,
    index: str | None,
    radii: list[int],
    label: str,
    out: Path | None,
    seed: int,
    quantize: bool | None = None,
    head: int | None = None,
) -> _Task:
    """The network and its inputs, read and checked.  Raises BadInput, TflmError."""
    network = read_network(model, profile, head=head, many=True)
    data = network.samples(inputs, quantize, labels=label == "given")
    labels, indices = labels_of(network, data, label), parse_indices(index, len(data.x))
    check_labels(network, inputs, labels, indices)
    given = label == "given" and data.y is not None
    left = (*of_one_class(network), *(() if given else (PREDICTED,)))
    return _Task(network, data, labels, indices, radii, out, seed, left)


def engine_with(engine: str, encoding: str, writes: bool = False) -> str:
    """The engine as the worker names it; writes: what is written for a solver is asked of none here.

    Raises BadInput for an encoding that there is none of, or not for this engine.
    """
    if encoding not in ENCODINGS:
        raise BadInput(f"--encoding {encoding}: {', '.join(ENCODINGS)}")
    if encoding == ENCODINGS[0] or (writes and engine == AUTO):
        return engine
    if engine == AUTO:
        raise BadInput(f"--encoding {encoding} needs --engine z3, bitwuzla or boolector")
    return f"{engine}:{encoding}"


def _row(task: _Task, question: Question, outcome: Outcome) -> QueryRow:
    """The row of an answer, whose evidence is written."""
    witness, seen, i = None, Shown(), question.index
    if outcome.witness is not None:
        x0 = task.data.x[i]
        x = outcome.witness.astype(x0.dtype).reshape(x0.shape)
        with task.running:
            seen = shown(task.network, x0, x, x0)
            content = witness_of(
                task.network, x0, x, outcome, label=task.labels[i], eps=question.eps, seed=task.seed, index=i
            )
        if task.out is not None:
            witness = f"witness-{i}-eps{question.eps}.zip"
            content.write(task.out / witness)
    evidence = _evidence(task, question, outcome)
    return QueryRow(
        index=i,
        eps=question.eps,
        verdict=outcome.verdict.value,
        engine=outcome.engine,
        time_s=outcome.time_s,
        witness=witness,
        certificate=evidence.file,
        label=task.labels[i],
        predicted=seen.predicted,
        unchanged=seen.unchanged,
        inputs=seen.inputs,
        outputs=seen.outputs,
        note=evidence.note(outcome),
        proof=outcome.proof or None,
        picture=seen.picture,
    )


def _evidence(task: _Task, question: Question, outcome: Outcome) -> Evidence:
    """The file that proves a HOLDS, where the engine argues for it and the checker reads such networks."""
    if task.out is None:
        return Evidence()
    path = task.out / f"certificate-{question.index}-eps{question.eps}.zip"
    return proved(task.network, task.query(question), outcome, path)
