"""`verify` writes certificates that `check` accepts; a damaged one is never taken for a proof."""

import hashlib
import io
import json
import os
import zipfile

import numpy as np
import pytest

from command import coverify
from coverify.check import Claim
from coverify.cli.check import _cut, _property
from coverify.cli.claim import Samples, box, digest, ends, said, shown
from coverify.cli.evidence import operators_named
from model_builder import Builder
from oracle import ROOT

NETWORK = ROOT / "firmware_models" / "networks" / "digits_mlp.tflite"
INPUTS = NETWORK.with_suffix(".npz")


@pytest.fixture(scope="module")
def proof(tmp_path_factory):
    """What `verify` wrote of input 0, eps 1."""
    folder = tmp_path_factory.mktemp("verified")
    done = coverify(
        "verify", NETWORK, "--eps", 1, "--inputs", INPUTS, "--index", 0, "--engine", "bab", "--out", folder,
        "--json", "-",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    return (folder / done.result["queries"][0]["certificate"]).read_bytes()


@pytest.fixture
def verified(proof, tmp_path):
    path = tmp_path / "certificate-0-eps1.zip"
    path.write_bytes(proof)
    return path


def about(lo, hi, relation=None, few=None):
    """A claim about a box, in which any number of values may change, or as `few` says."""
    base, changes = few or (lo, len(lo))
    label = 0 if relation is None else None
    return Claim("", "tflm", lo, hi, label, relation, np.array(base), changes, None, 0, "bounds")


def test_a_certificate_of_verify_is_accepted_and_its_claim_is_printed(verified):
    done = coverify("check", verified)
    assert done.code == 0
    assert hashlib.sha256(NETWORK.read_bytes()).hexdigest() in "".join(done.stdout.split())


def test_what_is_claimed_is_said_before_the_digests(verified):
    message = coverify("check", verified, "--json", "-").result["message"]
    label = int(np.load(INPUTS)["y"][0])
    claim = f": label {label} stays the first greatest output for every integer x in the box (64 of 64"
    assert claim in message
    network = hashlib.sha256(NETWORK.read_bytes()).hexdigest()
    assert message.index(claim) < message.index(f"; network {network}, box ")


def test_a_damaged_certificate_is_no_proof(verified):
    data = bytearray(verified.read_bytes())
    data[len(data) // 2] ^= 1
    verified.write_bytes(data)
    done = coverify("check", verified, "--json", "-")
    assert done.code == 4
    assert done.result["verdict"] == "UNKNOWN"
    assert "rejected" in done.result["queries"][0]["note"]


def test_of_several_certificates_the_accepted_ones_are_counted_and_each_has_its_row(verified, tmp_path):
    (tmp_path / "none.zip").write_bytes(b"no certificate")
    done = coverify("check", verified, tmp_path / "none.zip", verified, "--json", "-")
    assert done.code == 4
    assert done.result["message"].startswith("2 of 3 certificates accepted")
    assert [row["verdict"] for row in done.result["queries"]] == ["HOLDS", "UNKNOWN", "HOLDS"]


def test_a_certificate_beyond_the_budget_is_rejected_with_the_number_that_it_needs(verified):
    done = coverify("check", verified, "--budget", 1000, "--json", "-")
    assert done.code == 4
    assert "the budget is 1.0e+03" in done.result["queries"][0]["note"]
    assert coverify("check", verified, "--budget", 1e9).code == 0


def test_the_sums_of_a_softmax_beyond_the_budget_are_rejected_with_the_number_that_they_need(tmp_path):
    b, net, file = Builder(), tmp_path / "net.tflite", tmp_path / "x.npz"
    weights = np.array([[90, 3], [-80, 5]])
    dense = b.fully_connected(b.input((1, 2), 0.05, 0), weights, np.zeros(2), 0.02, 0.1, 0)
    net.write_bytes(b.finish(b.softmax(dense)))
    np.savez(file, x=np.array([[100, 0]], np.int8))
    asked = ("verify", net, "--inputs", file, "--eps", 1, "--engine", "bab", "--out", tmp_path)
    assert coverify(*asked).code == 0
    (certificate,) = tmp_path.glob("*.zip")
    assert coverify("check", certificate).code == 0
    done = coverify("check", certificate, "--budget", 10, "--json", "-")
    assert done.code == 4
    assert "multiply-adds; the budget is 1.0e+01" in done.result["queries"][0]["note"]


def test_a_folder_is_its_certificates_and_each_row_says_of_which_input_and_how_far_around(tmp_path):
    done = coverify(
        "verify", NETWORK, "--eps", "1,2", "--inputs", INPUTS, "--index", "3,11", "--engine", "interval",
        "--out", tmp_path, "--json", "-",
    )  # fmt: skip
    asked = {(row["index"], row["eps"]): row for row in done.result["queries"] if row["verdict"] == "HOLDS"}
    assert len(asked) > 2
    done = coverify("check", tmp_path, "--model", NETWORK, "--inputs", INPUTS, "--json", "-")
    assert done.code == 0
    assert {(row["index"], row["eps"]): row["label"] for row in done.result["queries"]} == {
        where: row["label"] for where, row in asked.items()
    }
    assert f"{len(asked)} of {len(asked)} certificates accepted" in done.result["message"]


def test_a_proof_about_another_network_or_other_inputs_confirms_nothing(verified, tmp_path):
    other = coverify("check", verified, "--model", NETWORK.with_name("digits_cnn.tflite"), "--json", "-")
    assert other.code == 4
    assert "another network" in other.result["queries"][0]["note"]
    text = coverify(
        "check", verified, "--model", NETWORK.with_name("digits_cnn.tflite"), env={"COLUMNS": "150"}
    )
    (row,) = [line for line in text.stdout.splitlines() if line.startswith("a claim about another network")]
    assert row.split()[5] == "UNKNOWN"
    x = np.load(INPUTS)["x"]
    np.savez(tmp_path / "later.npz", x=x[1:])
    other = coverify("check", verified, "--inputs", tmp_path / "later.npz", "--json", "-")
    assert other.code == 4
    assert "no input of later.npz" in other.result["queries"][0]["note"]
    np.savez(tmp_path / "smaller.npz", x=x.reshape(len(x), -1)[:, 1:])
    other = coverify("check", verified, "--inputs", tmp_path / "smaller.npz", "--json", "-")
    assert other.code == 4
    assert "63" in other.result["queries"][0]["note"]


def test_where_a_box_lies_is_told_by_what_it_holds_around_an_input():
    """By hand: inputs (0, 0, 0), (5, 5, 5), the range −128..127."""
    samples = Samples("x.npz", np.array([[0, 0, 0], [5, 5, 5], [-128, 127, 9]], np.int8), None)

    def place(lo, hi):
        found = samples.place(about(np.array(lo), np.array(hi)))
        return found if isinstance(found, str) else (found.indices, found.reach, found.whole)

    assert place([-2, -3, -2], [2, 2, 7]) == ([0], 2, True)
    assert place([-2, 0, -2], [2, 0, 2]) == ([0], 2, False)
    assert place([0, 0, 0], [5, 5, 5]) == ([0, 1], 0, True)
    assert place([5, 5, 5], [5, 5, 5]) == ([1], 0, True)
    assert place([-128, 120, 6], [-125, 127, 12]) == ([2], 3, True)  # beyond the range there is nothing
    assert "no input" in place([1, 1, 1], [4, 4, 4])
    assert "2" in place([1, 1], [4, 4])


def test_a_relation_is_written_out():
    c, d = np.array([[1, -2, 0], [-1, 0, 3]]), np.array([5, -7])

    def words(some):
        claim = about(np.array([0]), np.array([0]), (c, d, np.array(some)))
        return shown(claim), said(claim)

    first, second = "y0 − 2·y1 ≤ 5", "− y0 + 3·y2 ≤ −7"
    (both, all_said), (one, one_said) = words([[0], [1]]), words([[1, 0]])
    assert both == f"{first} and {second} of the outputs y"
    assert one == f"({first} or {second}) of the outputs y"
    assert words([[1, 0], [1, 1]])[0] == f"({first} or {second}) and {second} of the outputs y"
    assert digest(c, d) in all_said and "one of" not in all_said
    relation = (
        f"relation c · y <= d {digest(c, d)}, one of each row of the 1 × 2 {digest(np.array([[1, 0]]))}"
    )
    assert one_said.startswith(f"({first} or {second}) of the outputs y for every integer x")
    assert one_said.endswith(relation)


def test_a_claim_that_is_too_long_is_cut_between_its_words_and_after_box_and_profile():
    """Rows of six terms of 18 digits, of four clauses of four."""
    n = 12
    c = np.random.default_rng(0).integers(10**17, 10**18, (16, n)) * (np.arange(n) < 6)
    d = np.full(16, 10**17)
    claim = about(np.array([0]), np.array([9]), (c, d, np.arange(16).reshape(4, 4)))
    told, first = _property(claim, None, ""), f"under profile tflm, {box(claim)}: "
    for text, whole in ((told.removeprefix(first), shown(claim)), (_cut(said(claim)), said(claim))):
        assert len(whole) > 1500 >= len(text) and text.endswith(" …")
        assert whole.startswith(f"{text.removesuffix(' …')} ")
    assert len(told) <= 1500 and told.startswith(first)


def test_the_ends_of_a_box_of_few_values_are_written_out():
    def claim(n):
        lo = np.full(n, -3)
        return about(lo, lo + np.arange(n))

    assert ends(claim(3)) == "x0 = −3, x1 in −3..−2, x2 in −3..−1"
    assert ends(claim(17)) == "16 of 17 input values vary, by up to 16"
    assert "(x0 = −3, x1 in −3..−2, x2 in −3..−1)" in said(claim(3))


def test_few_changes_are_told_of_and_their_base_is_the_input_that_they_are_about():
    samples = Samples("x.npz", np.array([[0, 0, 0], [1, 0, 0]], np.int8), None)
    claim = about(np.array([-2, -2, -2]), np.array([2, 2, 2]), few=([1, 0, 0], 2))
    place = samples.place(claim)
    assert str(place) == "every input within 1 of input 1, in at most 2 values"
    assert f"differs in at most 2 values from the input {digest(np.array([1, 0, 0]))} " in said(claim)
    assert box(claim) == "a box: 3 of 3 input values vary, by up to 4, at most 2 at once"
    other = about(np.array([-2, -2, -2]), np.array([2, 2, 2]), few=([1, 1, 0], 1))
    assert samples.place(other) == "that no input of x.npz is the base of"


def test_certificates_one_folder_below_are_read_with_those_of_the_folder_itself(verified, tmp_path):
    for below in ("a", "b/c"):
        (tmp_path / below).mkdir(parents=True)
        (tmp_path / below / "certificate-7-eps1.zip").write_bytes(verified.read_bytes())
    done = coverify("check", tmp_path, "--json", "-")
    assert done.code == 0
    assert [row["certificate"] for row in done.result["queries"]] == [
        "certificate-0-eps1.zip",
        "a/certificate-7-eps1.zip",
    ]
    assert (
        coverify("check", tmp_path / "b", "--json", "-").result["queries"][0]["certificate"].startswith("c/")
    )


def test_files_of_several_folders_are_told_apart(verified, tmp_path):
    for folder in ("a", "b", "c/a"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "certificate-7-eps1.zip").write_bytes(verified.read_bytes())

    def names(*given):
        rows = coverify("check", *(tmp_path / path for path in given), "--json", "-").result["queries"]
        return [row["certificate"] for row in rows]

    file = "certificate-7-eps1.zip"
    assert names("a", "b") == [f"a/{file}", f"b/{file}"]
    assert names("a", "c/a") == [f"{tmp_path}/a/{file}", f"{tmp_path}/c/a/{file}"]
    assert names(f"a/{file}", verified.name) == [file, verified.name]
    assert names(f"a/{file}", f"b/{file}") == [f"{tmp_path}/a/{file}", f"{tmp_path}/b/{file}"]


def test_an_unknown_operator_is_rejected_by_its_name():
    assert operators_named("the checker does not know the builtin operator 40") == (
        "the checker does not know the builtin operator 40 (MEAN)"
    )
    assert operators_named("builtin operator 4000") == "builtin operator 4000"


def test_what_is_no_certificate_is_said_to_be_none_in_a_sentence(verified, tmp_path):
    with zipfile.ZipFile(verified) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(parts["certificate.json"])
    del document["files"]["box.npy"]
    damaged = {
        "network": NETWORK.read_bytes(),
        "cut": verified.read_bytes()[:-100],
        "without document": zipped({**parts, "certificate.json": None}),
        "document of nothing": zipped({**parts, "certificate.json": b"{}"}),
        "without box": zipped({**parts, "certificate.json": json.dumps(document).encode(), "box.npy": None}),
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
    done = coverify("check", *(tmp_path / name for name in damaged), "--json", "-")
    assert done.code == 4
    start = "rejected: this is no certificate, or a damaged one: "
    for row in done.result["queries"]:
        assert row["note"].startswith(start)
        assert "Error" not in row["note"]
        assert len(row["note"]) > len(start) + 8


def zipped(parts) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            if data is not None:
                archive.writestr(name, data)
    return stream.getvalue()


def test_a_folder_without_certificates_or_a_budget_that_is_no_number_is_bad_input(verified, tmp_path):
    (tmp_path / "empty").mkdir()
    done = coverify("check", tmp_path / "empty")
    assert done.code == 2
    assert "no certificate*.zip" in " ".join(done.stdout.split())
    assert coverify("check", verified, "--budget", "nan").code == 2


def test_a_file_that_is_not_there_is_bad_input(tmp_path):
    done = coverify("check", tmp_path / "none.zip")
    assert done.code == 2
    assert "no such file" in done.stdout + done.stderr


def test_what_cannot_be_read_hides_no_verdict_of_the_others(verified, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.zip").write_bytes(b"no certificate")
    for other, says in (("gone.zip", "there is no such file"), ("empty", "there is no certificate*.zip")):
        done = coverify("check", verified, tmp_path / other, tmp_path / "none.zip", "--json", "-")
        assert (done.code, done.result["verdict"]) == (2, "ERROR")
        assert [row["verdict"] for row in done.result["queries"]] == ["HOLDS", "ERROR", "UNKNOWN"]
        assert done.result["message"].startswith("1 of 3 certificates accepted")
        assert says in done.result["queries"][1]["note"]
        shown = coverify("check", verified, tmp_path / other)
        assert shown.code == 2 and says in " ".join(shown.stdout.split()) and verified.name in shown.stdout


def test_copies_of_one_certificate_are_one_input_and_another_label_in_the_file_is_told(verified, tmp_path):
    x = np.load(INPUTS)["x"][:1]
    label = coverify("check", verified, "--json", "-").result["queries"][0]["label"]
    np.savez(tmp_path / "twice.npz", x=np.concatenate([x, x]), y=np.array([label, label + 1]))
    done = coverify(
        "check", verified, verified, "--model", NETWORK, "--inputs", tmp_path / "twice.npz", "--json", "-"
    )
    assert done.code == 0
    assert "labels of 1 input of radius 1" in done.result["message"]
    said = done.result["queries"][0]["property"]
    assert f"whose label there is {label + 1}" in said
    assert "profile tflm" in said


def test_a_name_that_is_not_utf8_is_told_as_far_as_it_can_be(verified, tmp_path):
    inputs = tmp_path / os.fsdecode(b"x_\xf6.npz")
    inputs.write_bytes(INPUTS.read_bytes())
    done = coverify("check", verified, "--inputs", inputs, "--json", "-")
    assert done.code == 0, done
    assert "within 1 of input 0 of x_?.npz" in done.result["queries"][0]["property"]
