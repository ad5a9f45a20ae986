"""coverify inspect: what is in a model, what of it is modelled, and how far its accumulators reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from coverify.cli.outcome import JsonOption, Output, ProfileOption, model_ref, run_verb, versions
from coverify.report import OperatorRow, Result
from coverify.verify.bounds import wire_bounds
from coverify.verify.errors import CannotDecide
from tflm_int8 import Model, Operator, Reference, TflmError, UnsupportedOp, lower
from tflm_int8.fixedpoint import I64Array
from tflm_int8.operators import OPERATORS, prepare
from tflm_int8.profiles import profile_named
from tflm_int8.program.primitives import Affine, Program
from tflm_int8.reference import node_of


def inspect(
    model: Annotated[Path, typer.Argument(help="The .tflite file.", show_default=False)],
    profile: ProfileOption = "tflm",
    json: JsonOption = None,
) -> None:
    """Show MODEL's operators and quantization, what of it is modelled, and how far its accumulators reach.

    The reach of an accumulator is proved by intervals over every int8 input. Exits with 0 when every
    operator is supported, with 2 when one is not (it is named).
    """

    def body() -> Result:
        net = Model.read(model)
        refusals = _refusals(net, profile)
        reach = {} if refusals else _reach(net, profile)
        rows = tuple(_row(net, op, refusals.get(op.index), reach.get(op.index)) for op in net.operators)
        first = next(iter(refusals.values()), None)
        return Result(
            verb="inspect",
            verdict="UNSUPPORTED" if first else "OK",
            message=first or _summary(net),
            model=model_ref(net),
            profile=profile,
            operators=rows,
            versions=versions(),
        )

    run_verb("inspect", Output(json), body)


def _refusals(net: Model, profile: str) -> dict[int, str]:
    """Operator index → why it is not supported."""
    refused: dict[int, str] = {}
    table = profile_named(profile)
    for op in net.operators:
        try:
            prepare(node_of(net, op, table))
        except UnsupportedOp as error:
            refused[op.index] = str(error)
    if not refused:
        Reference(net, profile)
    return refused


def _reach(net: Model, profile: str) -> dict[int, tuple[int, int]]:
    """Operator index → least and greatest accumulator over all inputs; empty when it cannot be lowered."""
    try:
        program = lower(net, profile)
        wires = wire_bounds(program, *_all_inputs(program))
    except (TflmError, CannotDecide):
        return {}
    return {
        program.operators[i]: (int(wires[i + 1].lo.min()), int(wires[i + 1].hi.max()))
        for i, step in enumerate(program.steps)
        if isinstance(step, Affine)
    }


def _all_inputs(program: Program) -> tuple[I64Array, I64Array]:
    ones = np.ones(program.n_input, np.int64)
    return ones * program.input_lo, ones * program.input_hi


def _row(net: Model, op: Operator, refusal: str | None, reach: tuple[int, int] | None) -> OperatorRow:
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
        accumulator=reach,
        refused=refusal,
    )


def _summary(net: Model) -> str:
    activations = sum(t.size for t in net.tensors if t.data is None)
    constants = sum(t.data.nbytes for t in net.tensors if t.data is not None)
    x, y = net.tensors[net.inputs[0]], net.tensors[net.outputs[0]]
    return (
        f"{len(net.operators)} operators; input {x.dtype} {list(x.shape)}, output {y.dtype} {list(y.shape)}; "
        f"{len(net.content)} bytes, {constants} of constants; {activations} activations"
    )
