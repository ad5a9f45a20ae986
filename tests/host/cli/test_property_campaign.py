"""coverify verify --property as a campaign: killed and resumed, on a cluster, written for solvers."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

from command import coverify
from coverify.verify.witness import Witness
from fixed_point_networks import layers_of
from journals import answers, wait_for
from oracle import NETWORKS

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
TEXT = "[region]\neps = 8\nmask = [%s]\n[claim]\nkind = 'never'\nclasses = [6, 1]\n"
N = 30
KEPT = "sample, verdict, row, number"


def query(folder, mask="18-45", index=f"0-{N - 1}"):
    first, last = map(int, mask.split("-"))
    (folder / "p.toml").write_text(TEXT % ", ".join(map(str, range(first, last))))
    return ("verify", MLP, "--property", folder / "p.toml", "--inputs", MLP_X, "--index", index,
            "--out", folder / "run")  # fmt: skip


def verdicts(folder):
    return {q["index"]: q["verdict"] for q in json.loads((folder / "run/verify.json").read_text())["queries"]}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert coverify(*query(folder), "--jobs", 1).code == 1
    return verdicts(folder)


def test_a_killed_campaign_of_a_property_goes_on_and_asks_nothing_twice(tmp_path, uninterrupted):
    assert set(uninterrupted.values()) == {"HOLDS", "VIOLATED"}
    command = [sys.executable, "-m", "coverify", *map(str, query(tmp_path)), "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(tmp_path / "run", 5, process)
        process.send_signal(signal.SIGKILL)
    before = answers(tmp_path / "run", KEPT)
    assert 5 <= len(before) < N
    assert coverify(*query(tmp_path), "--jobs", 2).code == 1
    after = answers(tmp_path / "run", KEPT)
    assert after[: len(before)] == before
    assert sorted(sample for sample, *_ in after) == list(range(N))
    assert verdicts(tmp_path) == uninterrupted
    rows = [json.loads(row) for _, _, row, _ in after]
    named = {row["witness"] or row["certificate"] for row in rows} - {None}
    assert {path.name for path in (tmp_path / "run").glob("*.zip")} == named
    assert f"witness-{next(i for i, v in uninterrupted.items() if v == 'VIOLATED')}-property.zip" in named


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="distributed is not installed")
def test_a_property_is_decided_on_a_cluster_as_it_is_here(tmp_path, uninterrupted):
    assert coverify(*query(tmp_path), "--cluster", "local:2").code == 1
    assert verdicts(tmp_path) == uninterrupted


def test_a_mask_moves_the_same_features_as_the_file_and_belongs_to_another_journal(tmp_path):
    mask = ("--eps", 8, "--mask", "18-44", "--index", "0-5", "--jobs", 2)
    said = ("verify", MLP, "--inputs", MLP_X, *mask, "--out", tmp_path / "run")
    first = coverify(*said, "--json", "-")
    again = coverify(*said, "--json", "-")
    assert first.result["queries"] == again.result["queries"]
    assert len(answers(tmp_path / "run", KEPT)) == 6
    refused = coverify(*query(tmp_path, index="0-5"), "--json", "-")
    assert refused.code == 2
    assert "property 'the class" in refused.result["message"]
    assert "there, 'the class is never 6" in refused.result["message"]
    assert coverify(*query(tmp_path, index="0"), "--fresh").code in (0, 1)
    assert [sample for sample, *_ in answers(tmp_path / "run", KEPT)] == [0]


def test_properties_of_the_same_words_are_told_apart_by_what_their_files_hold(tmp_path):
    said = ("verify", MLP, "--inputs", MLP_X, "--index", 0, "--eps", 1, "--mask", tmp_path / "m.npz",
            "--out", tmp_path / "run", "--json", "-")  # fmt: skip
    np.savez(tmp_path / "m.npz", mask=np.arange(64) < 3)
    assert coverify(*said).code == 0
    np.savez(tmp_path / "m.npz", mask=np.arange(64) < 4)
    refused = coverify(*said)
    assert refused.code == 2
    assert "property's SHA-256" in refused.result["message"]


@pytest.fixture
def difference(tmp_path):
    """y = (x0 - x1, x1 - x0)."""
    np.savez(tmp_path / "net.npz", **layers_of([[[1, -1], [-1, 1]]], [[0, 0]], [0], [(-512, 511)]))
    return tmp_path


BOXES = """(declare-const X_0 Real) (declare-const X_1 Real) (declare-const Y_0 Real) (declare-const Y_1 Real)
(assert (or (and (<= X_0 9) (>= X_0 5) (<= X_1 4) (>= X_1 0))
            (and (<= X_0 9) (>= X_0 5) (<= X_1 5) (>= X_1 0))
            (and (<= X_0 9) (>= X_0 5) (<= X_1 6) (>= X_1 0))))
(assert (<= Y_0 0))
"""


def test_every_box_of_a_file_is_a_query_of_the_journal(difference):
    """By hand: x0 >= 5, so that x0 - x1 <= 0 needs x1 >= 5, in the second and third box."""
    (difference / "p.vnnlib").write_text(BOXES)
    said = ("verify", difference / "net.npz", "--property", difference / "p.vnnlib", "--units", "codes",
            "--out", difference / "run", "--json", "-")  # fmt: skip
    done = coverify(*said, "--jobs", 2)
    assert done.code == 1, done
    found = {q["case"]: (q["verdict"], q.get("witness")) for q in done.result["queries"]}
    assert found == {
        0: ("HOLDS", None),
        1: ("VIOLATED", "witness-property-1.zip"),
        2: ("VIOLATED", "witness-property-2.zip"),
    }
    (difference / "run" / "witness-property-2.zip").write_bytes(b"damaged")
    assert coverify(*said).code == 1
    assert len(answers(difference / "run", KEPT)) == 4
    witness = Witness.read(difference / "run" / "witness-property-2.zip")
    x0, x1 = witness.x.reshape(-1).tolist()
    assert 5 <= x0 <= 9 and 0 <= x1 <= 6 and x0 - x1 <= 0


@pytest.mark.parametrize(("encoding", "at_most"), [("threshold", 5), ("balanced", 5), ("threshold", 4)])
def test_a_property_is_written_for_any_solver(difference, encoding, at_most):
    """By hand: on x = (9, 6) with eps 1, y0 is at most 5; so <= 5 holds and <= 4 does not."""
    z3 = pytest.importorskip("z3")
    np.savez(difference / "x.npz", x=np.array([[9, 6]], np.uint8), y=np.zeros(1, np.int64))
    (difference / "p.toml").write_text(
        "name = 'two\\nlines'\n[region]\neps = 1\n[claim]\nkind = 'output'\nindex = 0\n"
        f"codes = [-512, {at_most}]\n"
    )
    done = coverify("verify", difference / "net.npz", "--inputs", difference / "x.npz", "--property",
                    difference / "p.toml", "--encoding", encoding,
                    "--export-smt2", difference / "smt")  # fmt: skip
    assert done.code == 0, done
    solver = z3.SolverFor("QF_BV")
    solver.from_file(str(difference / "smt" / "query-0-property.smt2"))
    assert solver.check() == (z3.unsat if at_most == 5 else z3.sat)
