"""The study of fairness on the command line: the largest gap between copies at each width, and the device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from coverify.cli.outcome import Output, versions
from coverify.cli.progress import Bar, progress_bar
from coverify.cli.samples import parse_indices
from coverify.cli.study.device import Said, Trial, agreed
from coverify.cli.study.gap_certificates import certified
from coverify.cli.study.gap_file import NAME, GapFile, question_digest
from coverify.cli.study.networks import Width
from coverify.cli.study.options import Data, Options, prepared
from coverify.cli.study.result import study_result
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.npy import npz_bytes
from coverify.report import GapRow, Result, Study
from coverify.report.chart import draw_charts
from coverify.report.study_plot import gaps_chart
from coverify.study.flips import assignments, flipped
from coverify.study.gap import Gap, largest
from coverify.study.twins import Group, Twins, groups
from coverify.verify.query import I64Array, Outcome, Robustness
from coverify.verify.worker import Worker
from tflm_int8.program.primitives import Program

NOT_COVERED: Final = "inputs outside the data's ranges, features beside those named"
FEW: Final = 4
"""A protected feature with so many different codes in the data takes these alone."""
MAX_ASSIGNMENTS: Final = 64
MAX_PROTECTED: Final = 100


@dataclass(frozen=True)
class FairnessOptions(Options):
    """eps: of copies near an input, None: of all the data's ranges; score: the output whose gap is asked."""

    eps: int | None
    protected: str
    score: int | None


@dataclass(frozen=True, eq=False)
class Protected:
    """features: their numbers; values: the codes of each, None for all of its range."""

    features: tuple[int, ...]
    values: tuple[tuple[int, ...] | None, ...]

    @staticmethod
    def of(text: str, pixels: I64Array) -> Protected:
        """Raises BadInput."""
        features = tuple(parse_indices(text, pixels.shape[1], "--protected"))
        if len(features) > MAX_PROTECTED:
            raise BadInput(f"--protected {text}: {len(features)} features; at most {MAX_PROTECTED} are taken")
        codes = [tuple(np.unique(pixels[:, k]).tolist()) for k in features]
        values = tuple(found if len(found) <= FEW else None for found in codes)
        n = math.prod(len(v) for v in values if v is not None)
        if n > MAX_ASSIGNMENTS:
            raise BadInput(f"--protected {text}: {n} assignments; at most {MAX_ASSIGNMENTS} are asked about")
        if all(len(found) == 1 for found in codes):
            raise BadInput(f"--protected {text}: the data have one value of it, two are needed")
        return Protected(features, values)

    def choices(self, pixels: I64Array) -> list[Sequence[int]]:
        """The codes of each feature, those of its whole range where it has one."""
        ends = zip(pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist(), strict=True)
        ranges = [range(lo, hi + 1) for lo, hi in ends]
        return [
            found if found is not None else ranges[k]
            for k, found in zip(self.features, self.values, strict=True)
        ]


def studied(options: FairnessOptions, output: Output) -> Result:
    """The whole study.  Raises BadInput."""
    if options.index is not None and options.eps is None:
        raise BadInput(
            f"--index {options.index} needs --eps N: without, all of the data's ranges are asked about"
        )
    out = options.folder(output)
    start = prepared(options, out, output)
    question = _Question.of(options, start.data, out)
    gaps, rows = list[Gap](), list[GapRow]()
    with progress_bar() as progress:
        bar = Bar(progress, "networks")
        for width in start.networks.widths:
            gap, row = question.answered(width)
            gaps.append(gap)
            rows.append(row)
            bar(len(rows), len(start.networks.widths))
    rows, said = _on_device(options, start.networks.widths, gaps, rows, output)
    study = Study(
        kind="fairness",
        eps=options.eps,
        original=start.original,
        original_right=start.original_right,
        protected=question.protected.features,
        gaps=tuple(rows),
    )
    draw_charts(out, {"fairness": gaps_chart(study)})
    n_open = sum(not row.closed for row in rows)
    message = f"the largest gap is known exactly of {len(rows) - n_open} of {len(rows)} networks"
    return study_result(start, study, said, n_open, message, question.not_covered)


@dataclass(frozen=True, eq=False)
class _Question:
    """What is asked of every network.

    tried: the values of the protected features that the data's inputs are given to see whether the class
    changes, int64 [k, features]; complete: are these all that there are?  out: the study's folder.
    """

    options: FairnessOptions
    data: Data
    protected: Protected
    tried: I64Array
    complete: bool
    out: Path

    @staticmethod
    def of(options: FairnessOptions, data: Data, out: Path) -> _Question:
        """Raises BadInput."""
        protected = Protected.of(options.protected, data.pixels)
        tried, complete = assignments(protected.choices(data.pixels), options.seed)
        return _Question(options, data, protected, tried, complete, out)

    @property
    def not_covered(self) -> list[str]:
        """What no answer covers."""
        said = [NOT_COVERED]
        if not self.complete:
            n = len(self.tried)
            said.append(f"inputs flipped by other values of the protected features than {n} sampled ones")
        if self.options.eps is not None:
            n = len(self.data.indices)
            whose = f"input {self.data.indices[0]}" if n == 1 else f"the {n} inputs asked about"
            away = f"copies further than {self.options.eps} codes from {whose}"
            said.append(f"{away}; flipped inputs are counted of all")
        return said

    def answered(self, width: Width) -> tuple[Gap, GapRow]:
        """The largest gap of a network, whose certificates and pair are written, and its row.

        Raises BadInput where it is not said which output is the score.
        """
        options, folder = self.options, self.out / width.stem
        twins = Twins(width.network.program, self.protected.features, _score(self.options.score, width))
        parts = self._parts(width.shift)
        gap = self._gap(twins, parts, width, folder / NAME)
        n = certified(width, twins, parts, gap.at_most, folder, options.timeout_s, options.jobs)
        return gap, self._row(width, gap, len(parts), n)

    def _parts(self, shift: int) -> list[Group]:
        """The boxes of both copies, in the network's codes."""
        pixels, features = self.data.pixels, list(self.protected.features)
        lo, hi = pixels.min(axis=0), pixels.max(axis=0)
        boxes = [(lo, hi)]
        if (eps := self.options.eps) is not None:
            near = pixels[self.data.indices]
            boxes = [(np.maximum(x - eps, lo), np.minimum(x + eps, hi)) for x in near]
            for least, most in boxes:
                least[features], most[features] = lo[features], hi[features]
        values = [None if v is None else [code - shift for code in v] for v in self.protected.values]
        return [
            group
            for least, most in boxes
            for group in groups(least - shift, most - shift, self.protected.features, values)
        ]

    def _gap(self, twins: Twins, parts: Sequence[Group], width: Width, path: Path) -> Gap:
        """From where `path` says that an earlier run was ended; its pair in pixels."""
        options = self.options
        said = width.network.ref.sha256, options.engine, str(options.seed), versions()["coverify"]
        file = GapFile(path, question_digest(twins, parts, *said), options.timeout_s)
        known = None if options.fresh else file.read(twins, parts)
        with Worker(width.network.program, jobs=options.jobs) as worker:

            def decide(program: Program, query: Robustness) -> Outcome:
                worker.program = program
                return worker.decide(query, options.engine, options.timeout_s, options.seed)

            gap = largest(twins, parts, decide, options.seed, options.timeout_s, known, file.write)
        return replace(gap, pair=(gap.pair[0] + width.shift, gap.pair[1] + width.shift))

    def _row(self, width: Width, gap: Gap, n_boxes: int, n_certificates: int) -> GapRow:
        """The row of a network, whose pair is written."""
        pair = np.stack(gap.pair)
        replace_file(self.out / f"pair-{width.stem}.npz", npz_bytes({"x": pair.astype(np.uint8)}))
        ends = width.classes(pair)
        pixels, labels = self.data.pixels, self.data.labels
        return GapRow(
            scheme=width.scheme,
            bits=width.bits,
            model=width.network.ref,
            samples=len(labels),
            right=int((width.classes(pixels) == labels).sum()),
            flipped=flipped(width.classes, pixels, self.protected.features, self.tried),
            sampled=not self.complete,
            at_least=gap.at_least,
            at_most=gap.at_most,
            unit=width.unit,
            queries=gap.queries,
            time_s=gap.time_s,
            boxes=n_boxes,
            certificates=n_certificates,
            pair=f"pair-{width.stem}.npz",
            pair_flips=bool(ends[0] != ends[1]),
        )


def _score(chosen: int | None, width: Width) -> I64Array:
    """The score's weights, int64 [n_out]: output 1 minus output 0 of two, or the chosen one.  BadInput."""
    program = width.network.program
    n = program.sizes()[program.output]
    score = np.zeros(n, np.int64)
    if chosen is not None:
        if chosen >= n:
            raise BadInput(f"--score {chosen}: {width.network.name} has {n} outputs")
        score[chosen] = 1
    elif n == 2:
        score[:] = -1, 1
    else:
        raise BadInput(f"--score K is needed: {width.network.name} has {n} outputs")
    return score


def _on_device(
    options: Options, widths: Sequence[Width], gaps: Sequence[Gap], rows: Sequence[GapRow], output: Output
) -> tuple[list[GapRow], Said]:
    """The rows with whether both copies of the pair get the reference's outputs on the device."""
    places = [i for i, width in enumerate(widths) if width.deployable]
    if options.device is None or not places:
        return list(rows), Said()
    trials = [
        Trial(widths[i], [(widths[i].scheme, widths[i].bits, k) for k in (0, 1)], np.stack(gaps[i].pair))
        for i in places
    ]
    said = agreed(options.device, trials, output)
    found = list(rows)
    for i in places:
        same = all(said.same[widths[i].scheme, widths[i].bits].values())
        found[i] = rows[i].model_copy(update={"on_device": "CONFIRMED" if same else "REFUTED"})
    return found, said
