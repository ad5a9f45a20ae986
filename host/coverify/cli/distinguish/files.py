"""What lies beside a result: certificates that two networks have the same class on a box, one for each, of
the same label there; and what an earlier call left.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

from coverify.cli.evidence import proved
from coverify.cli.network import Network
from coverify.report import read_result
from coverify.report.errors import ResultFileError
from coverify.verify.equivalence.decide import Kept

RESULT = "distinguish.json"
_OWN = re.compile(r"(distinction|certificate)(-[0-9]+-eps[0-9]+)?(-against)?\.zip")
"""What the files are called that it writes beside its result."""


def class_certificates(keeps: Kept, networks: Sequence[Network], paths: Sequence[Path]) -> str:
    """Write one file for each network; why there is none, where the checker cannot read one of them."""
    for network, proof, path in zip(networks, keeps.proofs, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        evidence = proved(network, keeps.region, proof, path)
        if evidence.file is None:
            for each in paths:
                each.unlink(missing_ok=True)
            return evidence.why
    return ""


def forget(out: Path) -> None:
    """Remove an earlier call's result, and the evidence that it alone names, not a result of verify."""
    found, kept = (_named(out / name) for name in (RESULT, "verify.json"))
    for name in found - kept:
        if _OWN.fullmatch(name):
            (out / name).unlink(missing_ok=True)
    if found:
        (out / RESULT).unlink(missing_ok=True)


def _named(result: Path) -> set[str]:
    """Files that its rows name."""
    with contextlib.suppress(ResultFileError):
        found = read_result(result)
        names = [(row.witness, row.certificate, row.certificate_against) for row in found.queries or ()]
        names += [(row.witness, row.certificate, None) for row in found.radii or ()]
        return {name for each in names for name in each if name}
    return set()
