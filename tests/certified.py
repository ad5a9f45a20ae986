"""A HOLDS of an engine, as a certificate that the checker reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from tflm_int8 import Model, lower
from tflm_int8.program.concrete import run


def certified(
    content: bytes, x0: np.ndarray, engine: str, eps: int, path: Path, other: bytes | None = None
) -> bool:
    """Does the engine prove that the class stays around x0? Then the checker says the same of the file.

    other: the network that the certificate is of, where it is another file.  Raises Rejected.
    """
    program = lower(Model.from_bytes(content))
    label = int(run(program, x0[None])[program.output].argmax())
    query = Robustness.around(x0, label, eps)
    outcome = solve(engine, Problem(program, query), Deadline.in_s(5))
    if outcome.verdict is not Verdict.HOLDS:
        return False
    Certificate(other or content, "tflm", query, outcome.argument, engine).write(path)
    assert check(path).label == label
    return True
