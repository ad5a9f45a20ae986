"""Each kernel profile equals its own runtime: on random graphs, and where it parts from the others."""

from __future__ import annotations

import contextlib
import os
from types import ModuleType

import numpy as np
import pytest

import random_elementwise
import random_graphs
import random_movement
import random_state
from model_builder import Builder
from one_op import CASES_OF
from peers import Refused, peer
from tflm_int8 import PROFILES, Model, NotInProfile, Reference, UnsupportedOp, lower, sample_shape
from tflm_int8.program.concrete import run as run_program

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "6"))
RUNTIMES = ("tflm-2026-08", "tflite-ref", "litert-ref")
GENERATORS = (random_graphs, random_elementwise, random_movement)


@pytest.fixture(scope="module")
def runtimes():
    """A function profile → its runtime, started once."""
    with contextlib.ExitStack() as stack:
        started = {}

        def runtime(profile: str):
            if profile not in started:
                started[profile] = stack.enter_context(peer(profile))
            return started[profile]

        yield runtime


def _inputs(generator: ModuleType, name: str, seed: int, reference: Reference) -> list[np.ndarray]:
    """Four samples per input, with their whole shapes."""
    found = []
    rng = np.random.default_rng([seed, 3])
    for tensor in (reference.model.tensors[i] for i in reference.model.inputs):
        shape = sample_shape(tensor)
        if tensor.dtype != "int8":
            x = random_movement.values(rng, (4, *shape), tensor.dtype)
        elif generator is random_elementwise:
            least = tensor.quantization.zero_point if name.startswith("RSQRT") else -128
            x = random_elementwise.samples(seed, shape, 4, least)
        else:
            x = random_graphs.images(seed, shape, 4)
        found.append(x.reshape(4, *tensor.shape))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("profile", RUNTIMES)
@pytest.mark.parametrize("generator", GENERATORS, ids=lambda m: m.__name__)
def test_random_one_operator_graphs_equal_the_runtime(runtimes, profile, generator):
    equal, runtime = 0, runtimes(profile)
    for name in generator.ONE_OP:
        for seed in range(CASES):
            content = generator.one_op(name, seed)
            try:
                reference = Reference(Model.from_bytes(content, f"{name}-{seed}"), profile)
                x = _inputs(generator, name, seed, reference)
                trace = reference.trace(*x)
                got = runtime.run(content, x, list(trace))
            except (UnsupportedOp, Refused):
                continue
            for tensor, values in trace.items():
                np.testing.assert_array_equal(got[tensor], values, f"{name}-{seed}, tensor {tensor}")
            equal += 1
    assert equal >= 0.5 * CASES * len(generator.ONE_OP), equal


@pytest.mark.parametrize("name", random_state.ONE_OP)
def test_networks_that_keep_state_equal_tflm_of_august(runtimes, name):
    runtime = runtimes("tflm-2026-08")
    for seed in range(CASES):
        content = random_state.one_op(name, seed)
        reference = Reference(Model.from_bytes(content), "tflm-2026-08")
        x = random_state.samples(seed, reference, 6).reshape(6, *reference.input.shape)
        output = reference.model.outputs[0]
        got = runtime.run(content, [x], [output])[output]
        np.testing.assert_array_equal(reference.run(x).reshape(got.shape), got)


def test_svdf_takes_its_ratios_as_tflm_of_its_month_does(runtimes):
    """Found by search over the random models: the outputs of seed 233 tell float32 from double."""
    content = random_state.one_op("SVDF", 233)
    older, newer = (Reference(Model.from_bytes(content), p) for p in ("tflm-2026-08", "tflm"))
    x = random_state.samples(233, newer, 80).reshape(80, *newer.input.shape)
    output = newer.model.outputs[0]
    assert not np.array_equal(older.run(x), newer.run(x))
    for reference in (older, newer):
        got = runtimes(reference.profile).run(content, [x], [output])[output]
        np.testing.assert_array_equal(reference.run(x).reshape(got.shape), got)


def _unary(name, scale, zero_point, out_scale, out_zero_point, alpha=None) -> bytes:
    b = Builder()
    x = b.input((256,), scale, zero_point)
    y = b.activation((256,), out_scale, out_zero_point)
    return b.finish(b.op(name, [x], y, *((75,) if alpha is not None else ()), **_alpha(alpha)))


def _alpha(alpha) -> dict[str, float]:
    return {} if alpha is None else {"Alpha": alpha}


def _binary(name, scale, zero_point, other, other_scale, other_zero_point, out_scale) -> bytes:
    b = Builder()
    shape = (1, 256, 1)
    x = b.input(shape, scale, zero_point)
    constant = b.constant(np.array(other).reshape(1, 1, 1), other_scale, other_zero_point)
    union = {"ADD": 11, "SUB": 28, "MUL": 21, "BATCH_MATMUL": 101}.get(name, 0)
    options = {"FusedActivationFunction": 0} if name in ("ADD", "SUB", "MUL") else {}
    return b.finish(b.op(name, [x, constant], b.activation(shape, out_scale, 0), union, **options))


def _dense(scale, weight, weight_scale, bias, out_scale) -> bytes:
    b = Builder()
    x = b.input((256, 1), scale, 0)
    return b.finish(b.fully_connected(x, np.array([[weight]]), np.array([bias]), weight_scale, out_scale, 0))


DOUBLE, FLOAT, AUGUST = "double", "float32", "tflm-2026-08"
AUGUST_ALONE = {AUGUST: FLOAT}
LITE = {"tflite-ref": FLOAT, "litert-ref": FLOAT}
ALL_BUT_TFLM = {**AUGUST_ALONE, **LITE}

SEPARATING = [
    # content, input code, output with scales in double, output in float32 (or as a table), who does that
    (_unary("ABS", 0.3768724799156189, -76, 0.8862213492393494, -82), 21, -41, -40, ALL_BUT_TFLM),
    (_unary("ABS", 0.8316681981086731, -30, 0.5951387286186218, -105), -69, -51, -50, ALL_BUT_TFLM),
    (_unary("RELU", 0.3768724799156189, -76, 0.8862213492393494, -82), 21, -41, -40, ALL_BUT_TFLM),
    (_unary("RELU", 0.8316681981086731, -30, 0.5951387286186218, -105), 9, -51, -50, ALL_BUT_TFLM),
    (_unary("QUANTIZE", 0.3768724799156189, -76, 0.8862213492393494, -82), 21, -41, -40, {}),
    (_unary("QUANTIZE", 0.003113736631348729, 9, 0.0014684872003272176, 75), -45, -39, -40, {}),
    (_unary("HARD_SWISH", 0.27438706159591675, -121, 0.19415481388568878, -97), 23, 106, 107, ALL_BUT_TFLM),
    (
        _unary("LEAKY_RELU", 0.001366648357361555, -18, 0.0004994396003894508, -44, -0.47228264808654785),
        37, 106, 107, ALL_BUT_TFLM,
    ),
    (
        _unary("LEAKY_RELU", 0.036164797842502594, 71, 0.02334751933813095, 55, 1.4368244409561157),
        -11, -127, -128, ALL_BUT_TFLM,
    ),
    (_unary("RSQRT", 0.014110100455582142, -34, 0.04449539631605148, -54), 115, -38, -39, ALL_BUT_TFLM),
    (_unary("RSQRT", 0.00665275426581502, -19, 0.021662883460521698, -39), 63, 24, 23, ALL_BUT_TFLM),
    (_unary("LOGISTIC", 0.021173501387238503, -113, 0.00390625, -128), -13, 100, 101, LITE),
    (_unary("LOGISTIC", 0.003910727798938751, -38, 0.00390625, -128), -8, 7, 8, LITE),
    (
        _binary("BATCH_MATMUL", 0.11788183450698853, 0, 55, 0.013886396773159504, 0, 0.06792233139276505),
        -66, -88, -87, ALL_BUT_TFLM,
    ),
    (
        _binary("MUL", 0.04314674437046051, 0, -15, 0.0838090032339096, 0, 0.07731655240058899),
        -109, 76, 77, LITE,
    ),
    (
        _binary("MUL", 0.6582425832748413, 0, -108, 1.6064850091934204, 0, 124.68682098388672),
        -125, 115, 114, LITE,
    ),
    (
        _binary("PRELU", 0.3542460501194, 0, -42, 0.006135566625744104, 0, 0.12329107522964478),
        -106, 79, 78, LITE,
    ),
    (
        _binary("PRELU", 0.08846747130155563, 0, -95, 0.08058270812034607, 0, 0.8648137450218201),
        -113, 89, 88, LITE,
    ),
    (
        _binary("SUB", 0.05578097701072693, 0, -121, 0.015075309202075005, 0, 0.09564077109098434),
        -109, -44, -45, AUGUST_ALONE,
    ),
    (
        _binary("SUB", 0.0034742625430226326, 0, 46, 0.007699582260102034, 0, 0.027524571865797043),
        -108, -27, -26, AUGUST_ALONE,
    ),
    (
        _binary("ADD", 0.05578097701072693, 0, 121, 0.015075309202075005, 0, 0.09564077109098434),
        -109, -44, -45, {},
    ),
    (_dense(0.2370993047952652, 89, 0.03249857574701309, -1653, 1.6456117630004883), -93, -47, -46,
     ALL_BUT_TFLM),
    (_dense(0.0016805522609502077, 36, 0.034205112606287, -1027, 0.0016285707242786884), -71, -127, -126,
     ALL_BUT_TFLM),
    # here the second value is that of a float output stage
    (_dense(0.001806955668143928, 71, 0.0029759183526039124, -77, 0.0006477208225987852), -127, -76, -75,
     {"litert-ref": FLOAT}),
    (_dense(0.05022658035159111, 15, 0.06952793896198273, 629, 0.10610856860876083), -128, -43, -42,
     {"litert-ref": FLOAT}),
]  # fmt: skip
"""Found by search over scales: inputs at the edge of a stair, where two ways to take the scales differ."""


def _row(case) -> str:
    name = Model.from_bytes(case[0]).operators[0].name
    return f"{name}_{case[1]}"


@pytest.mark.parametrize("profile", ["tflm", *RUNTIMES])
@pytest.mark.parametrize("case", SEPARATING, ids=_row)
def test_at_the_edge_of_a_stair_a_profile_is_its_runtime_and_not_its_neighbour(runtimes, profile, case):
    content, code, in_double, in_float32, followers = case
    reference = Reference(Model.from_bytes(content), profile)
    shape = reference.input.shape
    codes = np.resize(np.arange(-128, 128), shape).astype(np.int8)
    if reference.model.operators[0].name == "RSQRT":
        codes = np.maximum(codes, reference.input.quantization.zero_point).astype(np.int8)
    output = reference.model.outputs[0]
    expected = runtimes(profile).run(content, [codes[None]], [output])[output][0]
    ours = reference.run(codes.reshape(1, *sample_shape(reference.input))).reshape(expected.shape)
    np.testing.assert_array_equal(ours, expected)
    at = np.flatnonzero(codes.reshape(-1) == code)[0]
    assert in_double != in_float32
    assert expected.reshape(-1)[at] == (in_float32 if profile in followers else in_double)
    wires = run_program(lower(reference.model, profile), codes.reshape(1, -1))
    np.testing.assert_array_equal(wires[lower(reference.model, profile).output][0], ours.reshape(-1))


@pytest.mark.parametrize("profile", ["tflite-ref", "litert-ref"])
@pytest.mark.parametrize(
    ("name", "out_scale", "out_zero_point"), [("RELU6", 0.031, -128), ("RELU6", 0.05, 12), ("TANH", 0.01, 3)]
)
def test_tflite_rescales_where_tflm_ignores_the_outputs_quantization(
    runtimes, profile, name, out_scale, out_zero_point
):
    content = _unary(name, 0.04, 5, out_scale, out_zero_point)
    codes = np.arange(-128, 128).astype(np.int8)
    model = Model.from_bytes(content)
    output = model.outputs[0]
    expected = runtimes(profile).run(content, [codes[None]], [output])[output]
    np.testing.assert_array_equal(Reference(model, profile).run(codes[None]), expected)
    assert not np.array_equal(Reference(model, "tflm").run(codes[None]), expected)


def test_a_state_that_cmsis_nn_does_not_saturate_is_refused_and_one_of_int16_is_not():
    """Held to TFLM with CMSIS-NN on three cores: docs/tflm.md."""
    refused = {}
    for seed in range(12):
        model = Model.from_bytes(CASES_OF["SVDF"][0].model(seed))
        state = model.tensors[model.operators[0].inputs[4]].dtype
        try:
            Reference(model, "cmsis-nn-2026-08")
            refused.setdefault(state, set()).add(False)
        except UnsupportedOp as refusal:
            refused.setdefault(state, set()).add("does not saturate" in str(refusal))
    assert refused == {"int16": {False}, "int8": {True}}


@pytest.mark.parametrize("profile", [p for p in PROFILES if "ref" in p or "cmsis" in p])
def test_an_operator_that_a_profile_does_not_vouch_for_is_refused_with_both_names(profile):
    by_operator = {"cmsis-nn-2026-08": CASES_OF["UNIDIRECTIONAL_SEQUENCE_LSTM"][0].model(1)}
    content = by_operator.get(profile) or random_movement.one_op("SUM" if "ref" in profile else "PAD", 1)
    with pytest.raises(NotInProfile, match=profile) as caught:
        Reference(Model.from_bytes(content), profile)
    assert caught.value.profile == profile and caught.value.op in str(caught.value)
