"""The file that proves a HOLDS: kept only where the checker accepts it."""

from __future__ import annotations

from pathlib import Path

from coverify.check import Rejected, check
from coverify.verify.certificate import Certificate


def kept(certificate: Certificate, path: Path) -> str | None:
    """Write a certificate and have it checked: its name, or None where it is rejected (and removed).

    Rejected is an operator that the checker does not know: the file would prove nothing to anybody.
    """
    certificate.write(path)
    try:
        check(path)
    except Rejected:
        path.unlink()
        return None
    return path.name
