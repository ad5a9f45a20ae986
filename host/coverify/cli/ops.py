"""coverify ops: which operators are modelled, what solvers see of them, and which the firmware runs."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from coverify.boards import build
from coverify.cli.outcome import JsonOption, Output, run_verb, versions
from coverify.errors import BadInput, CoverifyError
from coverify.report import OperatorSupport, Result
from tflm_int8.builtin_names import BUILTIN_NAMES
from tflm_int8.operators import OPERATORS


def ops(
    operator: Annotated[str | None, typer.Argument(help="Only this operator.", show_default=False)] = None,
    json: JsonOption = None,
) -> None:
    """List the operators: run by the reference, lowered to which primitives, run by our own firmware.

    Exits with 0, or with 2 when OPERATOR is not supported.
    """

    def body() -> Result:
        known = {*BUILTIN_NAMES.values(), *OPERATORS}
        if operator is not None and operator not in known:
            raise BadInput(f"{operator} is not an operator of TensorFlow Lite")
        ours = _firmware_operators()
        names = sorted(OPERATORS) if operator is None else [operator]
        rows = tuple(_row(name, ours) for name in names)
        missing = operator is not None and operator not in OPERATORS
        said = f"{operator} is refused by name" if missing else f"{len(OPERATORS)} operators"
        return Result(
            verb="ops",
            verdict="UNSUPPORTED" if missing else "OK",
            message=said,
            support=rows,
            versions=versions(),
        )

    run_verb("ops", Output(json), body)


def _row(name: str, firmware: set[str]) -> OperatorSupport:
    row = OPERATORS.get(name)
    return OperatorSupport(
        op=name,
        reference=row is not None,
        lowered_to=row.lowered_to if row is not None else (),
        firmware=name in firmware,
    )


def _firmware_operators() -> set[str]:
    """The rows of the firmware's own operator table, read from its source."""
    try:
        source = build.harness() / "engines" / "kernels" / "operators.c"
        return set(re.findall(r"\{BUILTIN_([A-Z0-9_]+),", source.read_text("utf-8")))
    except (CoverifyError, OSError):
        return set()
