"""A HOLDS without a certificate says why; one with a certificate, or without --out, has nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from command import coverify
from coverify.cli.evidence import proved
from coverify.cli.network import read_network
from coverify.verify.errors import EngineFault
from coverify.verify.query import Argument, Outcome, Robustness
from model_builder import Builder


@pytest.fixture
def files(tmp_path):
    """y = (2 x_0, 2 x_1) by an ADD_N, as scores."""
    b = Builder()
    x = b.input((1, 2), 0.1, 0)
    r = b.op("ADD_N", [x, x], b.activation((1, 2), 0.2, 0))
    (tmp_path / "add_n.tflite").write_bytes(
        b.finish(b.fully_connected(r, np.eye(2, dtype=np.int8) * 100, None, 0.01, 0.1, 0))
    )
    b = Builder()
    y = b.fully_connected(b.input((1, 2), 0.1, 0), np.eye(2, dtype=np.int8) * 100, None, 0.01, 0.1, 0)
    (tmp_path / "dense.tflite").write_bytes(b.finish(y))
    np.savez(tmp_path / "x.npz", x=np.array([[90, 3]], np.int8), y=np.zeros(1, np.int64))
    return tmp_path


def the_row(files, name: str, engine: str, *more) -> dict:
    shared = ("--inputs", files / "x.npz", "--eps", 2, "--engine", engine, "--json", "-")
    (row,) = coverify("verify", files / name, *shared, *more).result["queries"]
    assert row["verdict"] == "HOLDS"
    return row


def test_an_operator_that_the_checker_does_not_know_is_named(files):
    row = the_row(files, "add_n.tflite", "interval", "--out", files / "out")
    assert row["note"] == "no certificate: the checker does not know the builtin operator 106 (ADD_N)"
    assert "certificate" not in row
    assert not list((files / "out").glob("certificate-*"))


def test_an_engine_that_gives_no_proof_is_named(files):
    row = the_row(files, "dense.tflite", "z3", "--out", files / "out")
    assert row["note"] == "no certificate: z3 gives no proof that can be checked"


def test_a_claim_of_a_softmax_s_outputs_that_the_checker_does_not_read_is_told(files):
    b = Builder()
    y = b.fully_connected(b.input((1, 2), 0.1, 0), np.eye(3, 2, dtype=np.int8) * 100, None, 0.01, 0.1, 0)
    (files / "softmax.tflite").write_bytes(b.finish(b.softmax(y)))
    claims = ", ".join(f'{{kind = "output", index = {k}, codes = [-6, 127]}}' for k in range(3))
    (files / "some.toml").write_text(f'region = {{eps = 2}}\nclaim = {{kind = "any", claims = [{claims}]}}')
    np.savez(files / "second.npz", x=np.array([[40, 40]], np.int8), y=np.ones(1, np.int64))
    asked = ("--inputs", files / "second.npz", "--property", files / "some.toml", "--engine", "bab")
    done = coverify("verify", files / "softmax.tflite", *asked, "--out", files / "out", "--json", "-")
    (row,) = done.result["queries"]
    assert row["verdict"] == "HOLDS"
    assert row["note"] == (
        "no certificate: the checker reads no such claim of a softmax's outputs, unless every input was run"
    )
    assert not list((files / "out").glob("certificate-*"))


@pytest.mark.parametrize("engine", ["interval", "dual", "bab", "enumerate"])
def test_few_changes_have_one_that_says_of_which_input_how_many(files, engine):
    row = the_row(files, "dense.tflite", engine, "--changes", 1, "--out", files / "out")
    assert "note" not in row
    asked = ("--model", files / "dense.tflite", "--inputs", files / "x.npz", "--json", "-")
    done = coverify("check", *2 * (files / "out" / row["certificate"],), *asked).result
    checked, _ = done["queries"]
    assert checked["verdict"] == "HOLDS" and "eps" not in checked  # it is no radius
    assert "every input within 2 of input 0, in at most 1 value of x.npz" in checked["note"]
    assert "in at most 1 value" in done["message"] and "of radius" not in done["message"]


def test_a_proof_by_enumeration_that_the_checker_refutes_is_no_answer_but_an_error(files, tmp_path):
    query = Robustness.around(np.array([90, 3], np.int16), 1, 2)  # the class is 0
    outcome = Outcome.holds("enumerate").with_argument(Argument("enumeration"))
    network = read_network(files / "dense.tflite", "tflm")
    with pytest.raises(EngineFault, match="refutes"):
        proved(network, query, outcome, tmp_path / "c.zip")
    assert not (tmp_path / "c.zip").exists()


def test_without_a_folder_no_certificate_is_missed(files):
    asked = ("--inputs", files / "x.npz", "--eps", 2, "--mask", "0,1", "--json", "-")
    assert "certificates" not in str(coverify("verify", files / "dense.tflite", *asked).result["not_covered"])
    asked += ("--engine", "z3", "--out", files / "out")
    assert "certificates" in str(coverify("verify", files / "dense.tflite", *asked).result["not_covered"])


def test_where_there_is_one_or_none_was_asked_for_nothing_is_said(files):
    assert "note" not in the_row(files, "dense.tflite", "interval", "--out", files / "out")
    assert "note" not in the_row(files, "dense.tflite", "z3")
