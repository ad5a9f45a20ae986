"""replay and check of folders in which nothing is to be replayed, or checked: a result there says so."""

import json

import pytest

from command import coverify
from oracle import NETWORKS

MLP, MLP_X, CNN = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz", NETWORKS / "digits_cnn.tflite"
ON = ("--device", "native:", "--json", "-")


def verified(folder, eps, index, engine="auto"):
    asked = ("--eps", eps, "--inputs", MLP_X, "--index", index, "--engine", engine)
    coverify("verify", MLP, *asked, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return verified(tmp_path_factory.mktemp("all") / "held", 1, "0,1")


def test_where_all_holds_there_is_nothing_to_replay_and_the_report_holds(held):
    done = coverify("replay", held, *ON)
    assert (done.code, done.result["verdict"]) == (0, "OK"), done
    assert done.result["message"] == "nothing to replay: 2 HOLDS in held"
    assert done.result["not_covered"] == ["nothing to replay: 2 HOLDS in held"]
    assert "device" not in done.result
    assert coverify("replay", held, "--device", "native:", "--out", held).code == 0
    report = coverify("report", held, "--json", "-")
    assert (report.code, report.result["verdict"]) == (0, "HOLDS")
    (held / "replay.json").unlink()


def test_two_profiles_that_do_not_differ_leave_nothing_to_replay(tmp_path):
    asked = ("--against", "tflm-2026-08", "--inputs", MLP_X, "--index", 0, "--eps", 0)
    assert coverify("distinguish", MLP, *asked, "--out", tmp_path / "same").code == 0
    done = coverify("replay", tmp_path / "same", *ON)
    assert (done.code, done.result["message"]) == (0, "nothing to replay: 1 HOLDS in same")


def test_of_several_folders_the_counterexamples_are_replayed_and_the_others_are_named(held, tmp_path):
    broken = verified(tmp_path / "broken", 8, 25)
    done = coverify("replay", held, broken, *ON)
    assert (done.code, done.result["verdict"]) == (0, "CONFIRMED"), done
    assert [row["witness"] for row in done.result["replays"]] == ["broken/witness-25-eps8.zip"]
    assert "nothing to replay: 2 HOLDS in held" in done.result["not_covered"]


def test_a_folder_whose_counterexample_is_gone_is_an_error(tmp_path):
    broken = verified(tmp_path / "broken", 8, 25)
    (broken / "witness-25-eps8.zip").unlink()
    done = coverify("replay", broken, *ON)
    assert done.code == 2
    assert "though a counterexample was found: its results say 1 VIOLATED" in done.result["message"]


@pytest.mark.parametrize("result", [None, "{}", '{"verdict": "HOLDS"}', "ERROR"])
def test_a_folder_without_a_result_that_decides_something_is_an_error(tmp_path, result):
    if result == "ERROR":
        coverify("verify", MLP, "--eps", 1, "--inputs", tmp_path / "none.npz", "--out", tmp_path)
        assert json.loads((tmp_path / "verify.json").read_text())["verdict"] == "ERROR"
    elif result is not None:
        (tmp_path / "verify.json").write_text(result)
    for verb in (("replay", tmp_path, "--device", "native:"), ("check", tmp_path)):
        assert coverify(*verb).code == 2


def test_an_unknown_device_or_another_network_is_refused_where_nothing_is_to_be_replayed(held):
    assert coverify("replay", held, "--device", "nonsense").code == 2
    done = coverify("replay", held, "--model", CNN, *ON)
    assert done.code == 2 and "is about another network" in done.result["message"]


def test_without_a_proof_there_is_nothing_to_check(tmp_path):
    broken = verified(tmp_path / "broken", 8, 25)
    done = coverify("check", broken, "--json", "-")
    assert (done.code, done.result["verdict"]) == (0, "OK")
    assert done.result["message"] == "nothing to check: 1 VIOLATED in broken"


def test_proofs_without_certificates_are_not_confirmed(held, tmp_path):
    bare = verified(tmp_path / "bare", 1, "0,1", "z3")
    said = "2 proofs have no certificate that could be checked: 2 HOLDS in bare"
    done = coverify("check", bare, "--json", "-")
    assert (done.code, done.result["verdict"], done.result["message"]) == (4, "UNKNOWN", said)
    done = coverify("check", held, bare, "--json", "-")
    assert (done.code, done.result["verdict"]) == (4, "UNKNOWN")
    assert [row["verdict"] for row in done.result["queries"]] == ["HOLDS", "HOLDS"]
    assert said in done.result["not_covered"]


def test_a_certificate_that_a_result_names_and_that_is_gone_is_an_error(tmp_path):
    held = verified(tmp_path / "held", 1, 0)
    (held / "certificate-0-eps1.zip").unlink()
    done = coverify("check", held, "--json", "-")
    assert done.code == 2 and "but its results name certificate-0-eps1.zip" in done.result["message"]
