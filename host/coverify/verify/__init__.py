"""Decide robustness queries on the exact integers of an int8 network.

`Robustness` says what is asked, `decide` (or a `Worker` for many queries) answers it in a child process, and
`Outcome` is the answer. `Witness` is a counterexample as a file. No solver is imported here, and a module
only when something of it is named: every child process begins here and knows no files (a third of its start).
"""

from typing import TYPE_CHECKING

from tflm_int8.on_demand import on_demand

if TYPE_CHECKING:
    from coverify.verify.engines import ENGINES
    from coverify.verify.errors import BadQuery, BadWitness, EngineFault
    from coverify.verify.query import Outcome, Robustness, Verdict
    from coverify.verify.witness import Witness
    from coverify.verify.worker import AUTO, Worker, decide
else:
    __getattr__ = on_demand(
        __name__,
        {
            "engines": ["ENGINES"],
            "errors": ["BadQuery", "BadWitness", "EngineFault"],
            "query": ["Outcome", "Robustness", "Verdict"],
            "witness": ["Witness"],
            "worker": ["AUTO", "Worker", "decide"],
        },
    )

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
