"""coverify inspect: what is in a model, what of it is modelled, and how far its accumulators reach."""

from __future__ import annotations

import io
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from coverify.cli.ops import firmware_operators
from coverify.cli.outcome import JsonOption, OutOption, Output, ProfileOption, model_ref, run_verb, versions
from coverify.files import replace_file
from coverify.inputs import names_of
from coverify.report import OperatorRow, Result
from coverify.verify.accumulators import Accumulator, Overflow, accumulators
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.errors import CannotDecide
from tflm_int8 import Ends, Model, Operator, Reference, Tensor, TflmError, UnsupportedOp, sample_shape
from tflm_int8.operators import OPERATORS, prepare
from tflm_int8.profiles import profile_named
from tflm_int8.program.lowering import lower_joined
from tflm_int8.reference import node_of

_BUDGET_S = 60.0
"""How long accumulators are examined."""


def inspect(
    model: Annotated[Path, typer.Argument(help="The .tflite file.", show_default=False)],
    profile: ProfileOption = "tflm",
    json: JsonOption = None,
    out: OutOption = None,
) -> None:
    """Show MODEL's operators and quantization, what of it is modelled, and how far its accumulators reach.

    For every accumulator: a proof that it cannot overflow on any input, or an input on which it does (with
    --out as overflow-<op>.npz), or neither. Exits with 0 when every operator is supported, with 2 when one is
    not (it is named). Where accumulators are not examined, it says why; so it does of operators
    that the firmware's own engine lacks.
    """

    def body() -> Result:
        net = Model.read(model)
        refusals = _refusals(net, profile)
        reach, unexamined = _reach(net, profile)
        rows = tuple(_row(net, op, refusals.get(op.index), reach.get(op.index), out) for op in net.operators)
        first = next(iter(refusals.values()), None)
        return Result(
            verb="inspect",
            verdict="UNSUPPORTED" if first else "OK",
            message=first or _summary(net),
            model=model_ref(net),
            profile=profile,
            operators=rows,
            not_covered=(*unexamined, *_elsewhere(net, refusals)),
            versions=versions(),
        )

    run_verb("inspect", Output(json, out), body)


def _refusals(net: Model, profile: str) -> dict[int, str]:
    """Operator index → why it is not supported."""
    refused: dict[int, str] = {}
    table = profile_named(profile)
    for op in net.operators:
        try:
            prepare(node_of(net, op, table, may_overflow=False))
        except UnsupportedOp as error:
            refused[op.index] = str(error)
    if not refused:
        Reference(net, profile)
    return refused


def _elsewhere(net: Model, refused: Container[int]) -> list[str]:
    """Operators that are modelled and that the firmware's own engine lacks, where its source is at hand."""
    ours, lacking = firmware_operators(), dict[str, list[str]]()
    for op in net.operators if ours else ():
        if op.name not in ours and op.index not in refused:
            lacking.setdefault(op.name, []).append(str(op.index))
    return [
        f"op {', '.join(indices)} {name} is not in the firmware's own engine: conform on a device with this "
        "engine refuses the network (TFLM as the engine may have it: docs/tflm.md)"
        for name, indices in lacking.items()
    ]


def _reach(net: Model, profile: str) -> tuple[dict[int, Accumulator], tuple[str, ...]]:
    """Operator index → its accumulator of the worst verdict; and why none is examined, where that is so."""
    try:
        reference = Reference(Ends.of(net, profile).core, profile, may_overflow=True)
        judged = accumulators(lower_joined(reference), Deadline.in_s(_BUDGET_S))
    except OutOfTime:
        return {}, (f"accumulators: they are not examined within {_BUDGET_S:g} s",)
    except (TflmError, CannotDecide) as error:
        return {}, (f"accumulators: {error}",)
    worst: dict[int, Accumulator] = {}
    for one in judged:
        if reference.stateful and one.overflow is Overflow.IMPOSSIBLE:  # later invocations: not lowered
            one = replace(one, overflow=Overflow.OPEN)
        known = worst.get(one.operator)
        if known is None or _rank(one) >= _rank(known):
            worst[one.operator] = one
    return worst, ()


def _rank(one: Accumulator) -> tuple[int, int]:
    order = (Overflow.IMPOSSIBLE, Overflow.OPEN, Overflow.FOUND)
    return order.index(one.overflow), max(-one.least, one.greatest)


def _stored(net: Model, one: Accumulator | None, out: Path | None) -> str | None:
    """Write the input that overflows an accumulator to the folder; its file name."""
    if one is None or one.input is None or out is None:
        return None
    name, ends = f"overflow-{one.operator}.npz", Ends.of(net)
    x = one.input if ends.first is None else ends.entered(one.input.astype(np.int8))
    tensors = [net.tensors[i] for i in net.inputs]
    parts = np.split(x, np.cumsum([tensor.size for tensor in tensors])[:-1])
    arrays = {
        key: part.astype(tensor.dtype).reshape(1, *sample_shape(tensor))
        for key, part, tensor in zip(names_of(len(tensors)), parts, tensors, strict=True)
    }
    out.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(content, **arrays)
    replace_file(out / name, content.getvalue())
    return name


def _row(
    net: Model, op: Operator, refusal: str | None, reach: Accumulator | None, folder: Path | None
) -> OperatorRow:
    table = OPERATORS.get(op.name)
    out = net.tensors[op.outputs[0]] if op.outputs else None
    quantization = out.quantization if out is not None else None
    return OperatorRow(
        op_index=op.index,
        op=op.name,
        inputs=op.inputs,
        outputs=op.outputs,
        shape=out.shape if out is not None else (),
        scale=float(quantization.scale) if quantization is not None else None,
        zero_point=quantization.zero_point if quantization is not None else None,
        lowered_to=table.lowered_to if table is not None else (),
        accumulator=None if reach is None else (reach.least, reach.greatest),
        overflow=None if reach is None else reach.overflow.value,
        overflow_value=None if reach is None else reach.value,
        overflow_input=_stored(net, reach, folder),
        refused=refusal,
    )


def _summary(net: Model) -> str:
    activations = sum(t.size for t in net.tensors if t.data is None)
    constants = sum(t.data.nbytes for t in net.tensors if t.data is not None)
    ends = "; ".join((_ends(net, "input", net.inputs), _ends(net, "output", net.outputs)))
    return (
        f"{len(net.operators)} operators; {ends}; "
        f"{len(net.content)} bytes, {constants} of constants; {activations} activations"
    )


def _ends(net: Model, what: str, tensors: tuple[int, ...]) -> str:
    """Every input or output, by the name of its array in files where there are several."""
    names = names_of(len(tensors), "x" if what == "input" else "y")
    called = [what] if len(tensors) == 1 else [f"{what} {name}" for name in names]
    return "; ".join(f"{c} {_described(net.tensors[i])}" for c, i in zip(called, tensors, strict=True))


def _described(tensor: Tensor) -> str:
    """Type, shape, and what one code is in real units."""
    q = tensor.quantization
    scale = f", scale {float(q.scale):.6g}, zero point {q.zero_point}" if q is not None else ""
    return f"{tensor.dtype} {list(tensor.shape)}{scale}"
