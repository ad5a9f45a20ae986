"""coverify study transfer as a user types it, against Z3 (the float network) and brute force (the others)."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from command import coverify
from coverify.cli.devices import device_limits
from coverify.study.float_network import FloatNetwork
from real_networks import holds, random_network
from real_networks import outputs as real_outputs
from study_widths import classes_of, standings_of

EPS, N = 3, 14
BITS = (3, 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small float network and inputs near its decision borders, one of them with a wrong label."""
    pytest.importorskip("highspy", reason="highspy is not installed")
    folder = tmp_path_factory.mktemp("transfer")
    network = random_network(16, (4, 6, 3))
    arrays = {
        f"{k}{i}": v
        for i, layer in enumerate(network.layers)
        for k, v in (("w", layer.weights), ("b", layer.bias))
    }
    np.savez(folder / "float.npz", **arrays)
    codes = network.taking(0, 1)
    x = np.random.default_rng(0).integers(0, 256, (400, 4))
    order = np.sort(codes.activations(x)[-1], axis=1)
    near = x[np.argsort(order[:, -1] - order[:, -2])[4 : 4 + 4 * N : 4]]
    y = codes.classes(near)
    y[3] = (y[3] + 1) % 3
    np.savez(folder / "x.npz", x=near.astype(np.uint8), y=y)
    return folder


def command(folder, out, *more):
    return coverify(
        "study", "transfer", folder / "float.npz", "--inputs", folder / "x.npz", "--eps", EPS,
        "--bits", "3-4", "--device", "native:", "--jobs", 1, "--out", out, *more, "--json", "-",
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(folder):
    return command(folder, folder / "run")


@pytest.fixture(scope="module")
def real(folder):
    """Per input, by Z3 and fractions: "wrong", "robust" or "broken"."""
    network, data = FloatNetwork.read(folder / "float.npz"), np.load(folder / "x.npz")
    said = []
    for x, y in zip(data["x"].astype(int), data["y"].tolist(), strict=True):
        values = real_outputs(network, x)
        right = values.index(max(values)) == y
        said.append("wrong" if not right else "robust" if holds(network, x, EPS, y) else "broken")
    return said


@pytest.fixture(scope="module")
def quantized(folder, done):
    data, both = np.load(folder / "x.npz"), itertools.product(("fixed", "affine"), BITS)
    return {width: standings_of(folder / "run", *width, data, EPS) for width in both}


def test_the_float_network_is_decided_as_z3_does_and_all_kinds_occur(done, real):
    assert (done.code, done.result["verdict"]) == (0, "OK"), done.stderr
    row = done.result["study"]["real"]
    assert {kind: row[kind] for kind in ("wrong", "robust", "broken", "open")} == {
        **{kind: real.count(kind) for kind in ("wrong", "robust", "broken")}, "open": 0,
    }  # fmt: skip
    assert min(real.count(kind) for kind in ("wrong", "robust", "broken")) > 0


def test_agreement_and_false_verdicts_are_those_of_brute_force(done, real, quantized):
    rows = {(row["scheme"], row["bits"]): row for row in done.result["study"]["transfers"]}
    assert set(rows) == set(quantized)
    false = 0
    for key, said in quantized.items():
        pairs = [(a == "robust", b == "robust") for a, b in zip(real, said, strict=True)]
        row = rows[key]
        assert row["both_robust"] == pairs.count((True, True)), key
        assert row["both_vulnerable"] == pairs.count((False, False)), key
        assert row["false_robust"] == pairs.count((True, False)), key
        assert row["false_vulnerable"] == pairs.count((False, True)), key
        assert row["misclassified"] == list(zip(real, said, strict=True)).count(("robust", "wrong"))
        assert row["open"] == 0
        false |= (row["false_robust"] > 0) | 2 * (row["false_vulnerable"] > 0)
    assert false == 3, "not both kinds of false verdicts occur: choose another network"


def test_counterexamples_are_tried_on_the_other_network(done, folder, real, quantized):
    network, data = FloatNetwork.read(folder / "float.npz"), np.load(folder / "x.npz")
    n = 0
    for row in done.result["study"]["transfers"]:
        scheme, bits = row["scheme"], row["bits"]
        said = quantized[scheme, bits]
        tried = [i for i in range(N) if real[i] == "broken" and said[i] != "wrong"]
        kept = [np.load(folder / "run" / "float" / f"point-{i}-eps{EPS}.npz")["x"] for i in tried]
        for i, point in zip(tried, kept, strict=True):
            values = real_outputs(network, point)
            assert values.index(max(values)) != data["y"][i]
            assert np.abs(point - data["x"][i]).max() <= EPS
        got = [classes_of(folder / "run", scheme, bits, np.rint(x)[None].astype(int))[0] for x in kept]
        breaking = sum(g != data["y"][i] for g, i in zip(got, tried, strict=True))
        assert (row["from_float"], row["from_float_breaking"]) == (len(tried), breaking)
        assert row["to_float"] == sum(b == "broken" and a != "wrong" for a, b in zip(real, said, strict=True))
        n += len(tried) - breaking
    assert n > 0, "every counterexample carries over: choose another network"


def test_every_false_verdict_is_an_example_and_the_device_confirms_what_it_runs(done, folder):
    study = done.result["study"]
    for row in study["transfers"]:
        own = [e for e in study["examples"] if (e["scheme"], e["bits"]) == (row["scheme"], row["bits"])]
        for kind in ("false robust", "false vulnerable"):
            assert sum(e["kind"] == kind for e in own) == row[kind.replace(" ", "_")]
    assert {e.get("on_device") for e in study["examples"] if e["scheme"] == "fixed"} <= {None}
    affine = [e for e in study["examples"] if e["scheme"] == "affine" and "witness" in e]
    assert affine and {e["on_device"] for e in affine} == {"CONFIRMED"}
    assert all((folder / "run" / e["witness"]).is_file() for e in study["examples"] if "witness" in e)
    for row in study["transfers"]:
        assert row.get("replayed") == row.get("replayed_same")
    for bits in BITS:
        queries = json.loads((folder / "run" / f"affine-b{bits}" / "verify.json").read_text())["queries"]
        assert {q.get("replay") for q in queries if "witness" in q} == {"CONFIRMED"}


def test_the_result_names_the_device_and_what_a_process_of_this_host_does_not_show(done):
    assert done.result["device"]["url"] == "native:"
    assert set(device_limits("native:")) <= set(done.result["not_covered"])


def test_plots_and_report_are_written(done, folder):
    for name in ("transfer", "counterexamples"):
        assert (folder / "run" / f"{name}.svg").read_text().startswith("<svg")
    assert coverify("report", folder / "run").code == 0  # its counterexamples are findings
    page = (folder / "run" / "report.html").read_text()
    assert "Falsely robust" in page and "false vulnerable" in page


def test_the_same_command_asks_nothing_again_but_what_has_lost_its_evidence(done, folder):
    some = next((folder / "run" / "float").glob("point-*.npz"))
    some.write_bytes(b"")
    again, before = command(folder, folder / "run").result["study"], done.result["study"]
    assert again["widths"] == before["widths"]  # times as well: they are the journal's
    assert again["transfers"] == before["transfers"]
    assert some.stat().st_size > 0


def test_quantized_networks_alone_are_refused(folder, done, tmp_path):
    path = folder / "run" / "networks" / "fixed-b3.npz"
    done = coverify(
        "study", "transfer", path, "--inputs", folder / "x.npz", "--eps", 1, "--out", tmp_path, "--json", "-"
    )
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert "float network" in done.result["message"]


def test_the_float_network_is_right_where_it_is_in_reals_also_at_a_tie(tmp_path):
    pytest.importorskip("highspy", reason="highspy is not installed")
    w0 = np.array([[-2, 1, 0], [1, 0, -1], [0, 1, -1], [0, 1, 0.0]])
    w1 = np.array([[-3, 2, 1, 3], [0, -2, 2, -2], [-1, 1, 0, -1.0]])
    b0, b1 = np.array([-1, 1, -1, 0.0]), np.array([1, 0, -1.0])
    np.savez(tmp_path / "float.npz", w0=w0, b0=b0, w1=w1, b1=b1)
    x = np.array([[12, 219, 214]], np.uint8)
    assert FloatNetwork.read(tmp_path / "float.npz").taking(-1, 1).classes(x).tolist() != [0]
    np.savez(tmp_path / "x.npz", x=x, y=np.array([0]))
    done = coverify(
        "study", "transfer", tmp_path / "float.npz", "--inputs", tmp_path / "x.npz", "--eps", 0, "--bits", 8,
        "--scheme", "fixed", "--input-range=-1,1", "--out", tmp_path / "out", "--json", "-",
    )  # fmt: skip
    study = done.result["study"]
    assert (study["original_right"], study["real"]["robust"], study["real"]["wrong"]) == (1, 1, 0)
