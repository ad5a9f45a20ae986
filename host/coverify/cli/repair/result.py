"""How does a repair become a result? Its steps, bytes, cells and queries as rows of report/repair_rows.py."""

from __future__ import annotations

from collections.abc import Iterable

from coverify.repair.cases import Fitness
from coverify.repair.grid import Cell
from coverify.repair.job import Repaired
from coverify.repair.pair import Pair
from coverify.repair.patch import ChangedByte
from coverify.repair.robustness import Found
from coverify.report import ByteRow, FitnessRow, GridRow, NeuronRow, RobustRow
from coverify.report.rows import MAX_ROWS
from coverify.verify.query import Verdict


def fitness_row(found: Fitness) -> FitnessRow:
    """How well a network does."""
    return FitnessRow(samples=found.n, agreeing=found.agreeing, right=found.right)


def neuron_rows(pair: Pair, done: Iterable[Repaired], round_: int) -> list[NeuronRow]:
    """One per neuron that was looked at."""
    return [
        NeuronRow(
            op_index=layer.op_index,
            op=pair.layer(layer.op_index).layer.kernel.node.op.name,
            neuron=step.neuron,
            score=score if abs(score) < 1e300 else None,
            ended=step.ended,
            changed=step.changed,
            met=step.met,
            wished=step.wished,
            fixed=step.fixed,
            optimal=step.optimal,
            time_s=step.time_s,
            round=round_,
        )
        for layer in done
        for step, score in zip(layer.steps, layer.scores, strict=True)
    ]


def byte_rows(patch: Iterable[ChangedByte]) -> tuple[ByteRow, ...]:
    """The bytes of the file that differ, ascending."""
    rows = (
        ByteRow(offset=b.offset, old=b.old, new=b.new, op_index=b.op_index, neuron=b.neuron, weight=b.weight)
        for b in sorted(patch)
    )
    return tuple(rows)[:MAX_ROWS]


def grid_row(op_index: int, method: str, cell: Cell) -> GridRow:
    """One cell of a study."""
    return GridRow(
        op_index=op_index,
        method=method,
        metric=cell.metric,
        seed=cell.seed,
        neurons=cell.neurons,
        changed=cell.changed,
        repair=fitness_row(cell.repair),
        validation=fitness_row(cell.validation),
    )


def robust_row(
    when: str, eps: int, found: Found, validation: Fitness | None, changed: int | None
) -> RobustRow:
    """How a sample's queries ended."""
    return RobustRow(
        when=when,
        eps=eps,
        holds=found.counts[Verdict.HOLDS],
        violated=found.counts[Verdict.VIOLATED],
        unknown=found.counts[Verdict.UNKNOWN],
        validation=None if validation is None else fitness_row(validation),
        changed=changed,
    )
