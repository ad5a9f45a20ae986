"""Certificates of a largest gap: one for each box of copies, about both copies as one network.

Written where a box is few points, or the claim is proved by cases within the time of a query; kept only where
the checker accepts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coverify.cli.evidence import proved
from coverify.cli.network import FixedPoint, Network, Tflite, read_network
from coverify.cli.study.networks import Width
from coverify.files import replace_file
from coverify.study.gap import few, query_of
from coverify.study.twin_file import NAMES, claimed, gap_relations, twin_npz, twin_tflite
from coverify.study.twins import Group, Twins
from coverify.verify.certificate import Relation
from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.dual.abreast import Abreast
from coverify.verify.dual.search import Counterexample
from coverify.verify.errors import CannotDecide, MissingPackage
from coverify.verify.problem import Problem
from coverify.verify.query import Outcome, Robustness, Verdict
from coverify.verify.worker import Worker


def certified(
    width: Width, twins: Twins, parts: Sequence[Group], most: int, folder: Path, timeout_s: float, jobs: int
) -> int:
    """How many of the boxes have a certificate, in `folder`, that no gap is above `most`.

    Boxes already certified for this gap are not asked again.
    """
    path = _twin(width, twins, folder)
    if path is None:
        return 0
    network, relations = read_network(path, "tflm"), gap_relations(twins, most)
    n = 0
    with Worker(claimed(network.program, relations[-1]), jobs=jobs) as worker:
        for number, group in enumerate(parts):
            query = query_of(group)
            said = hashlib.sha256(network.content)
            for array in (query.lo, query.hi, relations[-1].c, relations[-1].d):
                said.update(np.ascontiguousarray(array, "<i8").tobytes())
            file = folder / f"certificate-{number}-{said.hexdigest()[:12]}.zip"
            if file.is_file():
                n += 1
                continue
            small = few(twins, group)
            found = None if small else _abreast(network, query, relations, timeout_s)
            if found is None:
                outcome = worker.decide(query, "enumerate" if small else "bab", timeout_s)
                found = relations[-1], outcome
            relation, outcome = found
            if outcome.verdict is Verdict.HOLDS:
                n += proved(network, query, outcome, file, relation).file is not None
    return n


def _abreast(
    network: Network, query: Robustness, relations: Sequence[Relation], timeout_s: float
) -> tuple[Relation, Outcome] | None:
    """The first relation that is proved with stairs two by two, and that."""
    for number, relation in enumerate(relations):
        deadline = Deadline.in_s(timeout_s / (len(relations) - number))
        try:
            found = Abreast(Problem(claimed(network.program, relation), query), deadline).proved()
        except (CannotDecide, Counterexample, OutOfTime, MissingPackage):
            continue
        if found.argument is not None:
            holds = Outcome.holds("abreast", parts=found.parts).with_argument(found.argument)
            return relation, holds
    return None


def _twin(width: Width, twins: Twins, folder: Path) -> Path | None:
    """The file of both copies, written; None where the network has no such form."""
    network, content = width.network, None
    if isinstance(network, FixedPoint):
        content = twin_npz(network.network, twins.protected)
    elif isinstance(network, Tflite):
        content = twin_tflite(network.reference.model, twins.protected)
    if content is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAMES[network.kind]
    if not path.is_file() or path.read_bytes() != content:
        replace_file(path, content)
    return path if _computes_both(path, width, twins) else None


def _computes_both(path: Path, width: Width, twins: Twins) -> bool:
    """Does the file give both copies' outputs on random inputs? It must by its making."""
    program, rng = width.network.program, np.random.default_rng(0)
    n = program.n_input + len(twins.protected)
    points = rng.integers(program.input_lo, program.input_hi + 1, (64, n))
    both = read_network(path, "tflm").outputs(points)
    copies = [width.network.outputs(np.stack(side)) for side in zip(*map(twins.split, points), strict=True)]
    return np.array_equal(both, np.concatenate(copies, axis=1))
