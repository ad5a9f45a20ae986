"""What is said of results afterwards: by reports, by the checker, by the same command in the same folder."""

from __future__ import annotations

import numpy as np
import pytest

from command import coverify
from model_builder import Builder


@pytest.fixture
def files(tmp_path):
    """The difference of two inputs, as scores; input 2 loses its class at 4."""
    b = Builder()
    x = b.input((1, 2), 0.1, 0)
    y = b.fully_connected(x, np.array([[100, 0], [0, 100]]), None, 0.01, 0.1, 0)
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    x = np.array([[90, 3], [50, -60], [10, 4]], np.int8)
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(3, np.int64))
    return tmp_path


def verify(files, *more, out="out"):
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--out", files / out)
    return coverify(*asked, *more, "--json", "-")


def test_a_confirmed_counterexample_that_no_result_names_is_no_hold(files):
    assert verify(files, "--eps", 5, "--index", 2, out="broken").code == 1
    assert verify(files, "--eps", 1).code == 0
    assert coverify("report", files / "out").code == 0
    (witness,) = (files / "broken").glob("witness*.zip")
    assert coverify("replay", witness, "--device", "native:", "--out", files / "out").code == 0
    done = coverify("report", files / "out", "--json", "-")
    assert (done.code, done.result["verdict"]) == (1, "VIOLATED")
    assert any(witness.name in gap for gap in done.result["not_covered"])


def test_a_replay_of_what_tells_two_networks_apart_breaks_nothing(files):
    b = Builder()
    x = b.input((1, 2), 0.1, 0)
    other = b.fully_connected(x, np.array([[100, 0], [0, 90]]), None, 0.01, 0.1, 0)
    (files / "other.tflite").write_bytes(b.finish(other))
    assert verify(files, "--eps", 1).code == 0
    asked = ("distinguish", files / "net.tflite", "--against-model", files / "other.tflite")
    assert coverify(*asked, "--out", files / "apart").code == 1
    told = files / "apart" / "distinction.zip"
    assert coverify("replay", told, "--device", "native:", "--out", files / "out").code == 0
    assert coverify("report", files / "out", "--json", "-").result["verdict"] == "HOLDS"


def test_an_export_leaves_the_answers_of_a_campaign_alone(files):
    assert verify(files, "--eps", 5).code == 1
    before = (files / "out" / "verify.json").read_bytes()
    done = verify(files, "--eps", 5, "--index", 0, "--export-smt2", files / "q.smt2")
    assert done.code == 2 and "leave it away" in done.result["message"]
    assert (files / "out" / "verify.json").read_bytes() == before
    for _ in range(2):  # again, and before a campaign
        assert verify(files, "--eps", 5, "--index", 0, "--export-smt2", files / "q.smt2", out="new").code == 0
    assert verify(files, "--eps", 5, out="new").code == 1
    assert (files / "q.smt2").read_text("ascii")


def test_a_largest_radius_is_known_up_to_what_was_asked(files):
    """With a gap that is open beyond it: the attack alone proves nothing."""
    assert verify(files, "--radius", 2, "--index", 2).code == 0
    assert verify(files, "--radius", 9, "--index", 2, "--engine", "attack", out="attacked").code == 4
    done = verify(files, "--radius", 2, "--index", 2)
    (row,) = done.result["radii"]
    assert (done.code, row["certified"], row["closed"], "attacked" in row) == (0, 2, True, False)
    page = coverify("report", files / "out").stdout + (files / "out" / "report.html").read_text("utf-8")
    assert "Largest radius up to 2 known of 1 of 1" in page.replace("\u202f", " ")


def test_the_checker_tells_of_proofs_without_a_certificate_and_of_certificates_that_are_gone(files):
    assert verify(files, "--eps", 1, "--index", "0,1").code == 0
    assert coverify("check", files / "out").code == 0
    (files / "out" / "certificate-1-eps1.zip").unlink()
    done = coverify("check", files / "out", "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert [row["verdict"] for row in done.result["queries"]] == ["HOLDS", "ERROR"]
    assert verify(files, "--eps", 1, "--index", 0, "--engine", "z3", out="z3").code == 0
    assert verify(files, "--eps", 1, "--index", 1, "--engine", "bab", out="z3/bab").code == 0
    done = coverify("check", files / "z3", "--json", "-")
    assert (done.code, done.result["verdict"]) == (4, "UNKNOWN")
    assert any("a proof has no certificate" in gap for gap in done.result["not_covered"])


def test_what_a_folder_holds_counts_once(files):
    assert verify(files, "--eps", 5).code == 1
    proofs = sorted((files / "out").glob("certificate*.zip"))
    done = coverify("check", proofs[0], files / "out", files / "out", proofs[1], "--json", "-")
    assert len(done.result["queries"]) == len(proofs) == 2
    (witness,) = (files / "out").glob("witness*.zip")
    done = coverify("replay", witness, files / "out", files / "out", "--device", "native:", "--json", "-")
    assert len(done.result["replays"]) == 1


def test_a_result_that_says_an_error_is_quoted_where_there_is_no_evidence(files):
    (files / "p.toml").write_text("region = {eps = 1}\nclaim = {kind = 'label'}\n")
    asked = ("verify", files / "net.tflite", "--property", files / "p.toml", "--out", files / "out")
    assert coverify(*asked).code == 2
    for verb in (("check",), ("replay", "--device", "native:")):
        done = coverify(verb[0], files / "out", *verb[1:], "--json", "-")
        assert done.code == 2
        assert "verify.json says ERROR: the property speaks of given inputs" in done.result["message"]


def test_another_call_of_distinguish_keeps_no_evidence_of_the_one_before(files):
    b = Builder()
    x = b.input((1, 2), 0.1, 0)
    other = b.fully_connected(x, np.array([[100, 0], [0, 90]]), None, 0.01, 0.1, 0)
    (files / "other.tflite").write_bytes(b.finish(other))
    asked = ("distinguish", files / "net.tflite", "--out", files / "out", "--against-model")
    assert coverify(*asked, files / "other.tflite").code == 1
    assert (files / "out" / "distinction.zip").exists()
    assert coverify(*asked, files / "no.tflite").code == 2  # nothing was asked
    assert (files / "out" / "distinction.zip").exists()
    assert coverify(*asked, files / "net.tflite").code == 0
    assert not (files / "out" / "distinction.zip").exists()
    assert verify(files, "--eps", 1, "--index", 0).code == 0
    near = ("--inputs", files / "x.npz", "--index", 0, "--question", "class", "--eps")
    assert coverify(*asked, files / "other.tflite", *near, 2).code == 0
    assert coverify(*asked, files / "other.tflite", *near, 1).code == 0
    left = {path.name for path in (files / "out").glob("certificate*.zip")}
    assert left == {"certificate-0-eps1.zip", "certificate-0-eps1-against.zip"}


def test_fresh_removes_what_other_verbs_said_of_the_evidence_that_it_removes(files):
    assert verify(files, "--eps", 5).code == 1
    out = files / "out"
    assert coverify("check", out, "--out", out).code == 0
    assert coverify("replay", out, "--device", "native:", "--out", out).code == 0
    assert verify(files, "--eps", 1, "--fresh").code == 0
    assert not (out / "check.json").exists() and not (out / "replay.json").exists()
    assert coverify("replay", files / "none.zip", "--device", "native:", "--out", out).code == 2
    assert verify(files, "--eps", 2, "--fresh").code == 0
    assert (out / "replay.json").exists()  # it is about other files


def test_answers_without_their_journal_are_not_overwritten(files):
    assert verify(files, "--eps", 1).code == 0
    for journal in (files / "out").glob("journal.sqlite*"):
        journal.unlink()
    before = (files / "out" / "verify.json").read_bytes()
    done = verify(files, "--eps", 2)
    assert done.code == 2 and "it is gone, and verify.json beside it has answers" in done.result["message"]
    assert (files / "out" / "verify.json").read_bytes() == before
    assert verify(files, "--eps", 2, "--fresh").code == 0


def test_raising_a_feature_that_cannot_move_is_no_finding(files):
    claim = "claim = {kind = 'monotone', feature = 1, output = 1}\n"
    for region, still in (("eps = 3, mask = [0]", True), ("eps = 3, mask = [1]", False), ("eps = 0", True)):
        (files / "p.toml").write_text(f"region = {{{region}}}\n{claim}")
        done = verify(files, "--property", files / "p.toml", out=region)
        assert done.result["verdict"] == "HOLDS"
        said = [row.get("note") or "" for row in done.result["queries"]]
        assert all(("feature 1 has one value in the region" in note) == still for note in said)


def test_boxes_of_a_file_that_hold_no_input_are_told(files):
    text = "".join(f"(declare-const {name} Real)\n" for name in ("X_0", "X_1", "Y_0", "Y_1"))
    text += "(assert (and (>= X_1 0) (<= X_1 1)))\n(assert (<= Y_0 -12))\n"
    boxes = "(and (>= X_0 20) (<= X_0 30)) (and (>= X_0 0) (<= X_0 1))"
    (files / "p.vnnlib").write_text(f"{text}(assert (or {boxes}))\n")
    done = coverify("verify", files / "net.tflite", "--property", files / "p.vnnlib", "--json", "-")
    assert done.code == 0 and len(done.result["queries"]) == 1
    assert "1 of 2 boxes hold no input of the network" in done.result["message"]
    (files / "p.vnnlib").write_text("")
    done = coverify("verify", files / "net.tflite", "--property", files / "p.vnnlib", "--json", "-")
    assert done.code == 2 and "it declares no variables" in done.result["message"]
