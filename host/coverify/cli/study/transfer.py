"""The study of transfer on the command line: the float network's verdicts against those of its widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from coverify.cli.outcome import Output, interruptible
from coverify.cli.study.bits import Answered, answered, interrupted, note_own, open_queries
from coverify.cli.study.device import Key, Said, Trial, agreed
from coverify.cli.study.networks import Width
from coverify.cli.study.options import Data, Prepared, RobustnessOptions, prepared
from coverify.cli.study.reals import NOT_COVERED, FloatAnswered, float_answers
from coverify.cli.study.result import study_result
from coverify.errors import BadInput
from coverify.report import ExampleRow, Result, Study, TransferRow
from coverify.report.chart import draw_charts
from coverify.report.plain import plural
from coverify.report.study_plot import transfer_charts
from coverify.report.study_rows import Example
from coverify.study.transfer import Transfer
from coverify.study.widths import Standing
from coverify.verify.query import I64Array

_FLOAT = "float"
OF_FLOAT: Final[tuple[Example, ...]] = ("false vulnerable", "float counterexample fails")
"""Examples whose witness is of the float network."""


@dataclass(frozen=True, eq=False)
class _Tried:
    """Counterexamples of one network tried on another that classifies the input itself correctly."""

    inputs: tuple[int, ...]
    failing: tuple[int, ...]


def studied(options: RobustnessOptions, output: Output) -> Result:
    """The whole study.  Raises BadInput, KeyboardInterrupt."""
    out = options.folder(output)
    start = prepared(options, out, output)
    data, widths = start.data, start.networks.widths
    if start.networks.original is None:
        raise BadInput(
            "one float network is needed: its verdicts are held against those of its quantized versions"
        )
    real = float_answers(options, options.eps, data, out)
    answers = list[Answered]()

    def so_far() -> Result | None:
        begun = interrupted("study-transfer", options, start, answers, output)
        if begun is None:
            return None
        study = _study(options, start, real, [*answers, *begun.widths])
        return study_result(start, study, Said(), max(1, open_queries(study)), begun.message, NOT_COVERED)

    with interruptible(so_far):
        for width in widths:
            answers.append(answered(options, data, width, out))
        study = _study(options, start, real, answers)
        study, said = _on_device(options, data, real, answers, study, output)
    draw_charts(out, transfer_charts(study))
    message = _message(study, open_queries(study), said.contradicted)
    return study_result(start, study, said, open_queries(study), message, NOT_COVERED)


def _study(
    options: RobustnessOptions, start: Prepared, real: FloatAnswered, answers: Sequence[Answered]
) -> Study:
    rows, examples = [], []
    for answer in answers:
        row, found = _compared(start.data, real, answer)
        rows.append(row)
        examples += found
    return Study(
        kind="transfer",
        eps=options.eps,
        original=start.original,
        original_right=int((real.network.classes(start.data.pixels) == start.data.labels).sum()),
        real=real.row,
        widths=tuple(answer.row for answer in answers),
        transfers=tuple(rows),
        examples=tuple(examples),
    )


def _message(study: Study, n_open: int, contradicted: bool) -> str:
    if contradicted:
        return "the device computes other outputs than the reference on some counterexample"
    robust, vulnerable = (
        sum(getattr(row, name) for row in study.transfers) for name in ("false_robust", "false_vulnerable")
    )
    said = f"{plural(len(study.transfers), 'network')}; {plural(robust, 'time')} falsely robust, "
    said += f"{vulnerable} falsely vulnerable"
    return said + (f"; {plural(n_open, 'open query', 'open queries')}" if n_open else "")


def _compared(data: Data, real: FloatAnswered, answer: Answered) -> tuple[TransferRow, list[ExampleRow]]:
    """One width against the float network."""
    found = Transfer.of(real.standings, answer.standings)
    there, back = _there(data, real, answer), _back(data, real, answer)
    width = answer.width
    row = TransferRow(
        scheme=width.scheme,
        bits=width.bits,
        both_robust=len(found.both_robust),
        both_vulnerable=len(found.both_vulnerable),
        false_robust=len(found.false_robust),
        false_vulnerable=len(found.false_vulnerable),
        open=len(found.open),
        misclassified=len(found.misclassified),
        from_float=len(there.inputs),
        from_float_breaking=len(there.inputs) - len(there.failing),
        to_float=len(back.inputs),
        to_float_breaking=len(back.inputs) - len(back.failing),
    )
    return row, _examples(data, real, answer, found, (there, back))


def _examples(
    data: Data, real: FloatAnswered, answer: Answered, found: Transfer, tried: tuple[_Tried, _Tried]
) -> list[ExampleRow]:
    """Every false verdict; every counterexample that fails although both networks are vulnerable."""
    vulnerable = set(found.both_vulnerable)
    there, back = ([i for i in one.failing if i in vulnerable] for one in tried)
    kinds: list[tuple[Example, Sequence[int]]] = [
        ("false robust", found.false_robust),
        ("false vulnerable", found.false_vulnerable),
        ("float counterexample fails", there),
        ("quantized counterexample fails", back),
    ]
    breaking = {i: answer.witnesses.get(i, data.pixels[i]) for i in (*found.false_robust, *back)}
    classes = _classes(answer.width, breaking)
    rows = []
    for kind, inputs in kinds:
        for i in inputs:
            predicted, file = (
                (_float_class(data, real, i), real.files.get(i))
                if kind in OF_FLOAT
                else (classes[i], answer.files.get(i))
            )
            rows.append(
                ExampleRow(
                    kind=kind,
                    scheme=answer.width.scheme,
                    bits=answer.width.bits,
                    index=i,
                    label=int(data.labels[i]),
                    predicted=predicted,
                    witness=file,
                )
            )
    return rows


def _float_class(data: Data, real: FloatAnswered, i: int) -> int:
    """What the float network says of its counterexample, or of the input where that is one."""
    return real.network.predicted(real.points.get(i, data.pixels[i].astype(np.float64)))


def _there(data: Data, real: FloatAnswered, answer: Answered) -> _Tried:
    """The float network's counterexamples, rounded to codes, on the quantized network."""
    inputs = [i for i in real.points if answer.standings[i] is not Standing.WRONG]
    said = _classes(answer.width, {i: _codes(real, i) for i in inputs})
    return _Tried(tuple(inputs), tuple(i for i in inputs if said[i] == data.labels[i]))


def _back(data: Data, real: FloatAnswered, answer: Answered) -> _Tried:
    """The quantized network's counterexamples on the float network."""
    inputs = [i for i in answer.witnesses if real.standings[i] is not Standing.WRONG]
    points = {i: answer.witnesses[i].astype(np.float64) for i in inputs}
    failing = [i for i in inputs if real.network.predicted(points[i]) == data.labels[i]]
    return _Tried(tuple(inputs), tuple(failing))


def _codes(real: FloatAnswered, i: int) -> I64Array:
    """The codes nearest to a counterexample of the float network."""
    codes: I64Array = np.rint(real.points[i]).astype(np.int64)
    return codes


def _classes(width: Width, xs: dict[int, I64Array]) -> dict[int, int]:
    """The quantized network's classes, by the same keys."""
    if not xs:
        return {}
    said = width.classes(np.stack(list(xs.values())))
    return dict(zip(xs, map(int, said), strict=True))


def _on_device(
    options: RobustnessOptions,
    data: Data,
    real: FloatAnswered,
    answers: Sequence[Answered],
    study: Study,
    output: Output,
) -> tuple[Study, Said]:
    """The study with what the device says of every counterexample at its widths."""
    deployed = [answer for answer in answers if answer.width.deployable]
    if options.device is None or not deployed:
        return study, Said()
    trials = []
    for answer in deployed:
        width = answer.width
        xs: dict[Key, I64Array] = {(width.scheme, width.bits, i): x for i, x in answer.witnesses.items()}
        xs |= {(_FLOAT, 0, i): _codes(real, i) for i in real.points}
        xs |= {
            (width.scheme, width.bits, i): data.pixels[i]
            for i, standing in answer.standings.items()
            if standing is Standing.WRONG
        }
        if xs:
            trials.append(Trial(width, list(xs), np.stack(list(xs.values()))))
    said = agreed(options.device, trials, output)
    note_own(deployed, said.same, options.folder(output))

    def replayed(row: TransferRow) -> TransferRow:
        by_key = said.same.get((row.scheme, row.bits))
        if by_key is None:
            return row
        return row.model_copy(update={"replayed": len(by_key), "replayed_same": sum(by_key.values())})

    def example(row: ExampleRow) -> ExampleRow:
        by_key = said.same.get((row.scheme, row.bits), {})
        key = (_FLOAT, 0, row.index) if row.kind in OF_FLOAT else (row.scheme, row.bits, row.index)
        same = by_key.get(key)
        if same is None:
            return row
        return row.model_copy(update={"on_device": "CONFIRMED" if same else "REFUTED"})

    found = {
        "transfers": tuple(map(replayed, study.transfers)),
        "examples": tuple(map(example, study.examples)),
    }
    return study.model_copy(update=found), said
