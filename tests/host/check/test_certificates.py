"""Certificates: the checker accepts those of every engine, and no mutated one whose claim is false.

The truth of a mutated claim comes from running every point of its box through TFLM's reference model, of
which the checker uses nothing. COVERIFY_FUZZ_CASES=100000 mutates more.
"""

import importlib.util
import itertools
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import fixed_point_networks
import random_elementwise
import random_graphs
import random_movement
from coverify.check import Rejected, check
from coverify.check.certificate import network as read_network
from coverify.check.steps import Network
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.dual.places import places
from coverify.verify.engines import solve
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from model_builder import Builder
from oracle import ROOT, Tflm
from tflm_int8 import Model, Reference, TflmError, lower
from tflm_int8.program.concrete import run

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "40"))
NETWORKS = ROOT / "firmware_models" / "networks"


def loaded(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fuzz = loaded(ROOT / "tests" / "fuzz" / "certificates.py")


def ran(network: Network, x: np.ndarray) -> np.ndarray:
    """What the checker computes: [N, n] → [N, outputs]."""
    return network.boxes(np.stack([x, x]))[0][:, network.outputs]


@pytest.fixture(scope="module")
def sources() -> list[bytes]:
    return fuzz.sources(5, 3)


def test_every_engine_s_certificates_are_accepted_of_labels_and_relations_under_every_profile(
    sources, tmp_path
):
    seen = set()
    for data in sources:
        (tmp_path / "c.zip").write_bytes(data)
        claim, made_by = (
            check(tmp_path / "c.zip"),
            json.loads(fuzz.members(data)["certificate.json"])["made_by"],
        )
        seen.add((made_by, claim.evidence.split(",")[0], claim.profile, claim.relation is None))
        assert fuzz.is_true(data) is True
    for profile in ("tflm", "tflm-single-rounding", "fixed-point"):
        assert {seen for seen in seen if seen[2] == profile} >= {
            ("interval", "bounds", profile, True),
            ("dual", "bounds", profile, True),
            ("bab", "bounds", profile, True),
            ("enumerate", "enumeration", profile, True),
        }
    assert {(engine, relation) for engine, _, _, relation in seen} >= {("bab", False), ("enumerate", False)}


def test_no_mutated_certificate_is_accepted_unless_what_it_claims_is_true(sources, tmp_path):
    counts, findings = fuzz.campaign(sources, max(300, CASES), 5, tmp_path)
    assert not findings
    assert counts["rejected"] > counts.total() / 3
    assert counts["accepted, true"] > counts.total() / 10


@pytest.mark.parametrize("seed", range(CASES))
def test_the_checker_reads_a_tflite_network_as_tflm_runs_it(seed):
    content = fuzz.tflite_network(np.random.default_rng([seed, 1000]))
    try:
        lower(Model.from_bytes(content))
        network = read_network(content, "tflm")
    except (TflmError, Rejected) as err:
        pytest.skip(f"refused: {err}")
    tflm = Tflm(content, 1 << 18)
    shape = Model.from_bytes(content).tensors[Model.from_bytes(content).inputs[0]].shape
    x = np.random.default_rng(seed).integers(-128, 128, (40, network.domain.shape[1]))
    expected = [tflm.run(row.astype(np.int8).reshape(shape)).reshape(-1) for row in x]
    np.testing.assert_array_equal(ran(network, x), expected)


@pytest.mark.parametrize("seed", range(CASES))
def test_the_checker_rounds_once_where_the_profile_does(seed):
    content = fuzz.tflite_network(np.random.default_rng([seed, 2000]))
    try:
        reference = Reference(Model.from_bytes(content), "tflm-single-rounding")
        network = read_network(content, "tflm-single-rounding")
    except (TflmError, Rejected) as err:
        pytest.skip(f"refused: {err}")
    x = np.random.default_rng(seed).integers(-128, 128, (200, network.domain.shape[1]))
    expected = reference.run(x.astype(np.int8).reshape(-1, *reference.input.shape[1:]))
    np.testing.assert_array_equal(ran(network, x), expected.reshape(len(x), -1))


@pytest.mark.parametrize("profile", ["tflm", "tflm-single-rounding"])
@pytest.mark.parametrize(
    ("op", "one_op", "refused"),
    [
        ("MEAN", random_movement, None),
        ("PAD", random_movement, None),
        ("CONCATENATION", random_movement, None),
        ("LOGISTIC", random_elementwise, None),
        ("TANH", random_elementwise, None),
        ("RELU", random_elementwise, None),
        ("RELU6", random_elementwise, None),
        ("LEAKY_RELU", random_elementwise, "a slope below 0"),
        ("QUANTIZE", random_elementwise, "not int8|a conversion"),
        ("SUB", random_elementwise, None),
        ("MUL", random_elementwise, "the shapes"),
        ("SQUARED_DIFFERENCE", random_elementwise, "the shapes"),
        ("MAXIMUM", random_elementwise, "the shapes"),
        ("MINIMUM", random_elementwise, "the shapes"),
        ("PRELU", random_elementwise, "no constant|the shapes"),
        ("HARD_SWISH", random_elementwise, "a scale ratio"),
        ("REDUCE_MAX", random_movement, None),
        ("REDUCE_MIN", random_movement, None),
        ("SUM", random_movement, None),
        ("TRANSPOSE", random_movement, None),
        ("RESIZE_NEAREST_NEIGHBOR", random_movement, None),
        ("SLICE", random_movement, "a constant's type"),
        ("STRIDED_SLICE", random_movement, None),
        ("SPLIT", random_movement, None),
        ("UNPACK", random_movement, None),
        ("SQUEEZE", random_movement, None),
        ("TRANSPOSE_CONV", random_movement, "the shapes"),
        ("EXPAND_DIMS", random_movement, None),
    ],
)
def test_the_checker_reads_an_operator_as_tflm_runs_it(op, one_op, refused, profile):
    """A MEAN over any axes, said from either end and twice; tables on all codes, of any scale. What its steps
    write stands where evidence has it.
    """
    read = 0
    for seed in range(60):
        content = one_op.one_op(op, seed)
        try:
            reference = Reference(Model.from_bytes(content), profile)
        except TflmError:
            continue
        if reference.input.dtype != "int8":
            continue
        try:
            network, shape = read_network(content, profile), reference.input.shape
        except Rejected as err:
            assert refused is not None and re.search(refused, str(err))
            continue
        rng, n = np.random.default_rng(seed), network.domain.shape[1]
        x = rng.integers(-128, 128, (40, n))
        if n == 256:
            x[0] = np.arange(-128, 128)
        codes = x.astype(np.int8).reshape(-1, *shape)
        found, expected = ran(network, x), reference.run(codes).reshape(len(x), -1)
        if profile == "tflm":
            tflm = Tflm(content, 1 << 18)
            expected = np.stack([tflm.run(row.astype(np.int8).reshape(shape)).reshape(-1) for row in x])
        np.testing.assert_array_equal(found, expected)
        program, elements = lower(Model.from_bytes(content), profile), network.boxes(x[None])[0]
        for place, values in zip(places(program, len(program.steps)), run(program, x), strict=True):
            np.testing.assert_array_equal(elements[:, place], values)
        read += 1
    assert read > 15


@pytest.mark.parametrize("op", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [2.0**-26, 1e-4, 0.05, 7.9, 8.0, 8.1, 15.0, 16.0, 31.9, 1e4, 2.0**34])
def test_the_checker_reads_curves_of_the_least_and_the_greatest_scales_as_tflm_runs_them(op, scale):
    """Above 8 no input is within Q4.27 but the zero point, which TFLM takes as one below it."""
    b = Builder()
    x = b.input((1, 256), float(np.float32(scale)), 5)
    content = b.finish(b.op(op, [x], b.activation((1, 256), 1 / 256, -128)))
    codes = np.arange(-128, 128)
    found = ran(read_network(content, "tflm"), codes[None])[0]
    expected = Tflm(content, 1 << 16).run(codes.astype(np.int8)[None])
    np.testing.assert_array_equal(found, expected.reshape(-1))
    found = ran(read_network(content, "tflm-single-rounding"), codes[None])[0]
    reference = Reference(Model.from_bytes(content), "tflm-single-rounding")
    np.testing.assert_array_equal(found, reference.run(codes.astype(np.int8)[None]).reshape(-1))


@pytest.mark.parametrize("op", ["LOGISTIC", "TANH"])
@pytest.mark.parametrize("scale", [1e-45, 1e-30, 2.0**-60, 2.0**-59, 2.0**-29, 2.0**35, 2.0**100])
def test_curves_whose_scale_leaves_the_shifts_are_refused_as_by_the_reference(op, scale):
    b = Builder()
    content = b.finish(b.op(op, [b.input((1, 2), scale, 5)], b.activation((1, 2), 1 / 256, -128)))
    for profile in ("tflm", "tflm-single-rounding"):
        with pytest.raises(Rejected, match="out of range"):
            read_network(content, profile)
        with pytest.raises(TflmError, match="out of range"):
            Reference(Model.from_bytes(content), profile)


@pytest.mark.parametrize("seed", range(CASES))
def test_elements_of_padded_images_stand_where_evidence_has_them(seed):
    """Whether a convolution alone reads them, which needs none of its own, or something else does as well."""
    content = random_graphs.padded_convolution(seed)
    try:
        program = lower(Model.from_bytes(content))
        network = read_network(content, "tflm")
    except (TflmError, Rejected) as err:
        pytest.skip(f"refused: {err}")
    x = np.random.default_rng(seed).integers(-128, 128, (20, program.n_input))
    found = network.boxes(np.stack([x, x]))[0]
    for place, values in zip(places(program, len(program.steps)), run(program, x), strict=True):
        np.testing.assert_array_equal(found[:, place], values)


def test_proofs_over_a_maximum_that_is_clamped_from_above_are_accepted(tmp_path):
    """MAX_POOL_2D with RELU6, whose clamp the box reaches or not."""
    accepted = 0
    for seed in range(8, 32):
        rng, b = np.random.default_rng(seed), Builder()
        x = b.input((1, 2, 2, 1), 0.05, 0)
        filters, bias = rng.integers(-100, 101, (2, 1, 1, 1)), rng.integers(-500, 500, 2)
        x = b.conv(x, filters, bias, [0.02, 0.02], 0.06, -20)
        x = b.reshape(b.pool(x, "MAX", (2, 2), (1, 1), 1, 3), (1, 2))
        weights, bias = rng.integers(-100, 101, (3, 2)), rng.integers(-500, 500, 3)
        content = b.finish(b.fully_connected(x, weights, bias, 0.02, 0.08, 0))
        program = lower(Model.from_bytes(content))
        x0 = rng.integers(-30, 30, 4)
        label = int(run(program, x0[None])[program.output].argmax())
        for engine, eps in itertools.product(("interval", "bab"), (1, 3)):
            query = Robustness.around(x0, label, eps)
            outcome = solve(engine, Problem(program, query), Deadline.in_s(10))
            if outcome.verdict is Verdict.HOLDS:
                Certificate(content, "tflm", query, outcome.argument, engine).write(tmp_path / "c.zip")
                check(tmp_path / "c.zip")
                accepted += 1
    assert accepted > 20


def test_maxima_of_windows_that_leave_the_image_are_bounded_as_they_were_proved(tmp_path):
    """Where several elements have the same lower end, which one stands for a tap outside says what a maximum
    is a function of.
    """
    proved = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 14])
        b = Builder()
        image = b.pool(b.input((1, 3, 3, 1), 0.05, 0), "MAX", (1, 1), (1, 1), 0, 1)
        pooled = b.reshape(b.pool(image, "MAX", (3, 3), (1, 1), 0), (1, 9))
        biases = rng.integers(-300, 300, 2)
        content = b.finish(b.fully_connected(pooled, rng.integers(-9, 10, (2, 9)), biases, [1.0], 1.0, 0))
        program = lower(Model.from_bytes(content))
        x = rng.integers(-40, 20, 9)
        label = int(run(program, x[None])[program.output][0].argmax())
        for eps in (1, 3, 6, 10, 20, 30):
            query = Robustness.around(x, label, eps)
            outcome = solve("interval", Problem(program, query), Deadline.in_s(5))
            if outcome.verdict is not Verdict.HOLDS:
                break
            Certificate(content, "tflm", query, outcome.argument, "interval").write(tmp_path / "c.zip")
            assert check(tmp_path / "c.zip").label == label
            proved += "0 steps" not in check(tmp_path / "c.zip").evidence
    assert proved > 10


def test_a_window_that_lies_in_padding_alone_reads_nothing():
    """On an image of one element, beside which both taps of a dilated window lie."""
    b = Builder()
    weights, bias = np.array([[[[3]], [[5]]], [[[7]], [[-9]]]]), np.array([40, -70])
    y = b.conv(b.input((1, 1, 1, 1), 0.05, 3), weights, bias, [0.1, 0.2], 0.02, 4, dilation=(2, 1))
    content = b.finish(y)
    x = np.array([[-128], [0], [127]])
    tflm = Tflm(content, 1 << 16)
    expected = [tflm.run(row.astype(np.int8).reshape(1, 1, 1, 1)).reshape(-1) for row in x]
    np.testing.assert_array_equal(ran(read_network(content, "tflm"), x), expected)


@pytest.mark.parametrize("n", [1, 3])
def test_a_softmax_before_other_layers_is_run_as_by_tflm_and_bounds_do_not_cross_it(n, tmp_path):
    b = Builder()
    logits = b.fully_connected(
        b.input((1, 2), 1.0, 0), np.array([[9, 2], [3, -4], [1, 1]])[:n], None, 0.01, 0.05, 0
    )
    soft = b.softmax(logits, 1.0)
    content = b.finish(b.fully_connected(soft, np.array([[5, 1, 0], [0, 1, 7]])[:, :n], None, 1.0, 0.3, 0))
    x = np.random.default_rng(n).integers(-128, 128, (100, 2))
    tflm = Tflm(content, 1 << 16)
    expected = [tflm.run(row.astype(np.int8)[None]).reshape(-1) for row in x]
    np.testing.assert_array_equal(ran(read_network(content, "tflm"), x), expected)
    program, label = lower(Model.from_bytes(content)), int(np.argmax(expected[0]))
    query = Robustness.around(x[0], label, 0)
    outcome = solve("enumerate", Problem(program, query), Deadline.in_s(5))
    Certificate(content, "tflm", query, outcome.argument, "enumerate").write(tmp_path / "c.zip")
    assert check(tmp_path / "c.zip").label == label
    box = np.stack([x.min(axis=0), x.max(axis=0)])
    least, greatest = read_network(content, "tflm").boxes(box)[:, -2:]
    assert np.all(least <= np.min(expected, axis=0))
    assert np.all(np.max(expected, axis=0) <= greatest)


@pytest.mark.parametrize(("activation", "scale"), [(3, 2.9e-9), (3, 2.7e-9), (2, 4.7e-10), (2, 4e-10)])
def test_an_activation_whose_ends_leave_32_bits_is_refused_as_by_tflm(activation, scale):
    b = Builder()
    weights = np.array([[127, 0], [0, 127]])
    y = b.fully_connected(b.input((1, 2), 1.0, 0), weights, None, scale / 127, scale, -20, activation)
    content, x = b.finish(y), np.array([[-128, 127], [5, -5]])
    try:
        tflm = Tflm(content, 1 << 16)
    except RuntimeError:
        with pytest.raises(Rejected, match="32 bits"):
            read_network(content, "tflm")
        return
    expected = [tflm.run(row[None].astype(np.int8)).reshape(-1) for row in x]
    np.testing.assert_array_equal(ran(read_network(content, "tflm"), x), expected)


@pytest.mark.parametrize("name", ["digits_cnn", "digits_mlp"])
def test_the_checker_reads_the_shipped_networks_as_tflm_runs_them(name):
    content = (NETWORKS / f"{name}.tflite").read_bytes()
    x = np.load(NETWORKS / f"{name}.npz")["x"][:30]
    tflm = Tflm(content, 1 << 20)
    network = read_network(content, "tflm")
    expected = [tflm.run(row[None]).reshape(-1) for row in x]
    np.testing.assert_array_equal(ran(network, x.reshape(len(x), -1).astype(np.int64)), expected)


@pytest.mark.parametrize("seed", range(CASES))
def test_the_checker_reads_a_fixed_point_network_as_it_is_defined(seed):
    rng = np.random.default_rng(seed)
    arrays = fixed_point_networks.random_network(rng)
    try:
        network = read_network(fixed_point_networks.content(arrays), "fixed-point")
    except Rejected as err:
        pytest.skip(f"refused: {err}")
    x = rng.integers(0, 256, (50, network.domain.shape[1]))
    np.testing.assert_array_equal(ran(network, x), fixed_point_networks.outputs(arrays, x))


@pytest.mark.parametrize("engine", ["interval", "dual", "bab"])
@pytest.mark.parametrize("seed", range(CASES))
def test_fixed_point_networks_are_decided_as_by_brute_force_and_every_proof_checks(seed, engine, tmp_path):
    rng = np.random.default_rng([seed, 9])
    arrays = fixed_point_networks.random_network(rng)
    x0, eps = fixed_point_networks.region(arrays, rng, 750)
    points = fixed_point_networks.points(x0, eps)
    label = int(fixed_point_networks.outputs(arrays, x0[None])[0].argmax())
    holds = bool(np.all(fixed_point_networks.outputs(arrays, points).argmax(axis=1) == label))
    network = FixedPointNetwork.from_bytes(fixed_point_networks.content(arrays))
    query = Robustness.around(x0, label, eps, None, 0, 255)
    outcome = solve(engine, Problem(network.program, query), Deadline.in_s(20))
    allowed = {Verdict.HOLDS if holds else Verdict.VIOLATED}
    assert outcome.verdict in allowed | ({Verdict.UNKNOWN} if engine != "bab" else set()), outcome
    if outcome.verdict is Verdict.HOLDS:
        path = tmp_path / "c.zip"
        Certificate(network.content, "fixed-point", query, outcome.argument, engine).write(path)
        assert check(path).label == label
