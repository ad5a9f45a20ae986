"""coverify ops: which operators are modelled, how far they were checked, what solvers see, what runs."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from coverify.boards import build
from coverify.cli.outcome import JsonOption, Output, ProfileOption, run_verb, versions
from coverify.errors import BadInput, CoverifyError
from coverify.report import OperatorSupport, Oracle, Result
from tflm_int8.builtin_names import BUILTIN_NAMES
from tflm_int8.operators import OPERATORS
from tflm_int8.oracle_record import OracleRecord
from tflm_int8.profile_checks import CHECKED
from tflm_int8.profiles import profile_named
from tflm_int8.variant import Profile


def ops(
    operator: Annotated[str | None, typer.Argument(help="Only this operator.", show_default=False)] = None,
    profile: ProfileOption = "tflm",
    json: JsonOption = None,
) -> None:
    """List the operators: on which types the reference runs them, held equal to the oracle on how many random
    models, run by our own firmware, lowered to which primitives, and why where one is only run.

    With the variant of each under the kernel profile, and how many graphs were checked against its oracle.
    Exits with 0, or with 2 when OPERATOR is not supported.
    """

    def body() -> Result:
        known = {*BUILTIN_NAMES.values(), *OPERATORS}
        if operator is not None and operator not in known:
            hint = f" (names are in capitals: {operator.upper()})" if operator.upper() in known else ""
            raise BadInput(f"{operator} is not an operator of TensorFlow Lite{hint}")
        ours, record, table = firmware_operators(), OracleRecord.read(), profile_named(profile)
        names = sorted(OPERATORS) if operator is None else [operator]
        rows = tuple(_row(name, ours, record, table) for name in names)
        missing = operator is not None and not rows[0].reference
        followed = _said(record, names) if table.name == "tflm" else _covered(rows, table)
        said = f"{operator} is refused by name" if missing else followed
        return Result(
            verb="ops",
            verdict="UNSUPPORTED" if missing else "OK",
            message=said,
            profile=profile,
            support=rows,
            oracle=(
                Oracle(name=record.oracle, version=record.version)
                if table.name == "tflm"
                else Oracle(name=table.oracle)
            ),
            versions=versions(),
        )

    run_verb("ops", Output(json), body)


def _covered(rows: tuple[OperatorSupport, ...], profile: Profile) -> str:
    return f"{sum(row.reference for row in rows)} operators: {profile.runtime}; oracle: {profile.oracle}"


def _said(record: OracleRecord, names: list[str]) -> str:
    n_models = sum(sum(record.cases.get(name, {}).values()) for name in names)
    first, end = record.seeds
    what = f"{len(names)} operators" if len(names) > 1 else names[0]
    return (
        f"{what}, equal to {record.oracle} {record.version} on {n_models} random models "
        f"of one operator (seeds {first}…{end - 1}, as recorded)"
    )


def _row(name: str, firmware: set[str], record: OracleRecord, profile: Profile) -> OperatorSupport:
    row = OPERATORS.get(name)
    refusal = profile.refusal(name)
    return OperatorSupport(
        op=name,
        reference=row is not None and not refusal,
        lowered_to=row.lowered_to if row is not None else (),
        exact=row.exact or None if row is not None else None,
        firmware=name in firmware,
        checked=dict(record.cases.get(name, {})) if profile.name == "tflm" else {},
        variant=None if row is None else refusal or str(profile.of(name)),
        graphs=CHECKED.get(profile.name, {}).get(name, 0),
    )


def firmware_operators() -> set[str]:
    """The rows of the firmware's own operator table, read from its source."""
    try:
        source = build.harness() / "engines" / "kernels" / "operators.c"
        text = source.read_text("utf-8")
        custom = {f"CUSTOM:{name}" for name in re.findall(r'\{"([A-Za-z0-9_]+)",\s*\{BUILTIN_CUSTOM', text)}
        return custom | (set(re.findall(r"\{BUILTIN_([A-Z0-9_]+),", text)) - {"CUSTOM"})
    except (CoverifyError, OSError):
        return set()
