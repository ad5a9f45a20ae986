"""The file that proves a HOLDS: kept only where the checker accepts it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from coverify.check import BROKEN, Rejected, check
from coverify.cli.network import Network
from coverify.verify.certificate import Certificate, Relation, certifiable
from coverify.verify.errors import EngineFault
from coverify.verify.query import Outcome, Robustness, Verdict
from tflm_int8.builtin_names import BUILTIN_NAMES


@dataclass(frozen=True)
class Evidence:
    """file: the certificate's name, or None; why: why there is none, for a HOLDS that files are kept of."""

    file: str | None = None
    why: str = ""

    def note(self, outcome: Outcome) -> str | None:
        """What people are told of an answer."""
        said = (outcome.note, self.why and f"no certificate: {self.why}")
        return "; ".join(filter(None, said)) or None


def proved(
    network: Network,
    query: Robustness,
    outcome: Outcome,
    path: Path,
    relation: Relation | None = None,
    raised: int | None = None,
) -> Evidence:
    """Write the file that proves a HOLDS of the query (of the relation, where there is one, of the outputs of
    two runs, where a feature is raised) and have it checked.

    Where the checker rejects it the file would prove nothing, and is removed. EngineFault: it refutes it.
    """
    argument = outcome.argument
    if outcome.verdict is not Verdict.HOLDS:
        return Evidence()
    if argument is None:
        return Evidence(why=f"{outcome.engine} gives no proof that can be checked")
    if not certifiable(network.profile):
        return Evidence(why=f"the checker does not know the profile {network.profile}")
    whose = network.content, network.profile, query
    Certificate(*whose, argument, outcome.engine, relation, raised, network.head or 0).write(path)
    try:
        check(path)
    except Rejected as err:
        path.unlink()
        if str(err) == BROKEN:
            raise EngineFault(
                outcome.engine, "the checker, which ran every input, refutes its proof"
            ) from err
        return Evidence(why=operators_named(str(err)))
    return Evidence(path.name)


def operators_named(said: str) -> str:
    """What the checker says, which knows the operators of files by their numbers, with their names."""

    def named(number: re.Match[str]) -> str:
        name = BUILTIN_NAMES.get(int(number[1]))
        return f"{number[0]} ({name})" if name else number[0]

    return re.sub(r"builtin operator (\d{1,9})\b", named, said)
