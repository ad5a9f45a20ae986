"""HiGHS for linear programs whose matrix is at hand: floating point, so that its answers are proposals."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.verify.query import F64Array


@cache
def available() -> bool:
    """Is the package here, as far as one sees without importing it?"""
    return find_spec("highspy") is not None


@cache
def highs() -> Any:
    """The package, whose first solver in a process writes its name to the standard output, where results
    go.  Raises ImportError.
    """
    api: Any = import_module("highspy")
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        api.Highs()
        ctypes.CDLL(None if os.name == "posix" else "ucrtbase").fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
    return api


def linear_program(
    api: Any, cost: F64Array, columns: tuple[F64Array, F64Array], rows: tuple[F64Array, F64Array],
    matrix: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], F64Array],
) -> Any:  # fmt: skip
    """The least cost · columns, as HiGHS takes it. columns, rows: their ends (lower, upper); matrix: where
    each row begins and the last one ends, and the columns and values of all rows.
    """
    program = api.HighsLp()
    program.num_col_, program.num_row_ = len(cost), len(rows[0])
    program.col_cost_ = cost
    program.col_lower_, program.col_upper_ = columns
    program.row_lower_, program.row_upper_ = rows
    program.a_matrix_.format_ = api.MatrixFormat.kRowwise
    program.a_matrix_.start_, program.a_matrix_.index_, program.a_matrix_.value_ = matrix
    return program


def kinds(api: Any, integral: Iterable[bool]) -> list[Any]:
    """Which columns are whole numbers, as HiGHS takes it."""
    return [api.HighsVarType.kInteger if whole else api.HighsVarType.kContinuous for whole in integral]


def maximiser(
    matrix: F64Array, cost: F64Array, rows: tuple[F64Array, F64Array], columns: tuple[F64Array, F64Array],
    seconds: float = math.inf,
) -> Any:  # fmt: skip
    """A solver that has been given the greatest cost · columns, ends (lower, upper) of rows and columns; it
    has not run yet.  No run of it takes longer than these seconds.
    """
    api = highs()
    at, column = np.nonzero(matrix)
    starts = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(matrix)))])
    program = linear_program(api, cost, columns, rows, (starts, column, matrix[at, column]))
    program.sense_ = api.ObjSense.kMaximize
    solver = api.Highs()
    for option, setting in (
        ("output_flag", False), ("threads", 1), ("solver", "simplex"), ("time_limit", min(seconds, 1e9)),
    ):  # fmt: skip
        solver.setOptionValue(option, setting)
    solver.passModel(program)
    return solver


def minimiser(
    matrix: F64Array, cost: F64Array, rows: tuple[F64Array, F64Array], columns: tuple[F64Array, F64Array],
    seconds: float = math.inf,
) -> Any:  # fmt: skip
    """The same for the least cost · columns."""
    solver = maximiser(matrix, cost, rows, columns, seconds)
    solver.changeObjectiveSense(highs().ObjSense.kMinimize)
    return solver


def solved(solver: Any) -> bool:
    """Run it; is what it has an optimum?"""
    solver.run()
    return bool(solver.getModelStatus() == highs().HighsModelStatus.kOptimal)
