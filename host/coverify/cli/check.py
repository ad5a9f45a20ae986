"""coverify check: does a certificate prove what it claims? Exact integers, no engine involved."""

from __future__ import annotations

import hashlib
import math
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Annotated

import typer

from coverify.check import BUDGET, Claim, Rejected, check
from coverify.cli.check_lines import Lines
from coverify.cli.claim import Place, Samples, box, said, shown
from coverify.cli.decided import decided, why_nothing
from coverify.cli.evidence import operators_named
from coverify.cli.folders import below, called, within
from coverify.cli.network import conversion_of
from coverify.cli.outcome import JsonOption, OutOption, Output, interruptible, plain_text, run_verb, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.errors import BadInput
from coverify.files import check_place, replace_file
from coverify.inputs import Conversion
from coverify.report import ModelRef, Result, Verdict, worst
from coverify.report import Query as QueryRow
from tflm_int8 import Ends, Model, TflmError

_MESSAGE = 1800
_NOTE = 1500
MAX_FILES = 100_000
NAMES = "certificate*.zip"
UNREAD = "a file that cannot be read"


def check_verb(
    certificates: Annotated[
        list[Path],
        typer.Argument(
            metavar="CERTIFICATE|DIR…",
            help=f"Certificate files (.zip), or folders of them ({NAMES}, also in direct subfolders).",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The network that they must be about (.tflite, .npz): its bytes."),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npz", help="The inputs that they must be about: which of them, how far around."
        ),
    ] = None,
    budget: Annotated[
        float,
        typer.Option(min=1, help="Most multiply-adds for a certificate; counted before they are made."),
    ] = BUDGET,
    lines: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write which lines of the checker were run: what to read to trust this check.",
        ),
    ] = None,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """Check each CERTIFICATE by exact integer arithmetic that shares no code with what made it.

    HOLDS (exit 0): what every certificate claims is true; the claims are printed: the network's digest, the
    box's digest, the label or the relation of the outputs. UNKNOWN (4): one is no certificate or a damaged
    one, proves nothing, needs more than the --budget, or is about another network or other inputs than those
    given; nothing follows from it. ERROR (2): a file is not there or cannot be read; the others are checked.
    Of a folder its verify.json or distinguish.json counts, too: UNKNOWN (4) if a HOLDS in it has no
    certificate, OK (0) if nothing in it is proved, ERROR (2) if it names a certificate that is not there.

    --model net.tflite --inputs test.npz confirm what a claim is about: this network, and every input within
    so many codes of input i of that file. Without them, compare the digests yourself.

    Of a folder, also its direct subfolders are looked into, as by coverify report.

    --lines FILE lists, in the order in which to read it, the code of the checker that these checks ran; the
    rest had no part in them.

    Example: coverify check out --model net.tflite --inputs test.npz
    """
    output = Output(json, out)

    def body() -> Result:
        if math.isnan(budget):
            raise BadInput("--budget nan: a number of multiply-adds")
        (files, bare), most = _files(certificates), int(min(budget, 1e18))
        subject = _Subject.read(model, inputs)
        if lines is not None:
            check_place(lines, model, inputs, *(file.path for file in files))
        rows: list[QueryRow] = []
        known = interruptible(lambda: _result(rows, len(files), subject, bare) if rows else None)
        ran = Lines()
        with known, progress_bar() as progress:
            bar = Bar(progress, "certificates")
            for file in files:
                bar(len(rows), len(files))
                with nullcontext() if lines is None else ran:
                    rows.append(_unread(file) if file.fault else _row(file, most, subject))
        result = _result(rows, len(files), subject, bare)
        return result if lines is None else _listed(result, ran, lines, len(files))

    run_verb("check", output, body)


def _listed(result: Result, ran: Lines, file: Path, n: int) -> Result:
    """Write what was run, and say how much that is.  Raises OSError."""
    listing = ran.listing()
    replace_file(file, listing.text(f"{n} certificate{'' if n == 1 else 's'}").encode())
    told = f"{listing.run} of the checker's {listing.code} lines of code were run: {plain_text(str(file))}"
    return result.model_copy(update={"message": f"{result.message}\n{told}"})


@dataclass(frozen=True, eq=False)
class _Subject:
    """What the claims must be about, as far as it is said."""

    model: ModelRef | None
    samples: Samples | None

    @staticmethod
    def read(model: Path | None, inputs: Path | None) -> _Subject:
        """Raises BadInput, OSError."""
        ref = None
        if model is not None:
            ref = ModelRef(file=plain_text(model.name), sha256=hashlib.sha256(model.read_bytes()).hexdigest())
        return _Subject(ref, None if inputs is None else Samples.read(inputs, _converted(model)))

    def other(self, claim: Claim) -> str | None:
        """Why a claim is about another network."""
        if self.model is None or self.model.sha256 == claim.model:
            return None
        return f"it proves something of another network ({claim.model}) than {self.model.file}"


def _converted(model: Path | None) -> Conversion | None:
    """What a .tflite network makes codes of at its input, where that is no int8."""
    if model is None or model.suffix.lower() == ".npz":
        return None
    try:
        return conversion_of(Ends.of(Model.read(model)))
    except TflmError:  # the certificate's own network is the one that is checked
        return None


@dataclass(frozen=True)
class _File:
    """A certificate, what it is called (below a folder that was given, with its own), and why it cannot be
    read.
    """

    path: Path
    name: str
    fault: str | None


@dataclass(frozen=True)
class _Bare:
    """A folder: what its results say, and how many proofs they claim that have no certificate."""

    said: str
    proved: int


def _files(given: Sequence[Path]) -> tuple[list[_File], list[_Bare]]:
    """The files, and those of the folders and their direct subfolders, in the order of their numbers; and the
    folders of which results claim a proof that has none, as they say. What a folder holds counts once.

    Raises BadInput where none can be read.
    """
    found: list[_File] = []
    bare: list[_Bare] = []
    held: set[Path] = set()
    for path in given:
        if path.resolve() in held:
            continue
        if not path.is_dir():
            found.append(_File(path, called(path, given), _fault(path)))
            continue
        inside = within(path, NAMES)
        own = {path.resolve(), *(one.resolve() for one in inside.values())}
        found, held = [file for file in found if file.path.resolve() not in own], held | own
        found += [_File(one, below(path, name, given), _fault(one)) for name, one in inside.items()]
        known = decided(path)
        if known is not None:
            lost = sorted(known.named - {one.name for one in inside.values()})
            why = "there is no such file, but its results name"
            found += [_File(path / name, below(path, name, given), f"{why} {name}") for name in lost]
            if known.bare or not (inside or lost):
                bare.append(_Bare(f"{known.said} in {called(path, given)}", known.bare))
        elif not inside:
            none = f"there is no {NAMES} in this folder or one directly below"
            found.append(_File(path, path.name, none + why_nothing(path)))
    if len(found) > MAX_FILES:
        raise BadInput(f"{len(found)} certificates: at most {MAX_FILES} at once")
    if found and all(file.fault for file in found):
        raise BadInput("\n".join(f"{file.path}: {file.fault}" for file in found)[:_MESSAGE])
    return found, bare


def _fault(path: Path) -> str | None:
    """Why a file cannot be read."""
    try:
        if not path.is_file():
            return "there is no such file"
        path.open("rb").close()
    except OSError as err:
        return err.strerror or str(err)
    return None


def _result(rows: list[QueryRow], n: int, subject: _Subject, bare: Sequence[_Bare]) -> Result:
    verdicts: list[Verdict] = [row.verdict for row in rows] + (["UNKNOWN"] if len(rows) < n else [])
    verdicts += ["UNKNOWN" if folder.proved else "OK" for folder in bare]
    left = [_no_certificate(folder) for folder in bare]
    return Result(
        verb="check",
        verdict=worst(verdicts),
        message=_message(rows, n, n > 1 and subject.model is not None and subject.samples is not None)
        if n
        else "\n".join(left)[:_MESSAGE],
        model=subject.model,
        queries=tuple(rows),
        not_covered=(*(["inputs outside the boxes of the claims"] if n else []), *left[:999]),
        versions=versions(),
    )


def _no_certificate(folder: _Bare) -> str:
    if not folder.proved:
        return f"nothing to check: {folder.said}"
    proofs = "a proof has" if folder.proved == 1 else f"{folder.proved} proofs have"
    return f"{proofs} no certificate that could be checked: {folder.said}"


def _message(rows: list[QueryRow], n: int, known: bool) -> str:
    """How many are accepted, those that are not, and as many claims as a message holds.

    known: of which network and inputs they are was confirmed; of a label that stays within a radius the table
    then says what is claimed.
    """
    accepted = sum(map(_proved, rows))
    lines = [f"{accepted} of {n} certificate{'s' if n > 1 else ''} accepted"]
    if len(rows) < n:
        lines[0] += f", {n - len(rows)} not looked at"
    # of an input, however many certificates say it, and however little: relations are told apart from labels
    labels = {(row.index, row.eps) for row in rows if _proved(row) and row.label is not None}
    radii = Counter(eps for _, eps in labels if eps is not None)
    if len(rows) > 1 and radii:
        found = (f"{k} input{'s' if k > 1 else ''} of radius {eps}" for eps, k in sorted(radii.items()))
        lines[0] += f"; labels of {', '.join(found)}"
    if relations := sum(_proved(row) and row.label is None for row in rows):
        lines[0] += f"; {relations} of relations of the outputs"
    left = _MESSAGE
    told = (row for row in rows if not (known and _proved(row) and None not in (row.label, row.eps)))
    ordered = sorted(told, key=_proved)
    for number, row in enumerate(ordered):
        line = f"{row.certificate}: {row.note}"
        left -= len(line)
        if left < 0 and number:
            lines.append(f"… {len(ordered) - number} more: --json FILE has every claim")
            break
        lines.append(line)
    return "\n".join(lines)


def _proved(row: QueryRow) -> bool:
    return row.verdict == "HOLDS"


def _unread(file: _File) -> QueryRow:
    name = plain_text(str(file.path))[-_NOTE:]
    return QueryRow(
        verdict="ERROR", engine="check", time_s=0.0, certificate=name, note=file.fault, property=UNREAD
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    """What is made of a certificate; claim: None where it proves nothing of what was asked about.

    place, where: of its box among the given inputs, where it has one, and that in words. otherwise: what the
    certificate is, where there is no claim.
    """

    note: str
    label: int | None = None
    claim: Claim | None = None
    place: Place | None = None
    where: str = ""
    otherwise: str = "no claim that could be checked"


def _judged(claim: Claim, subject: _Subject) -> _Judged:
    """What a claim that is true says of the subject."""
    note, other, samples = said(claim), subject.other(claim), subject.samples
    what = "network" if other else "input"
    place = None if samples is None or other else samples.place(claim)
    if isinstance(place, str):
        other, place = f"it proves something of a box {place}", None
    if other:
        return _Judged(f"{other}: {note}", claim.label, otherwise=f"a claim about another {what}")
    if place is None or samples is None:
        return _Judged(note, claim.label, claim)
    where = _confirmed(claim, place, samples)
    return _Judged(f"{where}: {note}", claim.label, claim, place, where)


def _row(file: _File, budget: int, subject: _Subject) -> QueryRow:
    start = time.monotonic()
    try:
        found = _judged(check(file.path, budget), subject)
    except Rejected as err:
        found = _Judged(f"rejected: {operators_named(str(err))}{_cause(err.__cause__)}")
    claim, place = found.claim, found.place
    return QueryRow(
        index=place.indices[0] if place else None,
        eps=place.reach if place and place.whole and place.few is None else None,
        verdict="HOLDS" if claim else "UNKNOWN",
        engine="check",
        time_s=time.monotonic() - start,
        certificate=plain_text(file.name)[-_NOTE:],
        label=found.label,
        property=_property(claim, place, found.where) if claim else found.otherwise,
        note=_cut(plain_text(found.note)),
        proof=f"certificate by {claim.evidence}" if claim else None,
    )


def _cause(err: BaseException | None) -> str:
    """What stopped the checker from reading a file; a parser's or numpy's own words tell nobody anything."""
    if err is None:
        return ""
    if isinstance(err, KeyError):
        return f": there is no {err}"[:200]
    if isinstance(err, OSError | MemoryError | zipfile.BadZipFile | JSONDecodeError):
        return f": {err}"[:200]
    return ": its numbers or parts do not fit together"


def _property(claim: Claim, place: Place | None, where: str) -> str:
    """What is claimed, and under which profile: arithmetic of another is another network."""
    text = f"{where if place else f'{shown(claim)} on {box(claim)}'}, profile {claim.profile}"
    if len(text) <= _NOTE:
        return text
    on = str(place) if place else box(claim)
    return _cut(f"under profile {claim.profile}, {on}: {shown(claim)}")


def _cut(text: str) -> str:
    """At most _NOTE characters, marked where some are left out; no number is cut, nor a word."""
    return text if len(text) <= _NOTE else f"{text[: _NOTE - 2].rpartition(' ')[0]} …"


def _confirmed(claim: Claim, place: Place, samples: Samples) -> str:
    """The claim in terms of the file, and the labels there that are others than the claim's."""
    text = f"{shown(claim)} for {place} of {samples.name}"
    if samples.y is None or claim.label is None:
        return text
    others = sorted(set(samples.y[place.indices].tolist()) - {claim.label})
    return f"{text} (whose label there is {' or '.join(map(str, others[:5]))})" if others else text
