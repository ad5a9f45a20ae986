"""Fixed-point networks in .npz files: what they compute, what every engine says of them, what is refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import os

import numpy as np
import pytest

from coverify.verify.bounds import wire_bounds
from coverify.verify.deadline import Deadline
from coverify.verify.engines import ENGINES, solve
from coverify.verify.engines.packages import PACKAGES
from coverify.verify.errors import BadNetwork
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from fixed_point_networks import content, layers_of, outputs, points, random_network, region
from oracle import shared
from tflm_int8.program.concrete import run
from tflm_int8.program.primitives import HalfUpShift, thresholds

IN_PROCESS = [name for name in ENGINES if name not in PACKAGES or name == "z3"]
"""The other solvers run in processes of their own: test_solvers.py."""
CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "40"))
ACCURACY = {
    "aaai21_mnist_784-64-32_q6": 9708,
    "qvip_mnist_784-100-10_q4": 9736,
    "qvip_mnist_784-100-10_q8": 9745,
    "qvip_mnist_784-100-10_q10": 9735,
    "qvip_mnist_784-64-32-10_q4": 9691,
    "qvip_mnist_784-64-32-10_q6": 9712,
    "qvip_mnist_784-64-32-10_q8": 9701,
}
"""Correct classes of the 10,000 MNIST test images, as published with the networks' integers."""


def network(arrays) -> FixedPointNetwork:
    return FixedPointNetwork.from_bytes(content(arrays))


def mnist() -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(shared("mnist/mnist-t10k-images-idx3-ubyte.gz")) as stream:
        images = np.frombuffer(stream.read()[16:], np.uint8).reshape(10_000, 784)
    with gzip.open(shared("mnist/mnist-t10k-labels-idx1-ubyte.gz")) as stream:
        return images, np.frombuffer(stream.read()[8:], np.uint8)


@pytest.mark.parametrize("name", ACCURACY)
def test_all_mnist_images_get_the_integers_of_an_independent_model_and_the_authors_classes(name):
    path = shared(f"qnn/{name}.npz")
    images, labels = mnist()
    program = FixedPointNetwork.read(path).program
    got = np.concatenate([run(program, x.astype(np.int16))[program.output] for x in np.split(images, 10)])
    assert int((got.argmax(axis=1) == labels).sum()) == ACCURACY[name]
    assert np.array_equal(got, outputs(dict(np.load(path)), images))


@pytest.mark.parametrize("shift", [0, 1, 2, 9, 30])
def test_halves_round_up_also_below_zero(shift):
    rule = HalfUpShift(np.array([shift]), -1000, 1000)
    step = 1 << shift
    acc = np.array([-step - 1, -step, -(step + 1) // 2, -(step // 2), 0, step // 2, step // 2 - 1, step])
    got = rule.apply(acc[:, None], np.zeros(1, np.int64))[:, 0]
    assert got.tolist() == [(2 * a + step) // (2 * step) for a in acc.tolist()]


@pytest.mark.parametrize("shift", [0, 1, 5, 17])
def test_the_edges_of_the_stairs_are_where_the_formula_says(shift):
    rule = HalfUpShift(np.array([shift]), -3, 1023)
    wanted = [v * (1 << shift) - (1 << shift) // 2 for v in range(-2, 1024)]  # acc + half >= v * 2**shift
    assert thresholds(rule).tolist() == [wanted]


@pytest.mark.parametrize("seed", range(CASES))
def test_every_engine_agrees_with_brute_force(seed):
    rng = np.random.default_rng([seed, 41])
    arrays = random_network(rng)
    x0, eps = region(arrays, rng, 2000)
    label = int(outputs(arrays, x0[None])[0].argmax())
    holds = bool(np.all(outputs(arrays, points(x0, eps)).argmax(axis=1) == label))
    truth = Verdict.HOLDS if holds else Verdict.VIOLATED
    problem = Problem(network(arrays).program, Robustness.around(x0, label, eps, None, 0, 255))
    for engine in IN_PROCESS:
        outcome = solve(engine, problem, Deadline.in_s(60), seed)
        complete = engine == "enumerate" or (engine == "z3" and "out of time" not in outcome.note)
        assert outcome.verdict in ({truth} if complete else {truth, Verdict.UNKNOWN}), (engine, outcome)
        if outcome.verdict is Verdict.VIOLATED:
            assert outputs(arrays, outcome.witness[None])[0].argmax() != label


@pytest.mark.parametrize("seed", range(CASES))
def test_no_value_leaves_its_bounds(seed):
    rng = np.random.default_rng([seed, 42])
    arrays = random_network(rng)
    x0, eps = region(arrays, rng, 2000)
    program = network(arrays).program
    boxes = wire_bounds(program, np.maximum(x0 - eps, 0), np.minimum(x0 + eps, 255))
    for values, box in zip(run(program, points(x0, eps)), boxes, strict=True):
        assert np.all(box.lo <= values.min(axis=0))
        assert np.all(values.max(axis=0) <= box.hi)


GOOD = layers_of([[[1, -2], [3, 4]], [[1, 1], [0, 2]]], [[5, 6], [0, 1]], [2, 0], [(0, 63), (-512, 511)])


@pytest.mark.parametrize(
    "changes",
    [
        {"n_layers": np.array(0)},
        {"n_layers": np.array(65)},
        {"n_layers": np.array(2.0)},
        {"n_layers": np.array([2, 2])},
        {"n_layers": np.array(1)},  # a layer too many
        {"n_layers": np.array(3)},  # a layer too few
        {"w0": np.zeros((2, 2))},
        {"w0": np.zeros((2, 0), np.int16)},
        {"w0": np.zeros(4, np.int16)},
        {"w1": np.zeros((2, 3), np.int16)},
        {"w0": np.full((2, 2), 1 << 25)},
        {"w0": np.full((2, 2), 1 << 24), "w1": np.zeros((2, 2), int)},  # accumulators beyond int32
        {"w0": np.full((2, 2), 2**64 - 1, np.uint64)},
        {"w0": np.full((2, 2), -(2**63))},
        {"b0": np.zeros(3, np.int64)},
        {"b0": np.full(2, 2**31 - 1)},
        {"b0": np.zeros(2)},
        {"shift0": np.array(-1)},
        {"shift0": np.array(31)},
        {"lo0": np.array(64)},
        {"hi0": np.array(1 << 15)},
        {"hi0": np.array(True)},
        {"w2": np.zeros((2, 2), np.int16)},
        {"extra": np.zeros(2)},
        {"w0": np.array([[{}, {}], [{}, {}]], dtype=object)},
    ],
)
def test_another_file_is_refused(changes):
    with pytest.raises(BadNetwork):
        network({**GOOD, **changes})


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_missing_array_is_refused(name):
    with pytest.raises(BadNetwork):
        network({k: v for k, v in GOOD.items() if k != name})


def test_a_damaged_byte_is_refused_or_changes_no_promise():
    data = content(GOOD)
    rng = np.random.default_rng(7)
    for at in range(0, len(data), 3):
        broken = data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :]
        with contextlib.suppress(BadNetwork):
            program = FixedPointNetwork.from_bytes(broken).program
            run(program, rng.integers(0, 256, (4, program.n_input)))  # no accumulator leaves its domain


@pytest.mark.parametrize("bytes_", [b"", b"PK\3\4", b"{}" * 50, gzip.compress(b"x" * 100, mtime=0)])
def test_a_file_that_is_no_archive_is_refused(tmp_path, bytes_):
    (tmp_path / "net.npz").write_bytes(bytes_)
    for path in (tmp_path / "net.npz", tmp_path, tmp_path / "none.npz"):
        with pytest.raises(BadNetwork):
            FixedPointNetwork.read(path)


def test_an_archive_that_says_it_unpacks_to_gigabytes_is_refused():
    stream = io.BytesIO()
    np.savez_compressed(stream, **GOOD, w9=np.zeros(1 << 28, np.int8))
    with pytest.raises(BadNetwork):
        FixedPointNetwork.from_bytes(stream.getvalue())
