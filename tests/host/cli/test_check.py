"""`verify` writes certificates that `check` accepts; a damaged one is never taken for a proof."""

import hashlib

from command import coverify
from oracle import ROOT

NETWORK = ROOT / "firmware_models" / "networks" / "digits_mlp.tflite"
INPUTS = NETWORK.with_suffix(".npz")


def verified(folder):
    done = coverify(
        "verify", NETWORK, "--eps", 1, "--inputs", INPUTS, "--index", 0, "--engine", "bab", "--out", folder,
        "--json", "-",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    return folder / done.result["queries"][0]["certificate"]


def test_a_certificate_of_verify_is_accepted_and_its_claim_is_printed(tmp_path):
    done = coverify("check", verified(tmp_path))
    assert done.code == 0
    assert hashlib.sha256(NETWORK.read_bytes()).hexdigest() in "".join(done.stdout.split())


def test_a_damaged_certificate_is_no_proof(tmp_path):
    path = verified(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = coverify("check", path, "--json", "-")
    assert done.code == 4
    assert done.result["verdict"] == "UNKNOWN"
    assert "rejected" in done.result["queries"][0]["note"]


def test_of_several_certificates_the_accepted_ones_are_counted_and_each_has_its_row(tmp_path):
    path = verified(tmp_path)
    (tmp_path / "none.zip").write_bytes(b"no certificate")
    done = coverify("check", path, tmp_path / "none.zip", path, "--json", "-")
    assert done.code == 4
    assert done.result["message"].startswith("2 of 3 certificates accepted")
    assert [row["verdict"] for row in done.result["queries"]] == ["HOLDS", "UNKNOWN", "HOLDS"]


def test_a_certificate_beyond_the_budget_is_rejected_with_the_number_that_it_needs(tmp_path):
    path = verified(tmp_path)
    done = coverify("check", path, "--budget", 1000, "--json", "-")
    assert done.code == 4
    assert "the budget is 1.0e+03" in done.result["queries"][0]["note"]
    assert coverify("check", path, "--budget", 1e9).code == 0


def test_a_file_that_is_not_there_is_bad_input(tmp_path):
    done = coverify("check", tmp_path / "none.zip")
    assert done.code == 2
    assert "no such file" in done.stdout + done.stderr
