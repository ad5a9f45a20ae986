"""Decide robustness queries on the exact integers of an int8 network.

`Robustness` says what is asked, `decide` (or a `Worker` for many queries) answers it in a child process, and
`Outcome` is the answer. `Witness` is a counterexample as a file. No solver is imported here.
"""

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
