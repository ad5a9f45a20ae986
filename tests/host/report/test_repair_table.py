"""A repair as tables, text, page and file. Expected: counted by hand."""

import io

import pytest
from pydantic import ValidationError
from rich.console import Console

from coverify.report import (
    ByteRow,
    FitnessRow,
    GridRow,
    ModelRef,
    NeuronRow,
    PartRow,
    Repair,
    Result,
    RobustRow,
    exit_code,
    read_result,
    render,
    write_result,
)
from coverify.report.folder import make_report
from coverify.report.repair_table import plot, tables


def fit(agreeing, right=None, samples=200):
    return FitnessRow(samples=samples, agreeing=agreeing, right=right)


def cell(metric, neurons, right, seed=None, changed=2):
    return GridRow(
        op_index=11, method="lattice", metric=metric, seed=seed, neurons=neurons, changed=changed,
        repair=fit(150, 150), validation=fit(160, right),
    )  # fmt: skip


REPAIR = Repair(
    original=ModelRef(file="float.tflite", sha256="1f" * 32),
    interpreter="tflite-runtime",
    method="lattice",
    metric="ochiai",
    layers=(11,),
    labels=True,
    parts=(
        PartRow(name="repair", before=fit(150, 148), after=fit(199, 190), failing_before=40, failing_after=3),
        PartRow(name="validation", before=fit(160, 150), after=fit(170, 160), float_right=171),
    ),
    neurons=(
        NeuronRow(
            op_index=11, op="FULLY_CONNECTED", neuron=4, score=0.5, ended="changed", changed=2, fixed=37
        ),
    ),
    bytes=(ByteRow(offset=4660, old=32, new=35, op_index=11, neuron=4, weight=63),),
    n_bytes=1,
    grid=(
        cell("ochiai", 1, 152), cell("ochiai", 12, 160),
        *(cell("random", 1, right, seed) for seed, right in enumerate((150, 151, 158))),
        *(cell("random", 12, right, seed, changed) for seed, right, changed in ((0, 156, 3), (1, 158, 6))),
    ),
    robustness=(RobustRow(when="before", eps=2, holds=7, violated=2, unknown=1, validation=fit(160, 150)),),
)  # fmt: skip


def result(verdict="REPAIRED"):
    model = ModelRef(file="net.tflite", sha256="2e" * 32)
    return Result(verb="repair", verdict=verdict, model=model, repair=REPAIR)


def test_a_table_has_the_mean_and_the_spread_of_the_seeds():
    accuracy, fidelity = tables(REPAIR)
    assert (accuracy.measure, accuracy.before, accuracy.counts) == ("accuracy", 0.75, (1, 12))
    rows = dict(accuracy.rows)
    assert [(round(100 * c.mean, 2), c.spread) for c in rows["ochiai"]] == [(76.0, ""), (80.0, "")]
    assert [round(100 * c.mean, 2) for c in rows["random"]] == [76.5, 78.5]
    assert [c.spread for c in rows["random"]] == ["75.0–79.0", "78.0–79.0"]
    assert rows["random"][1].changed == 4.5
    assert fidelity.before == 0.8
    assert "before the repair 75.00" in accuracy.title


def test_a_plot_stands_where_the_shares_are():
    drawn = plot(tables(REPAIR)[0])
    points = dict((line.name, line.points) for line in drawn.lines)
    first, last = (tuple(map(float, pair.split(","))) for pair in points["ochiai"].split())
    assert first[0] < last[0]
    assert last[1] < first[1] < drawn.base  # upwards is less: 80 % above 76 % above the 75 % of before
    assert len(drawn.band.split()) == 4
    assert [text for _, text in drawn.marks] == ["1", "12"]


def test_the_verdicts_are_told_to_the_shell():
    assert exit_code("REPAIRED") == 0
    assert exit_code("NOT_REPAIRED") == 1


def test_text_page_and_file_say_the_same(tmp_path):
    stream = io.StringIO()
    render(result(), Console(file=stream, width=120))
    said = stream.getvalue()
    for text in (
        "150 of 200 as float (75.00 %), 148 right (74.00 %)",
        "0x1234",
        "76.50",
        "40 failing tests, 3 left",
        "float  171 right (85.50 %)",
    ):
        assert text in said
    write_result(tmp_path, result())
    assert read_result(tmp_path / "repair.json") == result()
    make_report(tmp_path)
    page = (tmp_path / "report.html").read_text()
    for text in (
        "0x1234: 20 → 23",
        "75.0–79.0",
        "Validation accuracy in percent, op 11, lattice",
        "HOLDS",
        "171 (85.50 %)",
    ):
        assert text in page


def test_more_right_classes_than_samples_are_no_result():
    with pytest.raises(ValidationError, match="more classes"):
        fit(10, 11, samples=10)
    with pytest.raises(ValidationError, match="more classes of the float network"):
        PartRow(name="repair", before=fit(1, samples=10), after=fit(1, samples=10), float_right=11)
