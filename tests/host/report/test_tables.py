"""On a narrow terminal no number, verdict or file name is cut: a zero point of -128 must not read -12."""

from __future__ import annotations

import io

from rich.console import Console

from coverify.report import ModelRef, OperatorRow, Query, Result
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
