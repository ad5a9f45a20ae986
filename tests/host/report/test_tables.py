"""On a narrow terminal no number, verdict or file name is cut: a zero point of -128 must not read -12."""

from __future__ import annotations

import io

from rich.console import Console

from coverify.report import (
    ExampleRow,
    GapRow,
    ModelRef,
    OperatorRow,
    Query,
    RealRow,
    Result,
    Study,
    TransferRow,
    WidthRow,
)
from coverify.report.study_plot import transfer_charts
from coverify.report.text import render

OPERATORS = tuple(
    OperatorRow(
        op_index=i,
        op="DEPTHWISE_CONV_2D",
        inputs=(i,),
        outputs=(10 + i,),
        shape=(1, 112, 112, 128),
        scale=0.0625,
        zero_point=-128,
        accumulator=(-123456789, 123456789),
        overflow="impossible",
        lowered_to=("Affine", "Product", "Staircase", "Exact"),
    )
    for i in range(2)
)
MODEL = ModelRef(file="net.tflite", sha256="0" * 64)


def shown(result: Result, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    render(result, console)
    return console.file.getvalue()


def test_operators_are_whole_in_eighty_columns():
    result = Result(verb="inspect", verdict="OK", model=MODEL, operators=OPERATORS)
    text = shown(result, 80)
    lines = [line.split() for line in text.splitlines() if "DEPTHWISE_CONV_2D" in line]
    assert [line[2:] for line in lines[:2]] == [
        [writes, "1×112×112×128", "0.0625", "-128"] for writes in ("10", "11")
    ]
    assert all("-123456789…123456789" in line and "cannot" in line for line in lines[2:])
    assert max(map(len, text.splitlines())) <= 80


def test_a_line_that_does_not_fit_is_longer_than_the_terminal_rather_than_cut():
    row = Query(
        index=12345,
        eps=255,
        verdict="VIOLATED",
        engine="bitwuzla",
        time_s=1234.5,
        label=3,
        predicted=5,
        witness="witness-12345-eps255.zip",
    )
    result = Result(verb="verify", verdict="VIOLATED", model=MODEL, queries=(row,))
    for width in (20, 40, 80):
        text = shown(result, width)
        for whole in (" VIOLATED ", " bitwuzla ", " 3 → 5 "):
            assert whole in text, width


def test_tables_of_a_study_break_their_titles_and_never_a_cell():
    width = WidthRow(
        scheme="affine", bits=10, model=MODEL, samples=10000, right=9876, wrong=1234, robust=2345,
        broken=3456, open=1111, time_s=12345.6,
    )  # fmt: skip
    transfer = TransferRow(
        scheme="affine", bits=10, both_robust=12345, both_vulnerable=23456, false_robust=34567,
        false_vulnerable=45678, open=56789, from_float=13579, from_float_breaking=12468, to_float=24680,
        to_float_breaking=11223,
    )  # fmt: skip
    example = ExampleRow(
        kind="quantized counterexample fails", scheme="affine", bits=10, index=12345, label=3, predicted=5,
        witness="affine-b10/witness-12345-eps255.zip", on_device="CONFIRMED",
    )  # fmt: skip
    gap = GapRow(
        scheme="affine", bits=10, model=MODEL, samples=10000, right=9876, flipped=1234, sampled=True,
        at_least=12345, at_most=54321, unit=0.125, time_s=12345.6, on_device="CONFIRMED",
    )  # fmt: skip
    study = Study(
        kind="transfer", eps=16, real=RealRow(wrong=1, robust=2, broken=3, open=4), widths=(width,),
        transfers=(transfer,), examples=(example,), gaps=(gap,), protected=(1,),
    )  # fmt: skip
    result = Result(verb="study-transfer", verdict="UNKNOWN", model=MODEL, study=study)
    whole = (
        "98.76 %", "28.8–42.4 %", "2345", "12345", "23456", "34567", "45678", "56789", "12468/13579",
        "11223/24680", "3 → 5", "witness-12345-eps255.zip", "CONFIRMED", "12345–54321", "1543.125–6790.125",
        "at least 1234 of 10000",
    )  # fmt: skip
    for columns in (40, 80, 120):
        text = shown(result, columns)
        assert [cell for cell in whole if cell not in text] == []
    rows = [line for line in shown(result, 80).splitlines() if line.startswith("affine")]
    assert len(rows) == 3
    assert len(rows[1].rstrip()) <= 80  # the table of widths fits


def transfers(*counts: tuple[int, int, int]) -> Study:
    """Of one scheme, from 4 bits on: counterexamples of the float network tried, breaking, its own tried."""
    rows = tuple(
        TransferRow(
            scheme="fixed", bits=bits, both_robust=8, both_vulnerable=2, false_robust=0, false_vulnerable=0,
            open=0, from_float=tried, from_float_breaking=breaking, to_float=own, to_float_breaking=own,
        )
        for bits, (tried, breaking, own) in enumerate(counts, 4)
    )  # fmt: skip
    return Study(kind="transfer", eps=1, transfers=rows)


def test_a_share_of_no_counterexamples_is_no_point_of_the_plot():
    chart = transfer_charts(transfers((4, 3, 0), (0, 0, 5), (2, 2, 0)))["counterexamples"]
    assert chart is not None
    first, second = chart.lines
    assert first.title == "4 bits: 25.0 %, 6 bits: 0.0 %"
    marks = {mark.text: mark.at for mark in chart.x_marks}
    assert [float(point.split(",")[0]) for point in first.points.split()] == [marks["4"], marks["6"]]
    assert second.title == "5 bits: 0.0 %"
    ends = [point.split(",") for point in second.points.split()]
    assert float(ends[0][0]) < marks["5"] < float(ends[1][0]) and ends[0][1] == ends[1][1]


def test_no_counterexample_at_all_is_no_plot_of_them():
    charts = transfer_charts(transfers((0, 0, 0), (0, 0, 0)))
    assert charts["counterexamples"] is None and charts["transfer"] is not None


def test_of_many_queries_those_that_fail_are_shown_and_all_are_counted():
    found = {70: "VIOLATED", 80: "UNKNOWN"}
    rows = tuple(
        Query(index=i, eps=1, verdict=found.get(i, "HOLDS"), engine="dual", time_s=1.0) for i in range(100)
    )
    text = shown(Result(verb="verify", verdict="VIOLATED", model=MODEL, queries=rows), 120)
    assert "Queries: 98 HOLDS, 1 UNKNOWN, 1 VIOLATED" in text
    samples = [line.split()[1].rstrip(",") for line in text.splitlines() if line.startswith("sample ")]
    assert samples == ["70", "80", *map(str, range(38))]
    assert "… and 60 more" in text


def test_a_long_note_is_told_whole_below_the_table_and_once():
    why = (
        "interval: the bounds leave 3 rival labels open; bab: out of time; attack: out of time after 12 runs"
    )
    rows = tuple(Query(index=i, eps=2, verdict="UNKNOWN", engine="auto", time_s=9, note=why) for i in (4, 5))
    text = shown(Result(verb="verify", verdict="UNKNOWN", model=MODEL, queries=rows), 80)
    assert " ".join(text.split()).count(f"sample 4, eps 2 and 1 more: {why}") == 1
    assert max(map(len, text.splitlines())) <= 80


def test_a_short_note_is_wrapped_in_its_column():
    why = "the bounds leave 1 rival label open, which takes some words"
    row = Query(index=4, eps=2, verdict="UNKNOWN", engine="interval", time_s=9, note=why)
    text = shown(Result(verb="verify", verdict="UNKNOWN", model=MODEL, queries=(row,)), 80)
    assert all(word in text for word in why.split())
    assert max(map(len, text.splitlines())) <= 80


def test_the_file_of_a_certificate_is_whole_and_its_claim_is_wrapped():
    names = [f"a folder/certificate-{i}-property-eps12.zip" for i in range(2)]
    claim = "label 1 stays the first greatest output on a box: 64 of 64 input values vary, by up to 24, tflm"
    rows = tuple(
        Query(verdict="HOLDS", engine="check", time_s=0.1, property=claim, certificate=name) for name in names
    )
    result = Result(verb="check", verdict="HOLDS", queries=rows)
    text, narrow = shown(result, 120), shown(result, 60)
    assert all(name.split()[1] in text and name.split()[1] in narrow for name in names)
    assert max(map(len, text.splitlines())) <= 120
