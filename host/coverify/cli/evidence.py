"""The file that proves a HOLDS: kept only where the checker accepts it."""

from __future__ import annotations

from pathlib import Path

from coverify.check import Rejected, check
from coverify.cli.network import Network
from coverify.verify.certificate import Certificate, Relation, certifiable
from coverify.verify.query import Outcome, Robustness


def proved(
    network: Network, query: Robustness, outcome: Outcome, path: Path, relation: Relation | None = None
) -> str | None:
    """Write the file that proves a HOLDS of the query (of the relation, where there is one) and have it
    checked: its name; None where its engine does not argue for it, or the checker rejects it.

    Rejected is an operator that the checker does not know: the file would prove nothing, and is removed.
    """
    argument = outcome.argument
    if argument is None or not certifiable(network.profile):
        return None
    Certificate(network.content, network.profile, query, argument, outcome.engine, relation).write(path)
    try:
        check(path)
    except Rejected:
        path.unlink()
        return None
    return path.name
