"""The float network of a study as a campaign of its own: journal, counterexamples as files, standings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from coverify.campaign.inquiry import Question
from coverify.campaign.pool import Task
from coverify.cli.campaign import How, Work
from coverify.cli.network import OUTSIDE_BOXES
from coverify.cli.outcome import versions
from coverify.cli.study.networks import input_range
from coverify.cli.study.options import Data, Options, decided
from coverify.errors import BadInput
from coverify.files import replace_file
from coverify.inputs import read_point
from coverify.npy import npz_bytes
from coverify.report import ModelRef, Query, RealRow, Result
from coverify.study.float_network import TOP_CODE, FloatNetwork
from coverify.study.reals.decide import RealBox
from coverify.study.reals.decider import ENGINE, Decider, RealOutcome, breaks
from coverify.study.reals.exact import ExactNetwork
from coverify.study.widths import Standing
from coverify.verify.property.claim import stays
from coverify.verify.property.question import Question as Asked
from coverify.verify.query import F64Array, Outcome, Robustness
from tflm_int8.program.primitives import Program

FOLDER = "float"
PROFILE = "real arithmetic"
"""Whose arithmetic it is about, in the place of a kernel profile."""
NOT_COVERED = (
    "the rounding of float runtimes: sums of the float network are exact",
    OUTSIDE_BOXES,
)


@dataclass(frozen=True, eq=False)
class FloatAnswered:
    """What became of the inputs; points: input → counterexample, float64 codes; files: input → its file."""

    network: ExactNetwork
    row: RealRow
    standings: dict[int, Standing]
    points: dict[int, F64Array] = field(default_factory=dict)
    files: dict[int, str] = field(default_factory=dict)


class _RealSolver(Decider):
    """Decides the tasks of a campaign by their boxes."""

    jobs = 1
    at_work = ("reals",)

    def answer(self, task: Task) -> Outcome:
        query = task.asked.query
        box = RealBox(query.x0.astype(np.int64), query.eps, query.label)
        return self.decide(box, task.timeout_s, task.seed)


def float_answers(options: Options, eps: int, data: Data, out: Path) -> FloatAnswered:
    """Ask the float network about every input that it classifies correctly.  Raises BadInput."""
    original = FloatNetwork.read(options.models[0])
    ref = options.original(original)
    assert ref is not None
    network = ExactNetwork.of(original, *input_range(options.input_range))
    folder = out / FOLDER
    classes = {i: network.predicted(data.pixels[i].astype(np.float64)) for i in data.indices}
    standings = {i: Standing.OPEN if classes[i] == data.labels[i] else Standing.WRONG for i in data.indices}
    right = [i for i in data.indices if standings[i] is Standing.OPEN]
    rows: Sequence[Query] = ()
    if right:
        work = _Asking(network, ref, data, options, folder).work(right, eps)
        result = decided(work, _how(options), folder)
        rows = [row for row in result.queries or () if row.index in standings and row.eps == eps]
    points, files = {}, {}
    for row in rows:
        assert row.index is not None
        standings[row.index] = Standing.of(row.verdict)
        if row.witness is not None:
            points[row.index] = _point(network, folder / row.witness, _box(data, row.index, eps))
            files[row.index] = f"{FOLDER}/{row.witness}"
    return FloatAnswered(network, _row(network, data, standings, points, rows), standings, points, files)


def _how(options: Options) -> How:
    return How(ENGINE, options.timeout_s, options.seed, options.jobs, fresh=options.fresh)


def _box(data: Data, i: int, eps: int) -> RealBox:
    return RealBox(data.pixels[i], eps, int(data.labels[i]))


def _point(network: ExactNetwork, path: Path, box: RealBox) -> F64Array:
    """The counterexample in a file, which must be one.  Raises BadInput."""
    point = read_point(path, network.n_input)
    if not breaks(network, box, point):
        raise BadInput(f"{path}: it is no counterexample of the float network; remove it, and run this again")
    return point


@dataclass(frozen=True, eq=False)
class _Asking:
    """The float network on a study's inputs, as a campaign asks it; folder: where its answers are kept."""

    network: ExactNetwork
    ref: ModelRef
    data: Data
    options: Options
    folder: Path

    def work(self, indices: Sequence[int], eps: int) -> Work:
        """The campaign of these inputs."""
        return Work(
            identity={
                "model": self.ref.sha256,
                "profile": PROFILE,
                "inputs": self.data.digest,
                "input range": self.options.input_range,
                "coverify": versions()["coverify"],
                "property": "the first maximum of the output stays the label, on every real input of the box",
                "question": "each radius",
            },
            indices=indices,
            radii=[eps],
            limit=None,
            asked=self._asked,
            row=self._row,
            result=Result(
                verb="verify",
                verdict="UNKNOWN",
                model=self.ref,
                profile=PROFILE,
                not_covered=NOT_COVERED,
                versions=versions("highspy"),
                seed=self.options.seed,
            ),
            solver=lambda task: _RealSolver(self.network),
        )

    def _asked(self, question: Question) -> Asked:
        """The box of codes around an input; of the network there is no integer program but its inputs."""
        inputs = Program(self.network.n_input, (), 0, input_lo=0, input_hi=TOP_CODE)
        x0, label = self.data.pixels[question.index].astype(np.int16), int(self.data.labels[question.index])
        return Asked(inputs, Robustness.around(x0, label, question.eps, None, 0, TOP_CODE), stays(label))

    def _row(self, question: Question, outcome: Outcome) -> Query:
        """The row of an answer, whose counterexample is written."""
        assert isinstance(outcome, RealOutcome)
        witness = predicted = None
        if outcome.point is not None:
            witness = f"point-{question.index}-eps{question.eps}.npz"
            predicted = self.network.predicted(outcome.point)
            replace_file(self.folder / witness, npz_bytes({"x": outcome.point}))
        return Query(
            index=question.index,
            eps=question.eps,
            verdict=outcome.verdict.value,
            engine=outcome.engine,
            time_s=outcome.time_s,
            witness=witness,
            label=int(self.data.labels[question.index]),
            predicted=predicted,
            note=outcome.note or None,
            proof=outcome.proof or None,
        )


def _row(
    network: ExactNetwork,
    data: Data,
    standings: dict[int, Standing],
    points: dict[int, F64Array],
    rows: Sequence[Query],
) -> RealRow:
    counts = {kind: sum(found is kind for found in standings.values()) for kind in Standing}
    rounded = [network.predicted(np.rint(point)) == data.labels[i] for i, point in points.items()]
    return RealRow(
        wrong=counts[Standing.WRONG],
        robust=counts[Standing.ROBUST],
        broken=counts[Standing.BROKEN],
        open=counts[Standing.OPEN],
        lost_by_rounding=sum(rounded),
        time_s=sum(row.time_s for row in rows),
        folder=FOLDER,
    )
