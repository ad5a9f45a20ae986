"""Networks with several output tensors, of which one is asked about (`--head`)."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from command import coverify
from coverify.check import Rejected, check
from coverify.check.certificate import network
from coverify.verify.equivalence.distinction import Distinction
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Ends, Model, UnsupportedModel
from tflm_int8.program.concrete import run
from tflm_int8.program.lowering import lower_reference


def two_heads(seed: int = 3, last: str = "int8", other: str = "RELU") -> bytes:
    """Three and four classes on one trunk; `other`: an operator that the second one alone needs."""
    rng, b = np.random.default_rng(seed), Builder()
    x = b.input((1, 4), 0.05, 3)
    trunk = b.fully_connected(x, rng.integers(-90, 91, (6, 4)), rng.integers(-300, 300, 6), 0.01, 0.05, -9)
    operands = [trunk, trunk] if other == "ADD_N" else [trunk]
    more = b.op(other, operands, b.activation((1, 6), 0.1, -9))
    heads = []
    for n, read in ((3, trunk), (4, more)):
        w, bias = rng.integers(-90, 91, (n, 6)), rng.integers(-300, 300, n)
        y = b.fully_connected(read, w, bias, 0.01, 0.05, 4)
        if last == "float32":
            y = b.op("DEQUANTIZE", [y], b.tensor((1, n), "float32"))
        heads.append(y)
    return b.finish(*heads)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(5)
    (tmp_path / "net.tflite").write_bytes(two_heads())
    np.savez(tmp_path / "x.npz", x=rng.integers(-128, 128, (6, 4)).astype(np.int8))
    return tmp_path


def outputs(content: bytes, x: np.ndarray) -> list[np.ndarray]:
    """Each output for every row, as TFLM's interpreter has it."""
    tflm, found = Tflm(content), ([], [])
    for row in x:
        tflm.run(row.reshape(1, 4).astype(np.int8))
        for k in range(2):
            found[k].append(tflm.output(k).reshape(-1))
    return [np.array(rows) for rows in found]


@pytest.mark.parametrize("last", ["int8", "float32"])
def test_each_head_is_computed_as_by_tflm(last):
    for seed in range(8):
        content, x = two_heads(seed, last), np.random.default_rng(seed).integers(-128, 128, (20, 4))
        for k, expected in enumerate(outputs(content, x)):
            ends = Ends.of(Model.from_bytes(content), head=k)
            program, net = lower_reference(ends.reference), network(content, "tflm", k)
            codes = run(program, x)[program.output]
            np.testing.assert_array_equal(ends.given_out(codes.astype(np.int8)), expected)
            np.testing.assert_array_equal(net.boxes(x[None])[0][:, net.outputs], codes)


def test_what_another_head_needs_is_no_part_of_it():
    """Nor need the checker know it."""
    content = two_heads(other="ADD_N")
    network(content, "tflm", 0)
    with pytest.raises(Rejected, match="builtin operator 106"):
        network(content, "tflm", 1)
    names = [[op.name for op in Ends.of(Model.from_bytes(content), head=k).core.operators] for k in (0, 1)]
    assert names == [["FULLY_CONNECTED"] * 2, ["FULLY_CONNECTED", "ADD_N", "FULLY_CONNECTED"]]


def test_a_head_that_there_is_none_of_is_refused(files):
    content = (files / "net.tflite").read_bytes()
    with pytest.raises(UnsupportedModel, match=r"there is no output 2; its outputs: 0\.\.1"):
        Ends.of(Model.from_bytes(content), head=2)
    with pytest.raises(Rejected, match="an output that there is none of"):
        network(content, "tflm", 2)
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 1, "--json", "-")
    done = coverify(*asked)
    assert done.code == 2 and "asks about one of them, 0 to 1" in done.result["message"]
    assert coverify(*asked, "--head", 2).code == 2


@pytest.mark.parametrize("head", [0, 1])
def test_verdicts_are_those_of_every_input_and_have_evidence(files, head):
    """By each engine that proves; counterexamples are replayed, certificates say which output they are of."""
    x = np.load(files / "x.npz")["x"].astype(np.int64)
    ball = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 4, indexing="ij"), -1).reshape(-1, 4)
    truth = []
    for row in x:
        near = outputs((files / "net.tflite").read_bytes(), np.clip(row + ball, -128, 127))[head].argmax(
            axis=1
        )
        truth.append("HOLDS" if np.all(near == near[len(near) // 2]) else "VIOLATED")
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 2, "--head", head)
    for engine in ("bab", "enumerate", "auto"):
        done = coverify(*asked, "--engine", engine, "--out", files / engine, "--json", "-").result
        assert [row["verdict"] for row in done["queries"]] == truth
        assert any(f"output {head} of 2" in gap for gap in done["not_covered"])
        proofs = sorted((files / engine).glob("certificate*.zip"))
        assert len(proofs) == truth.count("HOLDS") > 0
        assert all(check(path).head == head for path in proofs)
    said = coverify("check", files / "bab").stdout
    assert ("of the network's output 1" in " ".join(said.split())) == (head == 1)
    broken = sorted((files / "auto").glob("witness*.zip"))
    assert len(broken) == truth.count("VIOLATED")
    for path in broken:
        replayed = coverify("replay", path, "--device", "native:", "--json", "-").result
        assert replayed["replays"][0]["verdict"] == "CONFIRMED"
        assert f"on the device, output {head}: class" in replayed["replays"][0]["note"]


def rewritten(path, name: str, change) -> None:
    """The same archive with another document."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    document = json.loads(members[name])
    change(document)
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, json.dumps(document) if member == name else data)


@pytest.mark.parametrize("head", [1, 2, -1, True, "0", None])
def test_a_proof_of_one_head_is_none_of_another(files, head):
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 2, "--engine", "bab")
    coverify(*asked, "--head", 0, "--out", files)
    path = sorted(files.glob("certificate*.zip"))[0]
    assert check(path).head == 0
    rewritten(path, "certificate.json", lambda document: document.update(head=head))
    with pytest.raises(Rejected):
        check(path)


def test_a_witness_of_one_head_is_none_of_another(files):
    np.savez(files / "x.npz", x=np.random.default_rng(1).integers(-128, 128, (9, 4)).astype(np.int8))
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 6, "--engine", "attack")
    coverify(*asked, "--timeout", 1, "--head", 1, "--out", files)
    path = sorted(files.glob("witness*.zip"))[0]
    for change in (
        lambda document: document["model"].update(head=0),
        lambda document: document["model"].update(head=7),
        lambda document: document["model"].pop("head"),
    ):
        rewritten(path, "witness.json", change)
        done = coverify("replay", path, "--device", "native:", "--json", "-")
        assert done.code == 2
        assert done.result["verdict"] in ("ERROR", "UNSUPPORTED"), done.result


@pytest.mark.parametrize("head", [0, 1])
def test_two_networks_are_told_apart_at_a_head(files, head):
    """The second one has another bias there; replayed, both do what is said."""
    content = two_heads(4)
    (files / "other.tflite").write_bytes(content)
    asked = ("distinguish", files / "net.tflite", "--against-model", files / "other.tflite", "--head", head)
    done = coverify(*asked, "--out", files / "out", "--json", "-")
    assert done.code == 1
    assert f"the network's other outputs: output {head} of 2" in " ".join(done.result["not_covered"])
    found = Distinction.read(files / "out" / "distinction.zip")
    assert (found.first.head, found.second.head) == (head, head)
    x = found.x.reshape(1, -1)
    assert not np.array_equal(outputs(two_heads(), x)[head], outputs(content, x)[head])
    replayed = coverify("replay", files / "out" / "distinction.zip", "--device", "native:", "--json", "-")
    assert replayed.result["replays"][0]["verdict"] == "CONFIRMED"
    same = coverify(*asked[:2], "--against-model", files / "net.tflite", "--head", head)
    assert same.code == 0
    assert coverify(*asked[:4], "--out", files / "none").code == 2


@pytest.mark.parametrize("which", ["an input", "a constant"])
def test_an_output_that_no_operator_writes_is_refused(files, which):
    """Nothing is computed, and a device shows no tensor of it."""
    b = Builder()
    x = b.input((1, 4), 0.05, 3)
    y = b.fully_connected(x, np.ones((3, 4), int), None, 0.01, 0.05, 4)
    (files / "net.tflite").write_bytes(
        b.finish(y, x if which == "an input" else b.constant(np.ones((1, 4)), 0.1, 0))
    )
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 1, "--json", "-")
    assert coverify(*asked, "--head", 0).code in (0, 1)
    done = coverify(*asked, "--head", 1)
    assert done.code == 2 and "no operator writes its output 1" in done.result["message"]


def test_another_head_is_another_campaign(files):
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--eps", 1, "--out", files / "out")
    assert coverify(*asked, "--head", 0).code in (0, 1)
    done = coverify(*asked, "--head", 1)
    assert done.code == 2 and "head '0' there, '1' here" in done.stdout + done.stderr


def test_a_property_is_about_the_elements_of_its_head(files):
    (files / "p.toml").write_text(
        "region = {eps = 1}\nclaim = {kind = 'output', index = 3, codes = [-128, 127]}\n"
    )
    asked = ("verify", files / "net.tflite", "--inputs", files / "x.npz", "--property", files / "p.toml")
    done = coverify(*asked, "--head", 1, "--json", "-")
    assert done.code == 0
    done = coverify(*asked, "--head", 0, "--json", "-")
    assert done.code == 2 and "index" in done.result["message"]
