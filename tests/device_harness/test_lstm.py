"""UNIDIRECTIONAL_SEQUENCE_LSTM on the device: what is refused by name, what ends a run, and emulated cores.

Its bytes are held to TFLM's by test_state.py, on random cells in sequences of invocations.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

from coverify.boards.device import open_device
from coverify.boards.qemu import PROGRAM
from coverify.conformance.stepping import Stepper
from coverify.conformance.suite.grids import GRIDS
from coverify.conformance.suite.run import Suite
from coverify.errors import DeviceRefused
from coverify.link.requests import Status
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, TflmError

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


@dataclass
class Cell:
    """An LSTM of two units on three inputs, two steps an invocation; `operands` replaces inputs by number."""

    dtype: str = "int8"
    x_scale: float = 0.05
    w_scale: float = 0.01
    cell_scale: float = 2.0**-12
    cell_zero: int = 0
    activation: int = 4
    clip: float = 0.0
    bias: int = 500
    columns: int = 3
    hidden: tuple[int, ...] = (1, 2)
    units: int = 2
    kept: bool = True
    operands: tuple[tuple[int, int], ...] = ()
    owners: int = 1

    def content(self) -> bytes:
        b = Builder()
        x = b.input((1, 2, 3), self.x_scale, 3 if self.dtype == "int8" else 0, self.dtype)
        inputs = [x] + [-1] * 23
        for gate in range(4):
            weights = np.array([[90, -70, 50], [-40, 127, 20]])[:, : self.columns]
            inputs[1 + gate] = b.constant(np.roll(weights, gate, 1), self.w_scale, 0)
            inputs[5 + gate] = b.constant(np.array([[50, -20], [30, 110]]), 0.01, 0)
            inputs[12 + gate] = b.tensor(
                (2,), "int32", [0.0005], [0], data=np.array([self.bias, -9], np.int32)
            )
        state = b.variable if self.kept else b.activation
        inputs[18] = state(self.hidden, 1 / 128, 5 if self.dtype == "int8" else 0, self.dtype)
        inputs[19] = b.variable((1, 2), self.cell_scale, self.cell_zero, "int16")
        for number, operand in self.operands:
            inputs[number] = inputs[operand] if operand >= 0 else -1
        for _ in range(self.owners):
            y = b.activation((1, 2, self.units), 1 / 128, 5 if self.dtype == "int8" else 0, self.dtype)
            b.op(LSTM, inputs, y, 71, FusedActivationFunction=self.activation, CellClip=self.clip)
        return b.finish(y)


REFUSED = [
    (Cell(dtype="int16"), Status.UNSUPPORTED, "tensor 0: INT16, only INT8 is supported here"),
    (Cell(operands=((9, 1),)), Status.UNSUPPORTED, "peepholes, projection or layer normalization"),
    (Cell(operands=((20, 12),)), Status.UNSUPPORTED, "peepholes, projection or layer normalization"),
    (Cell(operands=((3, -1),)), Status.BAD_MODEL, "lacks its input 3"),
    (Cell(operands=((15, -1),)), Status.BAD_MODEL, "lacks its input 15"),
    (Cell(operands=((19, 18),)), Status.UNSUPPORTED, "tensor 13: INT8, only INT16 is supported here"),
    (Cell(operands=((2, 18),)), Status.UNSUPPORTED, "tensor 13: the weights are not a constant"),
    (Cell(operands=((13, 1),)), Status.UNSUPPORTED, "tensor 1: the bias is not INT32"),
    (Cell(activation=1), Status.UNSUPPORTED, "the fused activation is not tanh"),
    (Cell(kept=False), Status.BAD_MODEL, "tensor 13: is read before it is written"),
    (Cell(cell_zero=1), Status.UNSUPPORTED, "tensor 14: the cell's zero point is not 0"),
    (Cell(columns=2), Status.UNSUPPORTED, "tensor 1: the weights' shape"),
    (Cell(units=3), Status.UNSUPPORTED, "states that have not one number per batch and unit"),
    (Cell(hidden=(2, 1)), Status.UNSUPPORTED, "states that have not one number per batch and unit"),
    (Cell(cell_scale=2.0**-11.5), Status.UNSUPPORTED, "near the middle of two powers of two"),
    (Cell(cell_scale=8.0), Status.UNSUPPORTED, "the cell's scale is out of range"),
    (Cell(cell_scale=2.0**-43), Status.UNSUPPORTED, "the cell's scale is out of range"),
    (Cell(clip=2.0**-13), Status.UNSUPPORTED, "the cell is clipped to 0 or to no number"),
    (Cell(clip=float("inf")), Status.UNSUPPORTED, "the cell is clipped to 0 or to no number"),
    (Cell(bias=2**31 - 1), Status.UNSUPPORTED, "accumulator may overflow int32: unit 0"),
]


@pytest.mark.parametrize(("cell", "status", "why"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_the_reference_refuses_is_refused_with_its_reason(client, cell, status, why):
    client.ensure_model(Cell().content())
    if cell.dtype == "int8":  # the engine has less than the reference
        with pytest.raises(TflmError):
            Reference(Model.from_bytes(cell.content()))
    with pytest.raises(DeviceRefused) as refused:
        client.ensure_model(cell.content())
    assert refused.value.status == status
    assert str(refused.value).count(f"op 0 {LSTM}: ") == 1 and why in str(refused.value)


def test_a_state_that_two_cells_share_is_refused(client):
    with pytest.raises(DeviceRefused, match=r"op 1 .* is a variable that another operator keeps"):
        client.ensure_model(Cell(owners=2).content())


def test_a_left_shift_that_leaves_int32_ends_the_run_as_in_the_reference(client):
    model = Model.from_bytes(Cell(x_scale=100.0, w_scale=100.0, bias=0).content())
    x = np.full((1, 2, 3), 127, np.int8)
    with pytest.raises(AccumulatorOverflow):
        Reference(model).run(x)
    with pytest.raises(DeviceRefused, match=f"{LSTM}: failed while running") as refused:
        Stepper(client, model).run(x[0])
    assert refused.value.status == Status.ENGINE


def test_a_cell_of_any_scale_is_read_by_tanh_as_in_tflm(client):
    """The nearest power of two: at 0.45 below and above it in the logarithm."""
    x = np.random.default_rng(50).integers(-128, 128, (6, 2, 3)).astype(np.int8)
    run = 0
    for power, off in itertools.product(range(-41, 3, 4), (-0.45, 0.0, 0.45)):
        content = Cell(cell_scale=2.0 ** (power + off), w_scale=0.02).content()
        model, tflm = Model.from_bytes(content), Tflm(content)
        stepper = Stepper(client, model)
        try:
            Reference(model).run(x)
        except AccumulatorOverflow:  # a cell so fine that the product's left shift leaves int32
            with pytest.raises(DeviceRefused, match="failed while running"):
                list(stepper.runs(x))
            continue
        for one, got in zip(x, stepper.runs(x), strict=True):
            np.testing.assert_array_equal(got.reshape(2, 2), tflm.run(one[None])[0], f"{power} {off}")
        run += 1
    assert 18 <= run < 33


@pytest.mark.cross
@pytest.mark.parametrize("machine", ["mps2-an386", "microbit"])
def test_the_suites_cells_match_on_an_emulated_core(machine):
    """In sequences of invocations, three times each; on the Cortex-M0 those that its memory takes."""
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which(PROGRAM) is None:
        pytest.skip("the cross compiler or QEMU is not installed")
    cases = [c for c in GRIDS[LSTM](LSTM, 3) if len(c.model.content) < 12_000][::7]
    with open_device(f"qemu:{machine}") as device:
        suite = Suite(device.client)
        suite.run(cases)
    assert len(cases) >= 6
    assert [(row.differing, row.refused, row.flaky) for row in suite.rows] == [(0, 0, 0)] * len(suite.rows)
