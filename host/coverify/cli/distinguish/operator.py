"""coverify distinguish --op: a model of one operator, and an input, on which two profiles differ.

`edges`: scales are drawn, stair edges tell at which accumulators the two differ, and one is brought about.
`z3`: for two roundings of a layer's product, Z3 names accumulator, multiplier and shift. `auto`: edges.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coverify.cli.outcome import Output, model_ref, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.conformance.suite.separating import (
    LAYERS,
    OPERATORS,
    Accumulators,
    Separator,
    fitted,
    layer_at,
    one_variant,
    outputs,
    separator,
)
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.report import ModelRef, Result
from coverify.report import Query as QueryRow
from coverify.report.separations import Separation
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.engines.packages import require
from coverify.verify.equivalence.distinction import Computed, Distinction
from coverify.verify.equivalence.primitive import Found, Roundings, differing
from coverify.verify.equivalence.separation import said_of, separated
from coverify.verify.query import Verdict
from tflm_int8 import Model, Reference, UnsupportedModel, lower
from tflm_int8.profiles import profile_named
from tflm_int8.program.primitives import Program, Staircase
from tflm_int8.variant import Form

_REACH = 1 << 27
"""Accumulators beyond this are not asked for."""
_SHIFTS = (-2, -4, -6, -8, -1, -3, -5, -7, -9, -10, -11, 0, 1, 2, 3)
"""Of effective scales from 2**-12 to 8, the usual ones first."""


def of_operator(
    op: str, profiles: tuple[str, str], engine: str, timeout_s: float, seed: int, output: Output
) -> Result:
    """VIOLATED with a separating model and input, HOLDS where both run one variant, else UNKNOWN."""
    if engine not in ("auto", "edges", "z3"):
        raise BadInput(f"--engine {engine}: --op has auto, edges and z3")
    op = _known(op, profiles)
    start = time.monotonic()
    if one_variant(op, *profiles):
        return _result(
            op, profiles, _row(op, Verdict.HOLDS, "structure", start, "one variant of the kernel"), seed
        )
    find = _by_solver if engine == "z3" else _by_edges
    with progress_bar() as progress:
        search = find(op, profiles, timeout_s, seed, Bar(progress, "models"))
    if search.found is None:
        return _result(op, profiles, _row(op, search.verdict, engine, start, search.why), seed)
    row = _row(op, search.verdict, "edges" if engine == "auto" else engine, start, _said(search.found))
    if output.out is not None:
        row = row.model_copy(update={"witness": _kept(search.found, op, profiles, engine, seed, output)})
    return _result(op, profiles, row, seed, search.found)


def _known(given: str, profiles: tuple[str, str]) -> str:
    """The operator's name.  BadInput where it is not tried, UnsupportedModel where a profile refuses it."""
    op = {name.upper(): name for name in OPERATORS}.get(given.upper())
    if op is None:
        raise BadInput(f"--op {given!r}: no models are made of it; models are made of {', '.join(OPERATORS)}")
    for name in profiles:
        why = profile_named(name).refusal(op, frozenset({"int8"}))
        if why:
            raise UnsupportedModel(f"--op {op}", f"not under the profile {name!r}: {why}")
    return op


@dataclass(frozen=True, eq=False)
class _Search:
    """How a search ended; why: what was tried or proved, where nothing was found."""

    found: Separator | None = None
    why: str = ""
    proved: bool = False

    @property
    def verdict(self) -> Verdict:
        """VIOLATED: the two differ; HOLDS: proved that they do not; else UNKNOWN."""
        if self.found is not None:
            return Verdict.VIOLATED
        return Verdict.HOLDS if self.proved else Verdict.UNKNOWN


def _by_edges(
    op: str, profiles: tuple[str, str], timeout_s: float, seed: int, bar: Callable[[int, int], None]
) -> _Search:
    deadline, tried = Deadline.in_s(timeout_s), 0
    accumulators = differing_accumulators(profiles)

    def tick() -> bool:
        nonlocal tried
        tried += 1
        bar(tried, tried)
        return bool(deadline.remaining)

    found = separator(op, profiles, seed, accumulators, tick)
    return _Search(found, f"no difference in {tried} models: that proves nothing")


def differing_accumulators(profiles: tuple[str, str]) -> Accumulators:
    """For a layer: the accumulator nearest to 0 at which the two profiles' stairs differ, if there is one."""

    def accumulators(model: Model) -> list[int]:
        first, second = (_last_stairs(lower(model, profile)) for profile in profiles)
        apart = separated(first.rule, second.rule, (0, 0)).within(-_REACH, _REACH)
        return [apart.nearest(0)] if apart.count else []

    return accumulators


def _last_stairs(program: Program) -> Staircase:
    return next(step for step in reversed(program.steps) if isinstance(step, Staircase))


def _by_solver(
    op: str, profiles: tuple[str, str], timeout_s: float, seed: int, bar: Callable[[int, int], None]
) -> _Search:
    """The shifts one after the other; for each a pair of numbers, or a proof that there is none."""
    require("z3")
    first, second = (profile_named(name).of(op) for name in profiles)
    if op not in LAYERS or first.rounding is second.rounding or Form.FLOAT_STAGE in (first.form, second.form):
        raise BadInput(f"--engine z3 separates the two roundings of {', '.join(LAYERS)}: not {op} here")
    deadline = Deadline.in_s(timeout_s)
    proved: list[int] = []
    for number, shift in enumerate(_SHIFTS):
        try:
            found = differing(Roundings(first.rounding, second.rounding), shift, deadline.share(0.5), seed)
        except OutOfTime:
            return _Search(why=f"out of time; proved equal at the shifts {proved}")
        if found is not None:
            return _Search(_modelled(op, found, profiles))
        proved.append(shift)
        bar(number + 1, len(_SHIFTS))
    why = f"proved equal for every accumulator of 24 bits at the shifts {sorted(proved)}"
    return _Search(why=why, proved=True)


def _modelled(op: str, found: Found, profiles: tuple[str, str]) -> Separator:
    model, x = layer_at(op, found.multiplier, found.shift, found.acc)
    first, second = outputs(model, x[None], profiles)
    return Separator(model, x, first[0], second[0])


def _said(found: Separator) -> str:
    first, second = found.first.reshape(-1), found.second.reshape(-1)
    at = int(np.flatnonzero(first != second)[0])
    return f"output {at} is {first[at]} / {second[at]} in {found.model.name}"


def _kept(
    found: Separator, op: str, profiles: tuple[str, str], engine: str, seed: int, output: Output
) -> str:
    """The model, its input and the distinction in the folder; the distinction's name."""
    assert output.out is not None
    output.out.mkdir(parents=True, exist_ok=True)
    stem = output.out / op.lower()
    replace_file(stem.with_suffix(".tflite"), found.model.content)
    np.savez(stem.with_suffix(".npz"), x=fitted(found))
    x = found.x.reshape(found.model.tensors[found.model.inputs[0]].shape)
    sides: list[Computed] = []
    for profile, y in zip(profiles, (found.first, found.second), strict=True):
        trace = Reference(found.model, profile).trace(x[None])
        tensors = {t: values[0] for t, values in trace.items()}
        sides.append(Computed(found.model.content, found.model.name, profile, int(y.argmax()), tensors))
    name = f"distinction-{stem.name}.zip"
    kept = Distinction(x, sides[0], sides[1], "output", 0, engine, seed, "tflite", versions())
    kept.write(output.out / name)
    return name


def _row(op: str, verdict: Verdict, engine: str, start: float, why: str) -> QueryRow:
    proof = why if verdict is Verdict.HOLDS else None
    return QueryRow(
        verdict=verdict.value,
        engine=engine,
        time_s=time.monotonic() - start,
        property=f"same output of {op}",
        proof=proof,
        note=None if proof else why,
    )


def _result(
    op: str, profiles: tuple[str, str], row: QueryRow, seed: int, found: Separator | None = None
) -> Result:
    said = {
        "HOLDS": f"{op}: {row.proof}: the two do not differ",
        "VIOLATED": f"{op}: an input tells the two apart: {row.note}",
    }
    model: ModelRef | None = None if found is None else model_ref(found.model)
    return Result(
        verb="distinguish",
        verdict=row.verdict,
        message=said.get(row.verdict, f"{op}: not decided: {row.note}"),
        model=model,
        profile=" / ".join(profiles),
        queries=(row,),
        separations=None if found is None or op not in LAYERS else (_separation(op, found, profiles),),
        versions=versions("z3-solver"),
        seed=seed,
    )


def _separation(op: str, found: Separator, profiles: tuple[str, str]) -> Separation:
    """The layer's only channel; its accumulators are those of every input code."""
    programs = [lower(found.model, profile) for profile in profiles]
    stairs = [_last_stairs(program) for program in programs]
    bias = int(found.model.tensors[found.model.operators[0].inputs[2]].data.reshape(-1)[0])  # type: ignore[union-attr]
    acc = bias + int(found.x.reshape(-1)[0])
    every = separated(stairs[0].rule, stairs[1].rule, (0, 0))
    reach = bias - 128, bias + 127
    return Separation(
        op_index=0,
        op=op,
        channel=0,
        first=said_of(stairs[0].rule, 0),
        second=said_of(stairs[1].rule, 0),
        reach=reach,
        accumulators=every.within(*reach).count,
        everywhere=every.count,
        accumulator=acc,
        values=(int(found.first.reshape(-1)[0]), int(found.second.reshape(-1)[0])),
    )
