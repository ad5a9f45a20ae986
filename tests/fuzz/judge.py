"""Does the reference say of a model what TFLM says? Every tensor, and the lowered program too.

A `Failure` names its kind, the operator and the tensor, and holds the values. What the reference refuses is
no failure; that TFLM refuses what the reference runs is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fuzz.interpreter import Interpreter, Refused
from tflm_int8 import Model, Reference, TflmError, UnsupportedModel
from tflm_int8.program.concrete import OutsideDomain
from tflm_int8.program.concrete import run as run_program
from tflm_int8.program.lowering import lower_reference
from tflm_int8.program.lowering.builder import integers

KINDS = ("tensor", "program", "refused", "crash")


@dataclass
class Failure:
    """The first disagreement: `op` and `tensor` are indices in the model (-1: none)."""

    kind: str
    op: int
    tensor: int
    sample: int
    message: str
    expected: np.ndarray
    got: np.ndarray


@dataclass
class Judgement:
    """What came of one model: a failure or none, how many bytes were compared, why it was not run."""

    failure: Failure | None = None
    n_bytes: int = 0
    refused: str = ""
    lowered: bool = False


_NONE = np.zeros(0, np.int8)


def judge(content: bytes, inputs: list[np.ndarray], tflm: Interpreter) -> Judgement:
    """A file and inputs [N, whole shape], one per input of the model."""
    try:
        model = Model.from_bytes(content, "graph")
        reference = Reference(model)
        trace = reference.trace(*inputs)
    except TflmError as error:
        return Judgement(refused=str(error))
    except Exception as error:  # a fuzzer's catch: whatever else is raised is the finding
        return Judgement(Failure("crash", -1, -1, 0, f"{type(error).__name__}: {error}", _NONE, _NONE))
    try:
        expected = tflm.run(content, inputs, list(trace))
    except Refused as refusal:
        return Judgement(Failure("refused", -1, -1, 0, f"TFLM: {refusal}", _NONE, _NONE))
    for t, mask in reference.unwritten.items():  # TFLM's memory there holds anything
        expected[t] = np.where(mask, trace[t], expected[t])
    n_bytes = sum(values.nbytes for values in trace.values())
    failure = _first_difference(model, trace, expected)
    if failure is not None:
        return Judgement(failure, n_bytes)
    return _lowered(reference, inputs, trace, n_bytes)


def bits(a: np.ndarray) -> np.ndarray:
    """Floats as their bits."""
    return np.ascontiguousarray(a).view(np.uint32) if a.dtype == np.float32 else a


def _first_difference(model: Model, trace: dict, expected: dict) -> Failure | None:
    for op in model.operators:
        for t in (t for t in op.outputs if model.tensors[t].dtype != "resource"):
            failure = _difference("tensor", op, t, expected[t], trace[t])
            if failure is not None:
                return failure
    return None


def _difference(kind: str, op, t: int, expected: np.ndarray, got: np.ndarray) -> Failure | None:
    where = f"op {op.index} {op.name}, tensor {t}"
    if expected.dtype != got.dtype or expected.shape != got.shape:
        message = f"{where}: {got.dtype} {got.shape} instead of {expected.dtype} {expected.shape}"
        return Failure(kind, op.index, t, 0, message, expected, got)
    wrong = bits(got) != bits(expected)
    if not wrong.any():
        return None
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    message = (
        f"{where}: {int(wrong.sum())} of {wrong.size} differ; at {at}: {got[at]} instead of {expected[at]}"
    )
    return Failure(kind, op.index, t, at[0], message, expected[at[0]], got[at[0]])


def _lowered(reference: Reference, inputs: list[np.ndarray], trace: dict, n_bytes: int) -> Judgement:
    """The lowered program against the kernels, where there is a program."""
    x = inputs[0]
    if reference.stateful:  # the program is that of the first invocation after a reset
        trace = reference.trace(*inputs, from_reset=True)
    try:
        program = lower_reference(reference)
        wires = run_program(program, x.reshape(len(x), -1))
    except (UnsupportedModel, OutsideDomain):
        return Judgement(None, n_bytes)
    except Exception as error:  # a fuzzer's catch: whatever else is raised is the finding
        message = f"the program: {type(error).__name__}: {error}"
        return Judgement(Failure("crash", -1, -1, 0, message, _NONE, _NONE), n_bytes)
    writer = {t: op for op in reference.model.operators for t in op.outputs}
    for wire, t in program.tensors.items():
        if t in writer:
            kernel = integers(trace[t]).reshape(len(x), -1)
            failure = _difference("program", writer[t], t, kernel, wires[wire].reshape(len(x), -1))
            if failure is not None:
                return Judgement(failure, n_bytes)
    return Judgement(None, n_bytes, lowered=True)
