"""Decide robustness queries on the exact integers of an int8 network.

`Robustness` says what is asked, `decide` (or a `Worker` for many queries) answers it in a child process, and
`Outcome` is the answer. `Witness` is a counterexample as a file. No solver is imported here, and a module
only when something of it is named: every child process begins here and knows no files (a third of its start).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverify.verify.engines import ENGINES
    from coverify.verify.errors import BadQuery, BadWitness, EngineFault
    from coverify.verify.query import Outcome, Robustness, Verdict
    from coverify.verify.witness import Witness
    from coverify.verify.worker import AUTO, Worker, decide

__all__ = [
    "AUTO",
    "ENGINES",
    "BadQuery",
    "BadWitness",
    "EngineFault",
    "Outcome",
    "Robustness",
    "Verdict",
    "Witness",
    "Worker",
    "decide",
]

_MODULES = {
    "BadQuery": "errors",
    "BadWitness": "errors",
    "ENGINES": "engines",
    "EngineFault": "errors",
    "Outcome": "query",
    "Robustness": "query",
    "Verdict": "query",
    "Witness": "witness",
}
"""The modules of this package that define the names above; `worker`, of the others."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'worker')}"), name)
