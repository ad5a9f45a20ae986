"""coverify verify --export-smt2: each query as a file for any solver; none is decided.

A property other than "the class stays" is written as the program that it becomes, whose class stays
while it holds; what has no such program that SMT solvers read is refused with the reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from coverify.campaign.inquiry import Question
from coverify.cli.campaign import Work
from coverify.cli.outcome import versions
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.report import Result
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import CannotDecide
from coverify.verify.property.question import Question as Asked
from coverify.verify.smt.whole import WholeQuery

_ASCII: Final = str.maketrans({"·": "*", "−": "-", "≤": "<=", "≥": ">=", "′": "'", "…": "..."})
"""What properties are said with, in comments that any solver reads."""


def exported(work: Work, target: Path, encoding: str, timeout_s: float) -> Result:
    """Every query as an .smt2 file: one is `target`, or all are in that folder.  Raises BadInput."""
    questions = work.questions()
    single, n = target.suffix == ".smt2", len(questions)
    if single and n != 1:
        raise BadInput(f"--export-smt2 {target}: {n} queries need a folder (or --index)")
    for question in questions:
        name = work.name(question)
        file = target if single else target / f"query-{name}.smt2"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = _smt2(work, question, encoding, Deadline.in_s(timeout_s))
        replace_file(file, text.translate(_ASCII).encode("ascii", "backslashreplace"))
    said = "query was" if n == 1 else "queries were"
    return work.result.model_copy(
        update={
            "verdict": "OK",
            "message": f"{n} {said} written to {target}; none was decided",
            "not_covered": (),
            "versions": versions(),
            "seed": None,
        }
    )


def _smt2(work: Work, question: Question, encoding: str, deadline: Deadline) -> str:
    asked, name = work.asked(question), work.name(question)
    try:
        whole = WholeQuery.of(asked.problem(deadline), encoding, deadline)
    except (CannotDecide, OutOfTime) as err:
        raise BadInput(f"query {name}: it cannot be written for SMT solvers: {err}") from err
    model, profile = work.result.model, work.result.profile
    assert model is not None
    network = f"coverify: {model.file!r}, SHA-256 {model.sha256}, arithmetic {profile}"
    return whole.smt2([network, f"query {name}, encoding {encoding}", *_said(asked)])


def _said(asked: Asked) -> list[str]:
    """The property, and what the variables and the class are where they are not the network's own."""
    lines = [f"property: {' '.join(asked.words.split())}"]
    if not asked.stays:
        label = 0 if asked.ranking is None else asked.ranking.label
        lines.append(f"The class below is that of the property's program: {label} while the property holds.")
    if asked.raised is not None:
        lines.append(f"The last input is the code to which feature {asked.raised} is raised.")
    return lines
