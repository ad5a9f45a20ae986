"""Models that remember: successive invocations equal TFLM's, from the reset state on, as does the program."""

import os

import numpy as np
import pytest
from flatbuffers import flexbuffers

import random_state
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedOp, lower
from tflm_int8.program.concrete import run as run_program

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "60"))


@pytest.mark.parametrize("name", random_state.ONE_OP)
def test_successive_invocations_equal_tflm(name):
    checked = lively = 0
    for seed in range(CASES):
        content = random_state.one_op(name, seed)
        reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        x = random_state.samples(seed, reference, 9)
        try:
            ours = reference.run(x.reshape(len(x), *reference.input.shape))
        except AccumulatorOverflow:
            continue
        tflm = Tflm(content, 1 << 20)
        for _ in range(2):  # the same again after a reset
            for i, one in enumerate(x):
                expected = tflm.run(one)
                np.testing.assert_array_equal(
                    ours[i].reshape(expected.shape), expected, f"{seed}: sample {i}"
                )
            tflm.reset()
        lively += len(np.unique(ours)) > 8
        checked += 1
    assert checked >= 0.7 * CASES and lively >= 0.5 * CASES, (checked, lively)


@pytest.mark.parametrize("name", random_state.ONE_OP)
def test_the_program_and_from_reset_are_the_first_invocation_after_a_reset(name):
    checked = 0
    for seed in range(CASES):
        content = random_state.one_op(name, seed)
        reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        x = random_state.samples(seed, reference, 5)
        try:
            alone = reference.run(x, from_reset=True)
        except AccumulatorOverflow:
            continue
        tflm = Tflm(content, 1 << 20)
        for i, one in enumerate(x):
            tflm.reset()
            np.testing.assert_array_equal(alone[i].reshape(reference.output.shape), tflm.run(one))
        if reference.input.dtype == "int8":
            program = lower(reference.model)
            wires = run_program(program, x.reshape(len(x), -1))
            np.testing.assert_array_equal(wires[program.output], alone.reshape(len(x), -1))
            checked += 1
    assert checked >= 0.4 * CASES


@pytest.mark.parametrize("name", random_state.ONE_OP)
def test_how_a_batch_is_split_changes_nothing(name):
    """TFLM's interpreter makes one invocation at a time, the reference as many as fit its memory."""
    content = random_state.one_op(name, 5)
    reference, tflm = Reference(Model.from_bytes(content)), Tflm(content, 1 << 20)
    x = random_state.samples(5, reference, 11)
    expected = [tflm.run(one) for one in x]
    for at_once in (1, 2, 3, 10, 11, 50):
        reference._step = at_once
        ours = reference.run(x).reshape(len(x), *reference.output.shape)
        np.testing.assert_array_equal(ours, expected, f"{at_once} at once")


def one_state(b: Builder, *, owners: int = 1, foreign: bool = False) -> bytes:
    """SVDFs of one unit that share a state, or whose state another operator reads."""
    x = b.input((1, 2), 0.5, 0)
    features = b.constant(np.array([[90, -50]]), 0.01, 0)
    times = b.tensor((1, 2), "int16", [0.001], [0], data=np.array([[900, -700]], np.int16))
    bias = b.tensor((1,), "int32", [2e-6], [0], data=np.array([3], np.int32))
    state = b.variable((1, 2), 0.002, 0, "int16")
    for _ in range(owners):
        y = b.op("SVDF", [x, features, times, bias, state], b.activation((1, 1), 4.0, 5), 6, Rank=1)
    if foreign:
        y = b.op("QUANTIZE", [state], b.activation((1, 2), 4.0, 5))
    return b.finish(y)


def test_a_state_has_one_operator():
    Reference(Model.from_bytes(one_state(Builder())))
    for wrong in ({"owners": 2}, {"foreign": True}):
        with pytest.raises(UnsupportedOp, match=r"op 1 .* the variable 4 belongs to another operator"):
            Reference(Model.from_bytes(one_state(Builder(), **wrong)))


def test_a_bias_that_svdf_lacks_is_refused_as_tflm_reads_it_all_the_same():
    b = Builder()
    one_state(b)
    b.ops[0].inputs[3] = -1
    with pytest.raises(UnsupportedOp, match=r"op 0 SVDF .*no bias"):
        Reference(Model.from_bytes(b.finish(b.ops[0].outputs[0])))


@pytest.mark.parametrize(
    ("x_scale", "w_scale", "state_scale", "w"),
    [
        (0.39012372493743896, 0.027957212179899216, 1.9641215801239014, 102),
        (0.04542495310306549, 0.2775380313396454, 1.3783173561096191, 35),
        (0.019561586901545525, 0.0227899681776762, 0.0203524362295866, 40),
    ],
)
def test_a_feature_has_the_precision_of_tflm(x_scale, w_scale, state_scale, w):
    """Found by search: one code's feature differs between a float32 and a double product of scales."""
    b = Builder()
    x = b.input((256, 1), x_scale, 0)
    features = b.constant(np.array([[w]]), w_scale, 0)
    times = b.tensor((1, 1), "int16", [2.0**-14], [0], data=np.array([[1 << 14]], np.int16))
    bias = b.tensor((1,), "int32", [state_scale * 2.0**-14], [0], data=np.array([0], np.int32))
    state = b.variable((256, 1), state_scale, 0, "int16")
    y = b.op("SVDF", [x, features, times, bias, state], b.activation((256, 1), state_scale, 0), 6, Rank=1)
    content = b.finish(y)
    codes = np.arange(-128, 128, dtype=np.int8)[:, None]
    ours = Reference(Model.from_bytes(content)).run(codes[None])[0]
    np.testing.assert_array_equal(ours, Tflm(content, 1 << 20).run(codes))


def started_with(value: int) -> bytes:
    """A variable of one element of zero point 5, to which CALL_ONCE assigns a value."""
    b, init = Builder(), Builder()
    b.subgraphs.append(init)
    x = b.input((1, 1), 0.5, 5)
    b.op("CALL_ONCE", [], [], 103, InitSubgraphIndex=1)
    handles = [g.op("VAR_HANDLE", [], g.tensor((), "resource"), 111, SharedName="v") for g in (b, init)]
    y = b.op("READ_VARIABLE", [handles[0]], b.like(x, (1, 1)), 112)
    b.op("ASSIGN_VARIABLE", [handles[0], x], [], 113)
    init.op("ASSIGN_VARIABLE", [handles[1], init.constant(np.array([[value]]), 0.5, 5)], [], 113)
    return b.finish(y)


def test_call_once_may_assign_what_a_reset_leaves_and_nothing_else():
    """TFLM's interpreter does not run it again after a reset: the same start is another one then."""
    x = np.array([[7]], np.int8)
    for value, after in ((5, 5), (6, 5)):
        tflm = Tflm(started_with(value))
        assert tflm.run(x) == value
        tflm.reset()
        assert tflm.run(x) == after
    assert Reference(Model.from_bytes(started_with(5))).run(np.array([[7], [8]], np.int8)).tolist() == [
        [5],
        [7],
    ]
    with pytest.raises(UnsupportedOp, match=r"op 0 CALL_ONCE .*another value"):
        Reference(Model.from_bytes(started_with(6)))


def _first_invocation_equals(content: bytes, inputs: np.ndarray) -> None:
    """The program of the first invocation after a reset, on int8 [N, elements], against TFLM."""
    model = Model.from_bytes(content)
    program, shape = lower(model), model.tensors[model.inputs[0]].shape
    for one in inputs:
        expected = Tflm(content, 1 << 20).run(one.reshape(shape)).reshape(-1)
        np.testing.assert_array_equal(run_program(program, one[None])[program.output][0], expected)


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 5, 127])
def test_the_program_of_an_int16_state_counts_from_its_zero_point(zero_point):
    b = Builder()
    x = b.input((1, 1), 1.0, 0)
    features = b.tensor((2, 1), "int8", [1.0], [0], data=np.array([[-3], [0]], np.int8))
    times = b.tensor((2, 1), "int16", [1.0], [0], data=np.array([[1], [1]], np.int16))
    bias = b.tensor((2,), "int32", [1.0], [0], data=np.array([0, -200], np.int32))
    state = b.variable((1, 2), 1.0, zero_point, "int16")
    y = b.op("SVDF", [x, features, times, bias, state], b.activation((1, 2), 4.0, 0), 6, Rank=1)
    _first_invocation_equals(b.finish(y), np.arange(-128, 128, 9, np.int8)[:, None])


def test_an_operator_that_is_only_run_reads_what_a_buffer_holds_now():
    b = Builder()
    x = b.input((1, 1, 1, 4), 0.05, 0)
    buffer = b.variable((1, 2, 1, 4), 0.05, 0)
    b.op("CUSTOM:CIRCULAR_BUFFER", [x], buffer, custom=bytes(flexbuffers.Dumps({"cycles_max": 1})))
    wide = b.op("SOFTMAX", [buffer], b.activation((1, 2, 1, 4), 1 / 65536, -32768, "int16"), 9, Beta=1.0)
    y = b.op("QUANTIZE", [wide], b.activation((1, 2, 1, 4), 1 / 256, -128))
    rows = np.array([[-9, 0, -9, -9], [100, 0, -9, -9], [-9, 0, 90, -9]], np.int8)
    _first_invocation_equals(b.finish(y), rows)
