"""coverify ops: which operators are modelled, how far they were checked, what solvers see, what runs."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from coverify.boards import build
from coverify.cli.outcome import JsonOption, Output, run_verb, versions
from coverify.errors import BadInput, CoverifyError
from coverify.report import OperatorSupport, Oracle, Result
from tflm_int8.builtin_names import BUILTIN_NAMES
from tflm_int8.operators import OPERATORS
from tflm_int8.oracle_record import OracleRecord


def ops(
    operator: Annotated[str | None, typer.Argument(help="Only this operator.", show_default=False)] = None,
    json: JsonOption = None,
) -> None:
    """List the operators: on which types the reference runs them, held equal to the oracle on how many random
    models, run by our own firmware, lowered to which primitives, and why where one is only run.

    Exits with 0, or with 2 when OPERATOR is not supported.
    """

    def body() -> Result:
        known = {*BUILTIN_NAMES.values(), *OPERATORS}
        if operator is not None and operator not in known:
            raise BadInput(f"{operator} is not an operator of TensorFlow Lite")
        ours, record = _firmware_operators(), OracleRecord.read()
        names = sorted(OPERATORS) if operator is None else [operator]
        rows = tuple(_row(name, ours, record) for name in names)
        missing = operator is not None and operator not in OPERATORS
        said = f"{operator} is refused by name" if missing else _said(record)
        return Result(
            verb="ops",
            verdict="UNSUPPORTED" if missing else "OK",
            message=said,
            support=rows,
            oracle=Oracle(name=record.oracle, version=record.version),
            versions=versions(),
        )

    run_verb("ops", Output(json), body)


def _said(record: OracleRecord) -> str:
    n_models = sum(sum(counts.values()) for counts in record.cases.values())
    first, end = record.seeds
    return (
        f"{len(OPERATORS)} operators, equal to {record.oracle} {record.version} on {n_models} random models "
        f"of one operator (seeds {first}…{end - 1}, as recorded)"
    )


def _row(name: str, firmware: set[str], record: OracleRecord) -> OperatorSupport:
    row = OPERATORS.get(name)
    return OperatorSupport(
        op=name,
        reference=row is not None,
        lowered_to=row.lowered_to if row is not None else (),
        exact=row.exact or None if row is not None else None,
        firmware=name in firmware,
        checked=dict(record.cases.get(name, {})),
    )


def _firmware_operators() -> set[str]:
    """The rows of the firmware's own operator table, read from its source."""
    try:
        source = build.harness() / "engines" / "kernels" / "operators.c"
        return set(re.findall(r"\{BUILTIN_([A-Z0-9_]+),", source.read_text("utf-8")))
    except (CoverifyError, OSError):
        return set()
