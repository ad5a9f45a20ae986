"""coverify study as a user types it; every count against brute force over all points of the regions."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from command import coverify
from coverify.cli.devices import device_limits
from coverify.study.float_network import FloatLayer, FloatNetwork
from coverify.verify.deadline import Deadline
from coverify.verify.witness import Witness
from fixed_point_networks import outputs
from model_builder import Builder
from oracle import shared
from study_widths import classes_of, standings_of

EPS, N = 2, 16
BITS = (3, 4, 5)


def mnist(n: int) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(shared("mnist/mnist-t10k-images-idx3-ubyte.gz")) as stream:
        images = np.frombuffer(stream.read()[16:], np.uint8).reshape(-1, 784)[:n]
    with gzip.open(shared("mnist/mnist-t10k-labels-idx1-ubyte.gz")) as stream:
        return images, np.frombuffer(stream.read()[8:], np.uint8)[:n]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small float network, inputs near its decision borders, and their labels: the float network's."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(16)
    arrays = {
        "w0": rng.normal(0, 1, (6, 4)), "b0": rng.normal(0, 0.2, 6),
        "w1": rng.normal(0, 1, (3, 6)), "b1": rng.normal(0, 0.1, 3),
    }  # fmt: skip
    np.savez(folder / "float.npz", **arrays)
    layers = tuple(FloatLayer(arrays[f"w{i}"], arrays[f"b{i}"]) for i in range(2))
    network = FloatNetwork("float", layers).taking(0, 1)
    x = rng.integers(0, 256, (400, 4))
    order = np.sort(network.activations(x)[-1], axis=1)
    near = x[np.argsort(order[:, -1] - order[:, -2])[8 : 8 + 4 * N : 4]]
    np.savez(folder / "x.npz", x=near.astype(np.uint8), y=network.classes(near))
    return folder


@pytest.fixture(scope="module")
def done(folder):
    return coverify(
        "study", "bits", folder / "float.npz", "--inputs", folder / "x.npz", "--eps", EPS, "--bits", "3-5",
        "--device", "native:", "--jobs", 1, "--out", folder / "run", "--json", "-",
    )  # fmt: skip


@pytest.fixture(scope="module")
def truth(folder, done):
    """(scheme, bits) → per input "wrong", "robust" or "broken"."""
    data, both = np.load(folder / "x.npz"), itertools.product(("fixed", "affine"), BITS)
    return {width: standings_of(folder / "run", *width, data, EPS) for width in both}


def test_every_verdict_of_every_width_is_that_of_brute_force(done, truth):
    assert (done.code, done.result["verdict"]) == (0, "OK"), done.stderr
    rows = {(row["scheme"], row["bits"]): row for row in done.result["study"]["widths"]}
    assert set(rows) == set(truth)
    for key, said in truth.items():
        assert rows[key]["open"] == 0
        assert rows[key]["right"] == N - said.count("wrong")
        for kind in ("wrong", "robust", "broken"):
            assert rows[key][kind] == said.count(kind), key
    assert len({tuple(said) for said in truth.values()}) > 1


def test_the_changes_between_neighbouring_widths_are_those_of_brute_force(done, truth):
    want = set()
    for scheme in ("fixed", "affine"):
        for a, b in ((3, 4), (4, 5), (4, 3), (5, 4)):
            for i in range(N):
                if truth[scheme, a][i] == "robust" != truth[scheme, b][i]:
                    want.add((scheme, i, a, b))
    rows = done.result["study"]["changes"]
    assert want == {(r["scheme"], r["index"], r["robust_bits"], r["broken_bits"]) for r in rows}
    for r in rows:
        wrong = truth[r["scheme"], r["broken_bits"]][r["index"]] == "wrong"
        assert (r.get("witness") is None) is wrong
    assert {r.get("witness") is None for r in rows} == {True, False}, "choose another network"
    assert any(robust < broken for _, _, robust, broken in want), (
        "no case that is not monotone: choose another"
    )


def test_the_device_confirms_the_changes_of_the_networks_that_it_runs(done):
    rows = done.result["study"]["changes"]
    assert {r.get("on_device") for r in rows if r["scheme"] == "affine"} <= {"CONFIRMED"}
    assert {r.get("on_device") for r in rows if r["scheme"] == "fixed"} <= {None}
    carried = [r for r in done.result["study"]["carried"] if r["scheme"] == "affine"]
    assert carried and all(r["on_device"] == r["tried"] for r in carried)


def test_the_result_names_the_device_and_what_a_process_of_this_host_does_not_show(done):
    assert done.result["device"]["url"] == "native:"
    assert set(device_limits("native:")) <= set(done.result["not_covered"])


def test_counterexamples_are_carried_to_other_widths_as_the_networks_say(done, folder, truth):
    data = np.load(folder / "x.npz")
    for row in done.result["study"]["carried"]:
        scheme, first, second = row["scheme"], row["from_bits"], row["to_bits"]
        tried = [
            i for i in range(N)
            if truth[scheme, first][i] == "broken" and truth[scheme, second][i] != "wrong"
        ]  # fmt: skip
        breaking, failing = 0, []
        for i in tried:
            kept = Witness.read(folder / "run" / f"{scheme}-b{first}" / f"witness-{i}-eps{EPS}.zip")
            x = kept.x.reshape(1, -1).astype(int) + (128 if scheme == "affine" else 0)
            breaking += classes_of(folder / "run", scheme, second, x)[0] != data["y"][i]
            if classes_of(folder / "run", scheme, second, x)[0] == data["y"][i]:
                failing.append(i)
        assert (row["tried"], row["breaking"]) == (len(tried), breaking)
        assert row.get("failing", []) == failing


def test_the_plot_and_the_report_are_written(done, folder):
    assert (folder / "run" / "bits.svg").read_text().startswith("<svg")
    report = coverify("report", folder / "run", "--json", "-")
    assert (report.code, report.result["verdict"]) == (0, "OK")  # counterexamples are what it measured
    said = report.result["not_covered"]
    assert any("A device was run on" in line for line in said)
    assert not any(line.startswith("No device") for line in said)
    assert "<failure" not in (folder / "run" / "junit.xml").read_text()
    page = (folder / "run" / "report.html").read_text()
    assert "robust accuracy" in page and "Study" in page


def test_published_networks_of_several_widths_are_studied_as_they_are(tmp_path):
    images, labels = mnist(50)
    np.savez(tmp_path / "x.npz", x=images, y=labels)
    files = [shared(f"qnn/qvip_mnist_784-100-10_q{bits}.npz") for bits in (8, 4)]
    done = coverify(
        "study", "bits", *files, "--inputs", tmp_path / "x.npz", "--eps", 1, "--index", "0-1",
        "--timeout", 20, "--jobs", 1, "--out", tmp_path / "run", "--json", "-",
    )  # fmt: skip
    rows = done.result["study"]["widths"]
    assert [(row["bits"], row["samples"]) for row in rows] == [(4, 50), (8, 50)]
    for row, file in zip(rows, reversed(files), strict=True):
        want = outputs(dict(np.load(file)), images).argmax(axis=1)
        assert row["right"] == int((want == labels).sum())
        assert row["robust"] + row["broken"] + row["open"] + row["wrong"] == 2


def test_int8_codes_are_the_pixels_that_are_128_more(folder, done, tmp_path):
    data = np.load(folder / "x.npz")
    np.savez(tmp_path / "codes.npz", x=(data["x"].astype(int) - 128).astype(np.int8), y=data["y"])
    again = coverify(
        "study", "bits", folder / "float.npz", "--inputs", tmp_path / "codes.npz", "--eps", EPS, "--bits",
        "3", "--jobs", 1, "--out", tmp_path / "run", "--json", "-",
    )  # fmt: skip
    kept = ("scheme", "right", "wrong", "robust", "broken")
    first = [{k: row[k] for k in kept} for row in done.result["study"]["widths"] if row["bits"] == 3]
    assert [{k: row[k] for k in kept} for row in again.result["study"]["widths"]] == first


def test_a_study_without_any_counterexample_has_nothing_to_run_on_the_device(folder, tmp_path):
    done = coverify(
        "study", "bits", folder / "float.npz", "--inputs", folder / "x.npz", "--eps", 0, "--bits", "8",
        "--scheme", "affine", "--device", "native:", "--out", tmp_path, "--json", "-",
    )  # fmt: skip
    assert (done.code, done.result["verdict"]) == (0, "OK")
    (row,) = done.result["study"]["widths"]
    assert row["robust"] + row["wrong"] == N and not row["broken"]
    assert "the device: nothing was run on it (no counterexample)" in done.result["not_covered"]


@pytest.mark.parametrize("kind", ["bits", "transfer", "fairness"])
def test_an_engine_that_there_is_not_is_told_before_the_work(folder, tmp_path, kind):
    options = ("--protected", 1, "--score", 0) if kind == "fairness" else ("--eps", 0)
    done = coverify(
        "study", kind, folder / "float.npz", "--inputs", folder / "x.npz", *options, "--bits", "3",
        "--engine", "magic", "--out", tmp_path, "--json", "-",
    )  # fmt: skip
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert done.result["message"].startswith("unknown engine 'magic'; there are: auto, ")
    assert [path.name for path in tmp_path.iterdir()] == [f"study-{kind}.json"]


@pytest.mark.parametrize("kind", ["bits", "transfer", "fairness"])
@pytest.mark.parametrize(
    ("device", "code", "verdict"), [("nativ:", 2, "ERROR"), ("serial:/dev/none@9600", 3, "LINK_ERROR")]
)
def test_a_device_that_is_not_there_is_told_before_the_work(folder, tmp_path, kind, device, code, verdict):
    options = ("--protected", 1, "--score", 0) if kind == "fairness" else ("--eps", 0)
    done = coverify(
        "study", kind, folder / "float.npz", "--inputs", folder / "x.npz", *options, "--bits", "8",
        "--device", device, "--out", tmp_path, "--json", "-",
    )  # fmt: skip
    assert (done.code, done.result["verdict"]) == (code, verdict), done
    assert [path.name for path in tmp_path.iterdir()] == [f"study-{kind}.json"]


@pytest.mark.parametrize(
    ("kind", "how", "code"),
    [("bits", signal.SIGINT, 130), ("bits", signal.SIGTERM, 143), ("transfer", signal.SIGINT, 130)],
)
def test_ctrl_c_leaves_what_is_known_with_its_network_and_the_same_command_goes_on(
    folder, tmp_path, kind, how, code
):
    command = [
        sys.executable, "-m", "coverify", "study", kind, str(folder / "float.npz"), "--inputs",
        str(folder / "x.npz"), "--eps", "2", "--bits", "8", "--scheme", "fixed", "--engine", "z3",
        "--jobs", "1", "--out", str(tmp_path),
    ]  # fmt: skip
    journal = tmp_path / "fixed-b8" / "journal.sqlite"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as study:
        deadline = Deadline.in_s(120)
        while not answered(journal) and study.poll() is None:
            deadline.check()
            time.sleep(0.02)
        study.send_signal(how)
        _, said = study.communicate(timeout=60)
        assert study.returncode in (code, 0)  # 0: it was quicker
        if study.returncode:
            assert " ".join(said.decode().split()) == "interrupted; the same command goes on from here"
    assert not (tmp_path / "verify.json").exists()
    found = json.loads((tmp_path / f"study-{kind}.json").read_text())
    if study.returncode:
        folders = [row["folder"] for row in found["study"]["widths"]]
        assert (found["verdict"], folders) == ("UNKNOWN", ["fixed-b8"])
        assert found["message"].startswith("interrupted: 0 of 1 network asked")
        report = coverify("report", tmp_path, "--json", "-")  # its counterexamples are what it measures
        assert (report.code, report.result["verdict"]) == (4, "UNKNOWN")
    kept = answered(journal)
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0
    assert answered(journal)[: len(kept)] == kept


def answered(journal: Path) -> list[tuple[int, str]]:
    """The answers in a journal, by input."""
    if not journal.exists():
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT sample, digest FROM answers ORDER BY number").fetchall()
    except sqlite3.OperationalError:  # its tables are being made
        return []


@pytest.mark.parametrize(
    "change",
    [
        {"--bits": "0-3"}, {"--bits": "x"}, {"--scheme": "float"}, {"--input-range": "1,0"},
        {"--index": "99"}, {"--inputs": "float.npz"}, {"--bits": "9", "--scheme": "affine"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(change, folder, tmp_path):
    options = {"--inputs": "x.npz", "--eps": "1", "--out": str(tmp_path), **change}
    flat = [part for pair in options.items() for part in pair]
    done = coverify("study", "bits", "float.npz", *flat, "--json", "-", cwd=folder)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")


def test_networks_whose_inputs_have_other_shapes_get_inputs_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    for bits, shape in ((8, (6,)), (4, (2, 3))):
        builder = Builder()
        x = builder.input((1, *shape), 1 / 255, -128)
        flat = builder.reshape(x, (1, 6)) if len(shape) > 1 else x
        hidden = builder.fully_connected(
            flat, rng.integers(-127, 128, (4, 6)).astype(np.int8), rng.integers(-9, 9, 4), w_scale=0.01,
            out_scale=6 / (2**bits - 1), out_zero_point=-128, activation=3,
        )  # fmt: skip
        y = builder.fully_connected(
            hidden, rng.integers(-127, 128, (3, 4)).astype(np.int8), rng.integers(-9, 9, 3), w_scale=0.01,
            out_scale=0.1, out_zero_point=0,
        )  # fmt: skip
        (tmp_path / f"net{bits}.tflite").write_bytes(builder.finish(y))
    x = rng.integers(0, 256, (10, 6)).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(10) % 3)
    done = coverify(
        "study", "bits", tmp_path / "net8.tflite", tmp_path / "net4.tflite", "--inputs", tmp_path / "x.npz",
        "--eps", 0, "--out", tmp_path / "out", "--json", "-",
    )  # fmt: skip
    assert (done.code, done.result["verdict"]) == (0, "OK"), done.result
    rows = done.result["study"]["widths"]
    assert [row["bits"] for row in rows] == [4, 8] and all(row["robust"] for row in rows)


@pytest.fixture
def dead(tmp_path):
    """A network whose hidden layer is 0 on its inputs: its biases do not fit affine files of all widths."""
    w0, w1 = np.array([[-1, -1], [-2, -0.5]]), np.array([[1, 0.5], [-1, 1]])
    np.savez(tmp_path / "float.npz", w0=w0, b0=np.array([-0.1, -0.2]), w1=w1, b1=np.array([0.3, 0.1]))
    x = np.random.default_rng(0).integers(10, 256, (10, 2)).astype(np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(10, int))
    return tmp_path


def of_dead(dead, kind: str, *more):
    options = ("--eps", 1) if kind != "fairness" else ("--protected", 1)
    return coverify(
        "study", kind, dead / "float.npz", "--inputs", dead / "x.npz", *options, "--timeout", 2, *more,
        "--out", dead / "out", "--json", "-",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["bits", "fairness"])
def test_a_width_that_cannot_be_made_is_left_out_and_named(dead, kind):
    result = of_dead(dead, kind, "--bits", "3,7").result
    rows = result["study"]["gaps" if kind == "fairness" else "widths"]
    assert [(r["scheme"], r["bits"]) for r in rows] == [("fixed", 3), ("fixed", 7), ("affine", 3)]
    assert result["message"].endswith("1 network cannot be made")
    said = "affine 7 bits, which cannot be made: float.npz: the biases of layer 1 do not fit 7 bits"
    assert said in result["not_covered"]


def test_where_no_width_can_be_made_the_error_says_what_to_change(dead):
    done = of_dead(dead, "bits", "--bits", "7", "--scheme", "affine")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert "affine 7 bits" in done.result["message"] and "--scheme" in done.result["message"]


def test_a_file_that_the_reference_refuses_is_a_width_that_cannot_be_made(dead):
    w0, w1 = np.full((2, 2), -1000.0), np.array([[1, 0.5], [-1, 1]])
    np.savez(dead / "float.npz", w0=w0, b0=np.array([-0.1, -0.2]), w1=w1, b1=np.zeros(2))
    result = of_dead(dead, "bits", "--bits", "3-4").result
    assert [row["scheme"] for row in result["study"]["widths"]] == ["fixed", "fixed"]
    missing = [line for line in result["not_covered"] if "not that of input times weights" in line]
    assert [line[:13] for line in missing] == ["affine 3 bits", "affine 4 bits"]
    assert not list((dead / "out" / "networks").glob("*.tflite"))


@pytest.mark.parametrize("label", [100, 3, -1, 2**63 - 1])
@pytest.mark.parametrize("kind", ["bits", "transfer", "fairness", "given"])
def test_labels_that_are_no_class_are_refused(kind, label, folder, done, tmp_path):
    data = dict(np.load(folder / "x.npz"))
    y = data["y"].astype(np.int64)
    y[5] = label
    np.savez(tmp_path / "x.npz", x=data["x"], y=y)
    network = folder / ("run/networks/fixed-b3.npz" if kind == "given" else "float.npz")
    more = ("--protected", "1", "--score", "0") if kind == "fairness" else ()
    refused = coverify(
        "study", "bits" if kind == "given" else kind, network, "--inputs", tmp_path / "x.npz", *more,
        "--eps", "1", "--bits", "3", "--index", "0", "--out", tmp_path / "out", "--json", "-",
    )  # fmt: skip
    assert (refused.code, refused.result["verdict"]) == (2, "ERROR")
    assert f"y of input 5 is {label}; the network's classes are 0..2" in refused.result["message"]


@pytest.mark.parametrize("kind", ["bits", "transfer", "fairness"])
def test_the_networks_of_another_study_are_not_written_over(kind, folder, tmp_path):
    def study(kind, *more):
        options = ("--protected", 1, "--score", 0, "--timeout", 0.5) if kind == "fairness" else ("--eps", 0)
        return coverify(
            "study", kind, folder / "float.npz", "--inputs", folder / "x.npz", *options, "--bits", "3,4",
            "--jobs", 1, "--out", tmp_path, *more, "--json", "-",
        )  # fmt: skip

    def files():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert study("bits", "--scheme", "affine", "--bits", "3").code == 0
    before = files()
    refused = study(kind, "--input-range", "0,2")
    assert (refused.code, refused.result["verdict"]) == (2, "ERROR")
    said = "affine-b3.tflite is another study's network; another --out, or --fresh"
    assert said in refused.result["message"]
    after = files()
    assert {path: after[path] for path in before} == before
    assert {path.name for path in after.keys() - before} <= {f"study-{kind}.json"}
    same = study(kind)  # those that are the same go on
    assert same.code in (0, 4), same
    network = tmp_path / "networks" / "affine-b3.tflite"
    assert network.read_bytes() == before[network]
    assert study(kind, "--input-range", "0,2", "--fresh").code in (0, 4)
    assert network.read_bytes() != before[network]


def test_a_study_without_a_folder_and_a_mixture_of_networks_are_refused(folder, done, tmp_path):
    common = ("--inputs", folder / "x.npz", "--eps", 1, "--json", "-")
    assert coverify("study", "bits", folder / "float.npz", *common).code == 2
    mixed = folder / "float.npz", folder / "run" / "networks" / "fixed-b3.npz"
    assert coverify("study", "bits", *mixed, *common, "--out", tmp_path).code == 2
