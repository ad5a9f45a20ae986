"""What verify and distinguish decided in a folder that has no file to replay, or none to check.

Where everything holds there is no counterexample, and where nothing is proved no certificate: that is no
error, as long as a result says so. A folder without such a result is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coverify.cli.folders import within
from coverify.report import Result, read_result
from coverify.report.errors import ResultFileError
from coverify.report.plain import plural
from coverify.report.summary import counts, told

NAMES = ("verify.json", "distinguish.json")


@dataclass(frozen=True)
class Decided:
    """The rows of these results together, and the digests of the networks that they are about.

    broken, proved: rows with a counterexample, and rows that claim a proof; bare: of these those that name no
    certificate.
    """

    said: str
    broken: int
    proved: int
    bare: int
    named: frozenset[str]
    """Certificates that the rows name."""
    models: frozenset[str]


def decided(folder: Path) -> Decided | None:
    """What the results in a folder and directly below say; None where no result there has a row."""
    results = [result for path in within(folder, *NAMES).values() if (result := _read(path)) is not None]
    queries = [row for result in results for row in result.queries or ()]
    radii = [row for result in results for row in result.radii or ()]
    if not queries and not radii:
        return None
    verdicts = counts(queries)
    parts = [told(verdicts)] if queries else []
    parts += [plural(len(radii), "largest radius", "largest radii")] if radii else []
    named = [*(row.certificate for row in queries), *(row.certificate for row in radii)]
    return Decided(
        ", ".join(parts),
        verdicts["VIOLATED"] + sum(row.attacked is not None for row in radii),
        verdicts["HOLDS"] + sum(row.certified is not None for row in radii),
        sum(row.verdict == "HOLDS" and row.certificate is None for row in queries)
        + sum(row.certified is not None and row.certificate is None for row in radii),
        frozenset(name for name in named if name),
        frozenset(result.model.sha256 for result in results if result.model is not None),
    )


def why_nothing(folder: Path) -> str:
    """What results in a folder that have no rows say of it, as an end of a sentence: their errors."""
    read = ((name, _read(path)) for name, path in within(folder, *NAMES).items())
    said = [f"{name} says {r.verdict}: {r.message}" for name, r in read if r is not None and r.message]
    return f"; {said[0]}" if said else ""


def _read(path: Path) -> Result | None:
    """The result of one of the two verbs; None for what is none."""
    try:
        result = read_result(path)
    except ResultFileError:
        return None
    return result if result.verb in ("verify", "distinguish") else None
