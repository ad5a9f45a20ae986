"""Every row of the operator table: its program computes what its kernel computes, within its bounds.

The kernels are held equal to TFLM by the tests beside; here the second meaning is held to the first, and the
row to what the lowering does. A row without a generator fails.
"""

import os
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

import random_movement
from coverify.verify.bounds import wire_bounds
from coverify.verify.errors import CannotDecide
from model_builder import Builder
from one_op import CASES_OF, Case
from oracle import ROOT
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedModel, UnsupportedOp
from tflm_int8.operators import OPERATORS
from tflm_int8.program.concrete import OutsideDomain, run
from tflm_int8.program.lowering import lower_reference
from tflm_int8.program.lowering.builder import integers
from tflm_int8.program.primitives import Affine, Exact, Program

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "12"))
"""Lowered models per generator of an operator."""
TRIES = 6
"""Seeds per model that is wanted: others are refused, or have an input that is not int8."""


def lowered(case: Case, operator: str, n: int = CASES) -> Iterator[tuple[int, Reference, Program]]:
    """The first n seeds whose models hold the operator and have a program."""
    for seed in count():
        if n == 0 or seed == TRIES * CASES:
            return
        try:
            reference = Reference(Model.from_bytes(case.model(seed), f"{case.key}-{seed}"))
            program = lower_reference(reference)
        except (UnsupportedOp, UnsupportedModel):
            continue
        if operator in (op.name for op in reference.model.operators):
            yield seed, reference, program
            n -= 1


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_the_program_equals_the_kernels_on_every_wire(operator):
    compared = 0
    for case in CASES_OF[operator]:
        for seed, reference, program in lowered(case, operator):
            x = case.inputs(reference, seed, 6)
            try:
                traces = [reference.trace(x[i : i + 1]) for i in range(len(x))]  # each after a reset
            except AccumulatorOverflow:
                continue
            trace = {t: np.concatenate([one[t] for one in traces]) for t in traces[0]}
            wires = run(program, x.reshape(len(x), -1))
            written = {wire: t for wire, t in program.tensors.items() if t in trace}
            for wire, tensor in written.items():
                message = f"{case.key}-{seed}, wire {wire}, tensor {tensor}"
                np.testing.assert_array_equal(wires[wire], integers(trace[tensor]), message)
            assert program.output in written
            compared += 1
    assert compared >= CASES / 2


def random_box(rng: np.random.Generator, program: Program, least: int) -> tuple[np.ndarray, np.ndarray]:
    """Some elements fixed, some free in few codes or many; none below `least`."""
    lo = rng.integers(least, 128, program.n_input)
    width = rng.integers(0, int(rng.choice([1, 3, 20, 256])), program.n_input)
    return lo, np.minimum(lo + width, 127)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_no_wire_leaves_its_bounds_on_a_random_box(operator):
    bounded = 0
    for case in CASES_OF[operator]:
        for seed, reference, program in lowered(case, operator):
            rng = np.random.default_rng([seed, 5])
            least = reference.input.quantization.zero_point if case.key.startswith("RSQRT") else -128
            lo, hi = random_box(rng, program, least)
            try:
                boxes = wire_bounds(program, lo, hi)
            except CannotDecide:
                continue
            x = rng.integers(lo, hi, (30, program.n_input), endpoint=True)
            x[0], x[1] = lo, hi
            x[2:10] = np.where(rng.random((8, program.n_input)) < 0.5, lo, hi)
            try:
                wires = run(program, x)
            except OutsideDomain:  # in an operator that stays Exact
                continue
            for number, (box, wire) in enumerate(zip(boxes, wires, strict=True)):
                message = f"{case.key}-{seed}, wire {number}"
                assert np.all(box.lo <= wire.min(axis=0)), message
                assert np.all(wire.max(axis=0) <= box.hi), message
            bounded += 1
    assert bounded >= CASES / 4


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_the_row_names_the_primitives_that_the_lowering_emits(operator):
    row, seen, constants = OPERATORS[operator], set(), set()
    for case in CASES_OF[operator]:
        for _, reference, program in lowered(case, operator):
            mine = {op.index for op in reference.model.operators if op.name == operator}
            for step, i in zip(program.steps, program.operators, strict=True):
                if i in mine:
                    (constants if _constant(step) else seen).add(type(step).__name__)
    if "Select" not in row.lowered_to:
        seen -= {"Select"}  # operands broadcast or moved
    assert seen <= set(row.lowered_to)
    if CASES >= 12:
        assert set(row.lowered_to) - {"Exact"} <= seen | constants  # what is Exact by its size is larger
    assert bool(row.exact) == ("Exact" in row.lowered_to)


def _constant(step) -> bool:
    return isinstance(step, Affine) and not step.terms


def test_a_network_of_ours_has_no_exact_step():
    for name in ("digits_mlp", "digits_cnn"):
        content = (ROOT / "firmware_models" / "networks" / f"{name}.tflite").read_bytes()
        program = lower_reference(Reference(Model.from_bytes(content)))
        assert not any(isinstance(step, Exact) for step in program.steps)


@pytest.mark.parametrize("name", ["ARG_MAX", "ARG_MIN"])
def test_the_position_of_a_maximum_among_too_many_elements_is_exact_within_its_range(name):
    b = Builder()
    x = b.input((1, 3000), 0.5, 0)
    at = b.op(
        name, [x, b.integers(1)], b.tensor((1,), "int32"), 40 if name == "ARG_MAX" else 57, OutputType=2
    )
    content = b.finish(b.op("CAST", [at], b.activation((1,), 1.0, 0), 37))
    (step,) = (s for s in lower_reference(Reference(Model.from_bytes(content))).steps if isinstance(s, Exact))
    assert (step.lo, step.hi) == (0, 2999)


def test_what_constants_alone_give_is_a_step_only_where_it_is_read():
    """What a converter writes before a RESHAPE: nothing of it is left."""
    flattened = 0
    for seed in range(20):
        model = Model.from_bytes(random_movement.one_op("SHAPE", seed))
        program = lower_reference(Reference(model))
        if model.operators[-1].name == "RESHAPE":
            flattened += 1
            assert (program.steps, program.output) == ((), 0)
            continue
        (dimensions,) = (step for step in program.steps if _constant(step))
        assert dimensions.bias.tolist() == list(model.tensors[model.inputs[0]].shape)
        shape = next(op.index for op in model.operators if op.name == "SHAPE")
        assert program.operators[program.steps.index(dimensions)] == shape
    assert 5 < flattened < 20
