"""Both copies as one network: by an integer model and TFLM's interpreter; its certificates by the checker."""

from __future__ import annotations

import numpy as np
import pytest

from coverify.check import check
from coverify.cli.network import FixedPoint, read_network
from coverify.cli.study.gap_certificates import certified
from coverify.cli.study.networks import Width
from coverify.study.affine_scheme import affine
from coverify.study.float_network import FloatLayer, FloatNetwork
from coverify.study.ranges import Ranges
from coverify.study.twin_file import gap_relation, twin_npz, twin_tflite
from coverify.study.twins import Twins, groups
from coverify.verify.fixed_point import FixedPointNetwork
from fixed_point_networks import content, layers_of, outputs
from oracle import Tflm
from tflm_int8 import Model

SCORE = np.array([-1, 1])


def arrays(seed: int):
    """3-4-2 of some 5 bits."""
    rng = np.random.default_rng(seed)
    weights = [rng.integers(-16, 16, (4, 3)), rng.integers(-16, 16, (2, 4))]
    middle = weights[0] @ np.array([100, 60, 150])
    biases = [rng.integers(0, 248, 4) - middle, rng.integers(-60, 60, 2)]
    return layers_of(weights, biases, [3, 4], [(0, 31), (-31, 31)])


@pytest.mark.parametrize("protected", [(1,), (0, 2)])
def test_a_fixed_point_twin_gives_both_copies_outputs(protected, tmp_path):
    found = arrays(3)
    twin = twin_npz(FixedPointNetwork.from_bytes(content(found)), protected)
    (tmp_path / "twin.npz").write_bytes(twin)
    x = np.random.default_rng(4).integers(60, 160, (200, 3 + len(protected)))
    second = x[:, :3].copy()
    second[:, list(protected)] = x[:, 3:]
    want = np.concatenate([outputs(found, x[:, :3]), outputs(found, second)], axis=1)
    assert np.array_equal(outputs(dict(np.load(tmp_path / "twin.npz")), x), want)
    assert len(np.unique(want, axis=0)) > 20


def test_an_int8_twin_gives_both_copies_bytes_in_tflm():
    rng = np.random.default_rng(8)
    layers = (
        FloatLayer(rng.normal(0, 1, (6, 4)), rng.normal(0, 0.2, 6)),
        FloatLayer(rng.normal(0, 1, (3, 6)), rng.normal(0, 0.1, 3)),
    )
    network = FloatNetwork("float", layers).taking(0, 1)
    file = affine(network, Ranges.of(network, rng.integers(0, 256, (100, 4))), 6)
    twin = twin_tflite(Model.from_bytes(file, "net"), (2,))
    assert twin is not None
    one, both = Tflm(file), Tflm(twin)
    for x in rng.integers(-128, 128, (30, 5)).astype(np.int8):
        second = x[:4].copy()
        second[2] = x[4]
        copies = [one.run(side[None]).reshape(-1) for side in (x[:4], second)]
        assert np.array_equal(both.run(x[None]).reshape(-1), np.concatenate(copies))


@pytest.mark.parametrize("wide", [2, 60], ids=["enumerated", "by bounds"])
def test_the_checker_accepts_the_proved_gap_and_nothing_is_written_for_a_smaller_one(wide, tmp_path):
    found = arrays(3)
    path = tmp_path / "net.npz"
    path.write_bytes(content(found))
    network = read_network(path, "tflm")
    assert isinstance(network, FixedPoint)
    twins = Twins(network.program, (1,), SCORE)
    lo = np.array([100, 40, 150])
    hi = lo + np.array([wide, 30, wide])
    parts = groups(lo, hi, (1,), [(40, 70)])
    points = np.stack(np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(lo, hi, strict=True))), axis=-1)
    points = points.reshape(-1, 3)
    sides = [points.copy(), points.copy()]
    sides[0][:, 1], sides[1][:, 1] = 40, 70
    gap = int(np.abs((outputs(found, sides[1]) - outputs(found, sides[0])) @ SCORE).max())
    width = Width("fixed", 5, "fixed-b5", path, network)
    assert certified(width, twins, parts, gap, tmp_path / "run", 30.0, 1) == 1
    (file,) = (tmp_path / "run").glob("certificate-*.zip")
    claim = check(file)
    assert claim.label is None and claim.relation is not None
    c, d, some = claim.relation
    assert c.tolist() == [[1, -1, -1, 1], [-1, 1, 1, -1]] and d.tolist() == [gap, gap]
    assert some.tolist() == [[0], [1]]
    assert np.array_equal(claim.lo, [100, 40, 150, 70])
    assert np.array_equal(claim.hi, [100 + wide, 40, 150 + wide, 70])
    assert certified(width, twins, parts, gap - 1, tmp_path / "less", 5.0, 1) == 0
    assert not list((tmp_path / "less").glob("*.zip"))


def test_a_relation_is_about_the_distance_of_the_scores():
    relation = gap_relation(SCORE, 7)
    outputs_of_both = np.array([3, 10, 5, 4])  # scores 7 and −1: a gap of 8
    assert (relation.c @ outputs_of_both).tolist() == [-8, 8] and relation.d.tolist() == [7, 7]
