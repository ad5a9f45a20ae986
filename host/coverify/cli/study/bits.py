"""The study of widths on the command line: networks, a campaign for each, what differs, the device."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coverify.cli.campaign import How
from coverify.cli.network import OUTSIDE_BOXES
from coverify.cli.outcome import Output, interruptible
from coverify.cli.study.device import Key, Said, Trial, agreed, note_replays
from coverify.cli.study.networks import Width
from coverify.cli.study.options import Data, Prepared, RobustnessOptions, decided, prepared
from coverify.cli.study.result import study_result
from coverify.cli.verify import robustness_work
from coverify.files import replace_file
from coverify.npy import npz_bytes
from coverify.report import CarriedRow, ChangeRow, Query, Result, Study, WidthRow
from coverify.report.chart import draw_charts
from coverify.report.grade import is_weak
from coverify.report.plain import plural
from coverify.report.study_plot import widths_chart
from coverify.study.widths import Carried, Standing, carried, changes
from coverify.verify.query import I64Array
from coverify.verify.witness import Witness

NOT_COVERED = (OUTSIDE_BOXES,)


@dataclass(frozen=True, eq=False)
class Answered:
    """What became of one width's inputs; witnesses: input → pixels; files: input → witness file."""

    width: Width
    row: WidthRow
    standings: dict[int, Standing]
    witnesses: dict[int, I64Array] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)


def studied(options: RobustnessOptions, output: Output) -> Result:
    """The whole study.  Raises BadInput, KeyboardInterrupt."""
    out = options.folder(output)
    start = prepared(options, out, output)
    data, widths = start.data, start.networks.widths
    answers = list[Answered]()

    def so_far() -> Result | None:
        begun = interrupted("study-bits", options, start, answers, output)
        if begun is None:
            return None
        study = _study(options, start, [*answers, *begun.widths])
        return study_result(start, study, Said(), max(1, open_queries(study)), begun.message, NOT_COVERED)

    with interruptible(so_far):
        for width in widths:
            answers.append(answered(options, data, width, out))
        study, said = _on_device(options, data, answers, _study(options, start, answers), output)
    draw_charts(out, {"bits": widths_chart(study)})
    message = _message(study, open_queries(study), said.contradicted)
    return study_result(start, study, said, open_queries(study), message, NOT_COVERED)


@dataclass(frozen=True, eq=False)
class Begun:
    """What an interrupted study has besides what it finished: the width with answers so far in its folder."""

    widths: list[Answered]
    message: str


def interrupted(
    verb: str, options: RobustnessOptions, start: Prepared, answers: Sequence[Answered], output: Output
) -> Begun | None:
    """None where nothing is finished and an earlier result of the verb is there, which stays."""
    if not answers and output.earlier(verb) is not None:
        return None
    widths = start.networks.widths
    begun = [answered(options, start.data, width) for width in widths[len(answers) :][:1]]
    n = plural(len(widths), "network")
    return Begun(begun, f"interrupted: {len(answers)} of {n} asked about every input")


def open_queries(study: Study) -> int:
    """Queries that are not decided, those about the real numbers included."""
    return sum(row.open for row in study.widths) + (0 if study.real is None else study.real.open)


def answered(options: RobustnessOptions, data: Data, width: Width, out: Path | None = None) -> Answered:
    """Ask one width about every input that it classifies correctly; without a folder, about none."""
    classes = width.classes(data.pixels)
    right = classes == data.labels
    standings = {i: Standing.OPEN if right[i] else Standing.WRONG for i in data.indices}
    rows: Sequence[Query] = ()
    folder = Path(width.stem) if out is None else out / width.stem
    tried = [i for i in data.indices if right[i]]
    if tried and out is not None:
        inputs = _inputs_file(width, data, out)
        index = ",".join(map(str, tried))
        work = robustness_work(width.path, "tflm", inputs, index, options.eps, folder, options.seed)
        how = How(options.engine, options.timeout_s, options.seed, options.jobs, fresh=options.fresh)
        result = decided(work, how, folder)
        rows = [row for row in result.queries or () if row.index in standings and row.eps == options.eps]
    witnesses, files = {}, {}
    for query in rows:
        assert query.index is not None
        standings[query.index] = Standing.of(query.verdict)
        if is_weak(query):
            standings[query.index] = Standing.OPEN
        if query.witness is not None:
            files[query.index] = f"{width.stem}/{query.witness}"
            x = Witness.read(folder / query.witness).x.reshape(-1).astype(np.int64)
            witnesses[query.index] = x + width.shift
    return Answered(width, _row(width, data, right, standings, rows), standings, witnesses, files)


def _inputs_file(width: Width, data: Data, out: Path) -> Path:
    """The inputs as the network's file takes them; written once."""
    codes = (data.pixels - width.shift).astype(np.int8 if width.deployable else np.uint8)
    shape = width.network.subject.shape if width.deployable else (codes.shape[1],)
    digest = hashlib.sha256(repr(shape).encode() + codes.tobytes() + data.labels.tobytes()).hexdigest()[:8]
    path = out / "networks" / f"inputs-{'int8' if width.deployable else 'pixels'}-{digest}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        replace_file(path, npz_bytes({"x": codes.reshape(len(codes), *shape), "y": data.labels}))
    return path


def _row(
    width: Width, data: Data, right: NDArray[np.bool_], standings: dict[int, Standing], rows: Sequence[Query]
) -> WidthRow:  # fmt: skip
    counts = {kind: sum(found is kind for found in standings.values()) for kind in Standing}
    return WidthRow(
        scheme=width.scheme,
        bits=width.bits,
        model=width.network.ref,
        samples=len(data.labels),
        right=int(right.sum()),
        wrong=counts[Standing.WRONG],
        robust=counts[Standing.ROBUST],
        broken=counts[Standing.BROKEN],
        open=counts[Standing.OPEN],
        time_s=sum(row.time_s for row in rows),
        folder=width.stem,
    )


def by_scheme(answers: Sequence[Answered]) -> dict[str, list[Answered]]:
    """The widths of every scheme, fewest bits first."""
    found: dict[str, list[Answered]] = {}
    for answer in sorted(answers, key=lambda a: a.width.bits):
        found.setdefault(answer.width.scheme, []).append(answer)
    return found


def _study(options: RobustnessOptions, start: Prepared, answers: Sequence[Answered]) -> Study:
    changed: list[ChangeRow] = []
    rows: list[CarriedRow] = []
    for group in by_scheme(answers).values():
        changed += _changes(start.data, group)
        rows += [_carried_row(group, found) for found in _carried(start.data, group)]
    return Study(
        kind="bits",
        eps=options.eps,
        original=start.original,
        original_right=start.original_right,
        widths=tuple(answer.row for answer in answers),
        changes=tuple(changed),
        carried=tuple(rows),
    )


def _changes(data: Data, group: Sequence[Answered]) -> list[ChangeRow]:
    rows = []
    for change in changes([answer.standings for answer in group]):
        robust, broken = group[change.robust], group[change.broken]
        x = broken.witnesses.get(change.index, data.pixels[change.index])
        predicted = broken.width.classes(x[None])[0]
        rows.append(
            ChangeRow(
                index=change.index,
                scheme=robust.width.scheme,
                robust_bits=robust.width.bits,
                broken_bits=broken.width.bits,
                label=int(data.labels[change.index]),
                predicted=int(predicted),
                witness=broken.files.get(change.index),
            )
        )
    return rows


def _carried(data: Data, group: Sequence[Answered]) -> list[Carried]:
    def keeps(number: int, index: int, x: I64Array) -> bool:
        return int(group[number].width.classes(x[None])[0]) == int(data.labels[index])

    return carried([a.witnesses for a in group], [a.standings for a in group], keeps)


def _carried_row(group: Sequence[Answered], found: Carried) -> CarriedRow:
    first, second = group[found.first].width, group[found.second].width
    return CarriedRow(
        scheme=first.scheme,
        from_bits=first.bits,
        to_bits=second.bits,
        tried=found.tried,
        breaking=found.breaking,
        failing=found.failing,
    )


def _on_device(
    options: RobustnessOptions, data: Data, answers: Sequence[Answered], study: Study, output: Output
) -> tuple[Study, Said]:
    """The study with what the device says of every witness at every deployable width."""
    deployed = [answer for answer in answers if answer.width.deployable]
    if options.device is None or not deployed:
        return study, Said()
    trials = []
    wrong = {(row.scheme, row.broken_bits, row.index) for row in study.changes if row.witness is None}
    for group in by_scheme(deployed).values():
        points = {(a.width.scheme, a.width.bits, i): x for a in group for i, x in sorted(a.witnesses.items())}
        points |= {key: data.pixels[key[2]] for key in sorted(wrong) if key[0] == group[0].width.scheme}
        if points:
            xs = np.stack(list(points.values()))
            trials += [Trial(answer.width, list(points), xs) for answer in group]
    said = agreed(options.device, trials, output)
    same = said.same
    note_own(deployed, same, options.folder(output))

    def both(scheme: str, first: int, second: int, index: int) -> bool:
        """Do both networks give, on the device, the reference's output for the witness of the first?"""
        key = (scheme, first, index)
        return same[scheme, first][key] and same[scheme, second][key]

    def change(row: ChangeRow) -> ChangeRow:
        if (row.scheme, row.robust_bits) not in same:
            return row
        done = both(row.scheme, row.broken_bits, row.robust_bits, row.index)
        return row.model_copy(update={"on_device": "CONFIRMED" if done else "REFUTED"})

    def carry(row: CarriedRow) -> CarriedRow:
        if (row.scheme, row.from_bits) not in same:
            return row
        first = next(a for a in deployed if (a.width.scheme, a.width.bits) == (row.scheme, row.from_bits))
        second = next(a for a in deployed if (a.width.scheme, a.width.bits) == (row.scheme, row.to_bits))
        tried = [i for i in first.witnesses if second.standings.get(i) is not Standing.WRONG]
        n = sum(both(row.scheme, row.from_bits, row.to_bits, i) for i in tried)
        return row.model_copy(update={"on_device": n})

    found = {"changes": tuple(map(change, study.changes)), "carried": tuple(map(carry, study.carried))}
    return study.model_copy(update=found), said


def note_own(
    deployed: Sequence[Answered], same: Mapping[tuple[str, int], Mapping[Key, bool]], out: Path
) -> None:
    """Keep with each width's queries what the device said of its own counterexamples."""
    for answer in deployed:
        width = answer.width
        by_key = same.get((width.scheme, width.bits), {})
        own = {i: by_key[key] for i in answer.witnesses if (key := (width.scheme, width.bits, i)) in by_key}
        note_replays(out / width.stem, own)


def _message(study: Study, n_open: int, contradicted: bool) -> str:
    if contradicted:
        return "the device computes other outputs than the reference on some witness"
    lost = sum(row.lost for row in study.changes)
    said = (
        f"{plural(len(study.widths), 'network')}; more bits lose an input's robustness {plural(lost, 'time')}"
    )
    return said + (f"; {plural(n_open, 'open query', 'open queries')}" if n_open else "")
