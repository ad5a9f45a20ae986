"""The windows that a kernel may slide by mistake: padding on the other side, swapped strides, no dilation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tflm_int8.geometry import Axis, Window2D


def wrong_windows(window: Window2D) -> Iterator[tuple[str, str, Window2D]]:
    """(name, meaning, window) for every mistake that changes what is read; the output's size stays."""
    rows, columns = window.rows, window.columns
    found = {
        "padding-swapped": (
            "the odd row or column of padding stands before the image instead of behind it",
            Window2D(_padded(rows, rows.after), _padded(columns, columns.after)),
        ),
        "padding-missing": (
            "the window starts at the image's first pixel: no padding before it",
            Window2D(_padded(rows, 0), _padded(columns, 0)),
        ),
        "padding-off-by-one": (
            "one row and column of padding more before the image",
            Window2D(_padded(rows, rows.before + 1), _padded(columns, columns.before + 1)),
        ),
        "strides-swapped": (
            "the strides of height and width are exchanged",
            Window2D(replace(rows, stride=columns.stride), replace(columns, stride=rows.stride)),
        ),
        "stride-ignored": (
            "the window moves by 1",
            Window2D(replace(rows, stride=1), replace(columns, stride=1)),
        ),
        "dilation-ignored": (
            "the taps stand side by side",
            Window2D(replace(rows, dilation=1), replace(columns, dilation=1)),
        ),
        "dilations-swapped": (
            "the dilations of height and width are exchanged",
            Window2D(replace(rows, dilation=columns.dilation), replace(columns, dilation=rows.dilation)),
        ),
    }
    for name, (says, wrong) in found.items():
        if wrong != window:
            yield name, says, wrong


def _padded(axis: Axis, before: int) -> Axis:
    return replace(axis, before=before)
