"""coverify kernels: a device's operators over a grid of shapes, on inputs that tell variants apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from coverify.boards.device import open_device
from coverify.cli.devices import DeviceOption, Ending, WireLogOption, device_limits, device_row, ending
from coverify.cli.distinguish.operator import differing_accumulators
from coverify.cli.outcome import JsonOption, OutOption, Output, ProfileOption, run_verb, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.conformance.suite.case import Case
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.rivals_grid import rival_cases
from coverify.conformance.suite.run import Suite
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.report import Diagnosis, KernelRow, Result, Verdict
from tflm_int8 import Reference, UnsupportedOp
from tflm_int8.profiles import profile_named


def kernels(
    device: DeviceOption,
    op: Annotated[
        list[str] | None, typer.Option("--op", metavar="OP", help="Only this operator; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only N cases of each operator: one of every class of shapes, then more."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of weights and inputs.")] = 0,
    profile: ProfileOption = "tflm",
    out: OutOption = None,
    json: JsonOption = None,
    wire_log: WireLogOption = None,
) -> None:
    """Run models of one operator over a grid of shapes on DEVICE and compare every output byte.

    MATCH exits with 0, MISMATCH with 1 (with --out the failing models and inputs are kept, ready for
    `coverify diagnose`). The result says, for every class of shapes, which wrong variants would have shown.
    Among the inputs are some that were searched for, to tell the profile from each other one.

    Example: coverify kernels --device qemu:mps2-an386 --op CONV_2D --op ADD --out run
    """
    output = Output(json, out)

    def body() -> Result:
        known = {name.upper(): name for name in GRIDS}
        chosen = [known.get(name.upper(), name) for name in op] if op else list(GRIDS)
        for name in chosen:
            if name not in GRIDS:
                raise BadInput(f"{name}: the suite has {', '.join(sorted(GRIDS))}")
        return run_plan(Plan(chosen, limit, profile_named(profile).name, seed), device, wire_log, output)

    run_verb("kernels", output, body)


@dataclass
class Plan:
    """The cases of a run under a profile, and what the profile refuses of those that were asked for."""

    names: list[str]
    limit: int | None
    profile: str
    seed: int
    cases: list[Case] = field(default_factory=list)
    refused: tuple[str, ...] = ()

    def prepare(self, bar: Bar) -> None:
        """Fill `cases` and `refused`: many seconds, so the device has answered before."""
        chosen: list[Case] = []
        refused: dict[str, int] = {}
        profile, seed = self.profile, self.seed
        for i, name in enumerate(self.names):
            bar(i, len(self.names))
            cases = list(GRIDS[name](name, seed))
            for case in (
                *spread(cases, self.limit),
                *rival_cases(name, profile, seed, differing_accumulators),
            ):
                try:
                    Reference(case.model, profile)
                    chosen.append(case)
                except UnsupportedOp as refusal:
                    why = f"{name}: {refusal.why}"
                    refused[why] = refused.get(why, 0) + 1
        self.cases = chosen
        self.refused = tuple(f"{n} cases that profile {profile} refuses: {why}" for why, n in refused.items())


def spread(cases: list[Case], limit: int | None) -> list[Case]:
    """At most `limit` cases in their order: the middle one of every class of shapes, then more of each."""
    if limit is None:
        return cases
    by_class: dict[str, list[int]] = {}
    for i, case in enumerate(cases):
        by_class.setdefault(case.shape_class, []).append(i)
    ranked = [
        (rank, number, place)
        for number, places in enumerate(by_class.values())
        for rank, place in enumerate(_outwards(places))
    ]
    return [cases[i] for i in sorted(place for _, _, place in sorted(ranked)[:limit])]


def _outwards(places: list[int]) -> list[int]:
    middle = (places[0] + places[-1]) / 2
    return [place for _, place in sorted((abs(place - middle), place) for place in places)]


def run_plan(plan: Plan, url: str, wire_log: Path | None, output: Output) -> Result:
    """Open the device, prepare the cases, run them.  Raises BoardError, ToolMissing, Interrupted."""
    row = None
    found: list[Diagnosis] = []
    suite = None

    def failed(case: Case, diagnoses: tuple[Diagnosis, ...]) -> None:
        found.extend(d.model_copy(update={"part": case.model.name}) for d in diagnoses)
        if output.out is not None:
            _keep(output.out, case)

    with (
        ending(lambda: suite is not None and suite.rows) as end,
        open_device(url, wire_log=wire_log) as device,
    ):
        row = device_row(device)
        with progress_bar() as progress:
            plan.prepare(Bar(progress, "operators prepared"))
        suite = Suite(device.client, failed, plan.profile)
        with progress_bar() as progress:
            bar = Bar(progress, "cases")
            for i, case in enumerate(plan.cases):
                suite.run([case])
                bar(i + 1, len(plan.cases))
    rows, refusals = (suite.rows, suite.refusals) if suite is not None else ((), ())
    found_so_far = verdict_of_rows(rows)
    result = Result(
        verb="kernels",
        verdict=end.verdict(found_so_far),
        message=end.message(_said(rows), found_so_far == "MISMATCH"),
        device=row,
        profile=plan.profile,
        bytes_compared=sum(r.bytes for r in rows),
        kernels=rows,
        diagnoses=tuple(found),
        not_covered=(
            *_left(plan, rows, end),
            *plan.refused,
            *refusals,
            *_never_separated(rows),
            *device_limits(url),
        ),
        versions=versions(),
        seed=plan.seed,
    )
    return end.passed_on(result)


def _left(plan: Plan, rows: tuple[KernelRow, ...], end: Ending) -> list[str]:
    ran, all_of_them = sum(r.cases for r in rows), len(plan.cases)
    if not end.early:
        return []
    left = f"{all_of_them - ran} of {all_of_them}" if all_of_them else "all"
    return [f"{left} cases: the run ended early"]


def _keep(folder: Path, case: Case) -> None:
    """The failing model and its inputs, for `coverify diagnose`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / case.model.name
    replace_file(path, case.model.content)
    np.savez(path.with_suffix(".npz"), x=case.x)


def verdict_of_rows(rows: tuple[KernelRow, ...]) -> Verdict:
    """FLAKY, MISMATCH, MATCH; UNSUPPORTED when the device refused everything."""
    if any(r.flaky for r in rows):
        return "FLAKY"
    if any(r.differing for r in rows):
        return "MISMATCH"
    ran = sum(r.cases - r.refused for r in rows)
    return "MATCH" if ran else "UNSUPPORTED" if rows else "UNKNOWN"


def _said(rows: tuple[KernelRow, ...]) -> str:
    cases, refused, differing = (sum(getattr(r, n) for r in rows) for n in ("cases", "refused", "differing"))
    wrong = next((r for r in rows if r.differing), None)
    where = f"; first {wrong.op}, {wrong.shape_class}: {wrong.first}" if wrong is not None else ""
    return f"{differing} of {cases - refused} cases differ{where}; the device refused {refused}"


def _never_separated(rows: tuple[KernelRow, ...]) -> list[str]:
    """Per operator, the variants that no input of the suite would have shown."""
    shown: dict[str, dict[str, int]] = {}
    for r in rows:
        for variant in r.separated:
            counts = shown.setdefault(r.op, {})
            counts[variant.name] = counts.get(variant.name, 0) + variant.cases
    hidden = {op: sorted(n for n, c in counts.items() if not c) for op, counts in shown.items()}
    return [
        f"{op}: no input of this run would show {', '.join(names)[:3000]}"
        for op, names in hidden.items()
        if names
    ]
