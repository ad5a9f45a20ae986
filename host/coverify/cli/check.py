"""coverify check: does a certificate prove what it claims? Exact integers, no engine involved."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from coverify.check import BUDGET, Claim, Rejected, check
from coverify.cli.outcome import JsonOption, OutOption, Output, run_verb, versions
from coverify.errors import BadInput
from coverify.report import Query as QueryRow
from coverify.report import Result, worst

_MESSAGE = 900


def check_verb(
    certificates: Annotated[
        list[Path],
        typer.Argument(metavar="CERTIFICATE…", help="Certificate files (.zip).", show_default=False),
    ],
    budget: Annotated[
        float,
        typer.Option(min=1, help="Most multiply-adds for a certificate; counted before they are made."),
    ] = BUDGET,
    out: OutOption = None,
    json: JsonOption = None,
) -> None:
    """Check each CERTIFICATE by exact integer arithmetic that shares no code with what made it.

    HOLDS (exit 0): what every certificate claims is true; the claims are printed: the network's digest, the
    box's digest, the label or the relation of the outputs. UNKNOWN (4): one is damaged, proves nothing, or
    needs more than the --budget; nothing follows from it.

    Example: coverify check out/certificate-3-eps4.zip
    """

    def body() -> Result:
        missing = [path for path in certificates if not path.is_file()]
        if missing:
            raise BadInput(f"{missing[0]}: there is no such file")
        rows = [_row(path, int(min(budget, 1e18))) for path in certificates]
        return Result(
            verb="check",
            verdict=worst(row.verdict for row in rows),
            message=_claims(rows),
            queries=tuple(rows),
            not_covered=("inputs outside the boxes of the claims",),
            versions=versions(),
        )

    run_verb("check", Output(json, out), body)


def _claims(rows: list[QueryRow]) -> str:
    """How many are accepted, and what is claimed as far as a message reaches; the JSON has every claim."""
    accepted = sum(row.verdict == "HOLDS" for row in rows)
    said = f"{accepted} of {len(rows)} certificate{'s' if len(rows) > 1 else ''} accepted"
    text = "\n".join([said, *(f"{row.certificate}: {row.note}" for row in rows)])
    return text if len(text) <= _MESSAGE else f"{text[: _MESSAGE - 60]}… (every claim: --json FILE)"


def _said(claim: Claim) -> str:
    """The claim in words."""
    gives = f"label {claim.label} (first greatest output)"
    if claim.relation is not None:
        gives = f"outputs y with c · y <= d, relation {_digest(*claim.relation)}"
    free = int((claim.lo < claim.hi).sum())
    box = f"box {_digest(claim.lo, claim.hi)} ({free} of {len(claim.lo)} inputs vary)"
    return (
        f"for every integer x in {box} the network {claim.model} under profile {claim.profile} gives {gives}"
    )


def _digest(*arrays: NDArray[np.int64]) -> str:
    """SHA-256 of little-endian int64."""
    return hashlib.sha256(b"".join(a.astype("<i8").tobytes() for a in arrays)).hexdigest()


def _row(path: Path, budget: int) -> QueryRow:
    start = time.monotonic()
    try:
        accepted = check(path, budget)
        claim: Claim | None = accepted
        note = _said(accepted)
    except Rejected as err:
        claim, note = None, f"rejected: {err}"
    return QueryRow(
        verdict="HOLDS" if claim else "UNKNOWN",
        engine="check",
        time_s=time.monotonic() - start,
        certificate=path.name,
        label=claim.label if claim else None,
        note=note[:1000],
        proof=f"certificate by {claim.evidence}, {claim.steps} steps" if claim else None,
    )
