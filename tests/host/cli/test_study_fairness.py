"""coverify study fairness as a user types it; every gap against brute force over all pairs of copies."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from command import coverify
from coverify.check import check
from coverify.cli.devices import device_limits
from coverify.study.float_network import FloatLayer, FloatNetwork
from fixed_point_networks import outputs
from study_widths import outputs_of

BITS = (3, 5)
SCORE = np.array([-1, 1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small float network; inputs within a few codes of each other, feature 1 one of two codes."""
    folder = tmp_path_factory.mktemp("fairness")
    rng = np.random.default_rng(23)
    arrays = {
        "w0": rng.normal(0, 2, (5, 3)), "b0": rng.normal(0, 0.2, 5),
        "w1": rng.normal(0, 1, (2, 5)), "b1": rng.normal(0, 0.1, 2),
    }  # fmt: skip
    np.savez(folder / "float.npz", **arrays)
    layers = tuple(FloatLayer(arrays[f"w{i}"], arrays[f"b{i}"]) for i in range(2))
    x = np.stack([rng.integers(90, 106, 30), rng.choice([20, 220], 30), rng.integers(140, 156, 30)], axis=1)
    x[:2] = [[90, 20, 140], [105, 220, 155]]
    y = FloatNetwork("float", layers).taking(0, 1).classes(x)
    np.savez(folder / "x.npz", x=x.astype(np.uint8), y=y)
    return folder


@pytest.fixture(scope="module")
def done(folder):
    return coverify(
        "study", "fairness", folder / "float.npz", "--inputs", folder / "x.npz", "--protected", "1",
        "--bits", "3,5", "--timeout", 20, "--jobs", 1, "--device", "native:", "--out", folder / "run",
        "--json", "-",
    )  # fmt: skip


def test_every_gap_is_that_of_all_pairs_and_the_pair_that_is_kept_has_it(done, folder):
    assert (done.code, done.result["verdict"]) == (0, "OK"), done.stderr
    rows = done.result["study"]["gaps"]
    assert [(r["scheme"], r["bits"]) for r in rows] == list(itertools.product(("fixed", "affine"), BITS))
    grid = np.array([(a, 20, b) for a in range(90, 106) for b in range(140, 156)])
    for row in rows:
        copies = [grid.copy(), grid.copy()]
        copies[1][:, 1] = 220
        gaps = np.abs(
            np.subtract(*(outputs_of(folder / "run", row["scheme"], row["bits"], c) @ SCORE for c in copies))
        )
        assert row["at_least"] == row["at_most"] == gaps.max() > 0
        pair = np.load(folder / "run" / row["pair"])["x"].astype(int)
        assert sorted(pair[:, 1]) == [20, 220] and np.array_equal(pair[0, ::2], pair[1, ::2])
        kept = outputs_of(folder / "run", row["scheme"], row["bits"], pair)
        assert abs(int((kept[1] - kept[0]) @ SCORE)) == row["at_least"]
        assert row["pair_flips"] == (kept[0].argmax() != kept[1].argmax())


def test_every_gap_has_certificates_that_the_checker_accepts(done, folder):
    for row in done.result["study"]["gaps"]:
        assert (row["certificates"], row["boxes"]) == (1, 1)
        (path,) = (folder / "run" / f"{row['scheme']}-b{row['bits']}").glob("certificate-*.zip")
        claim = check(path)
        assert claim.relation is not None
        assert claim.relation[1].tolist() == [row["at_most"]] * 2
        shift = 128 if row["scheme"] == "affine" else 0
        assert (claim.lo + shift).tolist() == [90, 20, 140, 220]
        assert (claim.hi + shift).tolist() == [105, 20, 155, 220]


def test_inputs_whose_class_changes_with_the_feature_alone_are_counted(done, folder):
    x = np.load(folder / "x.npz")["x"].astype(int)
    for row in done.result["study"]["gaps"]:
        classes = []
        for code in (20, 220):
            changed = x.copy()
            changed[:, 1] = code
            classes.append(outputs_of(folder / "run", row["scheme"], row["bits"], changed).argmax(axis=1))
        assert row["flipped"] == int((classes[0] != classes[1]).sum())


def test_the_device_confirms_the_pairs_of_the_networks_that_it_runs(done, folder):
    said = {row["scheme"]: row.get("on_device") for row in done.result["study"]["gaps"]}
    assert said == {"fixed": None, "affine": "CONFIRMED"}
    assert done.result["device"]["url"] == "native:"
    assert set(device_limits("native:")) <= set(done.result["not_covered"])
    said = "the device: 2 of 4 networks are fixed-point ones that none runs"
    assert said in done.result["not_covered"]
    assert (folder / "run" / "fairness.svg").read_text().startswith("<svg")
    assert coverify("report", folder / "run").code == 0
    assert "Largest gap between copies" in (folder / "run" / "report.html").read_text()


@pytest.mark.parametrize("change", [{"--protected": "9"}, {"--protected": "x"}, {"--score": "2"}])
def test_what_makes_no_sense_is_refused(change, folder, tmp_path):
    options = {"--inputs": "x.npz", "--protected": "1", "--out": str(tmp_path), **change}
    flat = [part for pair in options.items() for part in pair]
    done = coverify("study", "fairness", "float.npz", *flat, "--bits", "3", "--json", "-", cwd=folder)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")


def test_a_network_of_a_single_output_is_refused_in_the_words_of_a_study(folder, tmp_path):
    one = {"w0": np.ones((4, 3)), "b0": np.ones(4), "w1": np.ones((1, 4)), "b1": np.zeros(1)}
    np.savez(tmp_path / "one.npz", **one)
    done = coverify(
        "study", "fairness", tmp_path / "one.npz", "--inputs", folder / "x.npz", "--protected", "1",
        "--score", 0, "--out", tmp_path / "out", "--json", "-",
    )  # fmt: skip
    assert done.code == 2
    assert "has a single output, and so no classes, which a study counts" in done.result["message"]
    assert "--property" not in done.result["message"]


def test_inputs_without_a_radius_around_them_are_refused(folder, tmp_path):
    done = coverify(
        "study", "fairness", folder / "float.npz", "--inputs", folder / "x.npz", "--protected", "1",
        "--bits", "3", "--index", "0-2", "--out", tmp_path, "--json", "-",
    )  # fmt: skip
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert done.result["message"].startswith("--index 0-2 needs --eps N")


def command(folder, *more):
    return coverify(
        "study", "fairness", folder / "float.npz", "--inputs", folder / "x.npz", "--protected", "1",
        "--bits", "3", "--scheme", "fixed", "--timeout", 20, "--jobs", 1, "--out", folder / "again", *more,
        "--json", "-",
    )  # fmt: skip


def test_the_same_command_asks_nothing_again_and_believes_no_pair_that_it_has_not_run(done, folder):
    first = command(folder).result["study"]["gaps"]
    file = folder / "again" / "fixed-b3" / "gap.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "time_s": 77.5}))
    assert command(folder).result["study"]["gaps"] == [{**first[0], "time_s": 77.5}]
    file.write_text(json.dumps({**kept, "best": kept["best"] + 1, "most": kept["most"] + 1, "time_s": 77.5}))
    (row,) = command(folder).result["study"]["gaps"]
    assert row["at_most"] == first[0]["at_most"] and row["time_s"] != 77.5


@pytest.fixture(scope="module")
def bump(tmp_path_factory):
    """A network of class 1 for some middle codes of feature 1 alone, and inputs, all of class 0."""
    folder = tmp_path_factory.mktemp("bump")
    places = np.array([50, 60, 70]) / 255
    np.savez(
        folder / "float.npz",
        w0=np.array([[0, 8.0]] * 3), b0=-8 * places,
        w1=np.array([[0, 0, 0.0], [1, -2, 1]]), b1=np.array([0.1, 0]),
    )  # fmt: skip
    x = np.array([[0, 0], [3, 20], [9, 130], [4, 200], [200, 255]])
    np.savez(folder / "x.npz", x=x.astype(np.uint8), y=np.zeros(5, int))
    return folder


def flips(bump, out, protected: str):
    return coverify(
        "study", "fairness", bump / "float.npz", "--inputs", bump / "x.npz", "--protected", protected,
        "--bits", "8", "--scheme", "fixed", "--eps", 0, "--index", 0, "--jobs", 1, "--timeout", 1,
        "--out", out,
    )  # fmt: skip


def test_an_input_that_one_value_of_a_range_flips_is_counted(bump, tmp_path):
    flips(bump, tmp_path, "1")
    (row,) = json.loads((tmp_path / "study-fairness.json").read_text())["study"]["gaps"]
    network = dict(np.load(tmp_path / "networks" / "fixed-b8.npz"))
    grid = np.array([(0, code) for code in range(256)])
    assert set(outputs(network, grid).argmax(axis=1).tolist()) == {0, 1}
    assert (row["flipped"], row["samples"], row.get("sampled", False)) == (5, 5, False)


def test_a_count_over_a_sample_says_so(bump, tmp_path):
    done = flips(bump, tmp_path, "0,1")
    result = json.loads((tmp_path / "study-fairness.json").read_text())
    (row,) = result["study"]["gaps"]
    assert row["sampled"] and row["flipped"] == 5
    assert "5 of 5" in done.stdout and "at least" not in done.stdout
    assert any("sampled" in said for said in result["not_covered"])


@pytest.mark.parametrize(
    ("n", "codes", "said"),
    [(32, 4, f"{4**32} assignments"), (101, 9, "101 features; at most 100 are taken")],
    ids=["more assignments than an integer holds", "more features than a result holds"],
)
def test_too_many_protected_features_are_refused_at_once(tmp_path, n, codes, said):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "float.npz",
        w0=rng.normal(0, 1, (2, n)), b0=np.zeros(2), w1=rng.normal(0, 1, (2, 2)), b1=np.zeros(2),
    )  # fmt: skip
    x = np.repeat(np.arange(codes, dtype=np.uint8)[:, None], n, axis=1)
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(codes, int))
    done = flips(tmp_path, tmp_path / "out", f"0-{n - 1}")
    assert done.code == 2 and said in done.stdout
