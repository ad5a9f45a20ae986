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


def test_a_file_that_is_not_there_is_bad_input(tmp_path):
    done = coverify("check", tmp_path / "none.zip")
    assert done.code == 2
    assert "no such file" in done.stdout + done.stderr
