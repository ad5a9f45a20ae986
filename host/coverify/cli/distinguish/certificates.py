"""Certificates that two networks have the same class on a box: one for each, of the same label there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coverify.cli.evidence import proved
from coverify.cli.network import Network
from coverify.verify.equivalence.decide import Kept


def class_certificates(keeps: Kept, networks: Sequence[Network], paths: Sequence[Path]) -> bool:
    """Write one file for each network; False, and no file, where the checker cannot read one of them."""
    for network, proof, path in zip(networks, keeps.proofs, paths, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        if proved(network, keeps.region, proof, path).file is None:
            for each in paths:
                each.unlink(missing_ok=True)
            return False
    return True
