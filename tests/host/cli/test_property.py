"""coverify verify --property as a user types it, and its counterexamples on a device."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from command import coverify
from coverify.check import check
from coverify.cli.replay.jobs import Replays
from coverify.cli.replay.verb import _result
from coverify.report import Replay as ReplayRow
from coverify.verify.breach import Breach
from coverify.verify.errors import BadWitness
from coverify.verify.property.formula import ClassIs
from coverify.verify.witness import Witness
from model_builder import Builder
from oracle import NETWORKS, Tflm
from tflm_int8 import Model

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
NEVER = "[region]\neps = 8\nmask_file = 'm.npz'\n[claim]\nkind = 'never'\nclasses = [6, 1]\n"
MONOTONE = (
    "[region]\neps = 2\nmask = [20, 21, 28, 29]\n"
    "[claim]\nkind = 'monotone'\nfeature = 20\noutput = 3\ndirection = 'rises'\n"
)
RELATION = (
    "[region]\neps_real = 1.5\n[claim]\nkind = 'relation'\noutputs = [4, 6]\ncoefficients = [-1, 1]\n"
    "at_most = -0.25\nunits = 'real'\n"
)


def verify(folder, text, index, *options):
    file = folder / "property.toml"
    file.write_text(text)
    return coverify("verify", MLP, "--property", file, "--inputs", MLP_X, "--index", index, "--timeout", 30,
                    "--out", folder, *options)  # fmt: skip


def rows(folder):
    return {row["index"]: row for row in json.loads((folder / "verify.json").read_text())["queries"]}


def outputs(witness):
    """TFLM's outputs of the base input and of the counterexample."""
    tflm = Tflm(witness.model, 1 << 18)
    return [tflm.run(x).reshape(-1).astype(int) for x in (witness.x0, witness.x)]


def test_coefficients_that_are_too_large_are_refused_with_the_file_before_anything_is_asked(tmp_path):
    claim = (
        "[claim]\nkind = 'relation'\noutputs = [4, 6]\ncoefficients = [100000000, -99999999]\nat_most = 0\n"
    )
    done = verify(tmp_path, "[region]\neps = 1\n" + claim, "0-3", "--json", "-")
    said = done.result["message"]
    assert done.code == 2 and said.startswith(str(tmp_path / "property.toml"))
    assert "coefficients are too large" in said
    assert not (tmp_path / "journal.sqlite").exists()


@pytest.fixture
def scores(tmp_path):
    """y = (x_0, x_1, x_0 − x_1, −x_1) / 2, and an input at which the first is far ahead."""
    b = Builder()
    weights = np.array([[64, 0], [0, 64], [64, -64], [0, -64]])
    y = b.fully_connected(b.input((1, 2), 0.5, 0), weights, None, np.full(1, 1 / 128), 0.5, 0)
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    np.savez(tmp_path / "x.npz", x=np.array([[90, 40]], np.int8), y=np.zeros(1, np.int64))
    return tmp_path


@pytest.mark.parametrize("text", [NEVER, MONOTONE, RELATION], ids=["never", "monotone", "relation"])
def test_a_violated_property_is_confirmed_by_the_device(tmp_path, text):
    np.savez(tmp_path / "m.npz", mask=np.ones((8, 8), np.int8))
    done = verify(tmp_path, text, "25,103")
    assert done.code == 1, done
    found = rows(tmp_path)
    assert "VIOLATED" in {row["verdict"] for row in found.values()}
    for index, row in found.items():
        if row["verdict"] != "VIOLATED":
            continue
        witness = Witness.read(tmp_path / f"witness-{index}-property.zip")
        before, after = outputs(witness)
        if text is NEVER:
            assert after.argmax() in (6, 1)
        elif text is MONOTONE:
            assert after[3] < before[3] and (witness.x.reshape(-1) >= witness.x0.reshape(-1)).all()
        else:
            quantization = Model.from_bytes(witness.model).tensors[-1].quantization
            real = float(quantization.scale) * (after - quantization.zero_point)
            assert real[6] - real[4] > -0.25
        assert witness.breach.broken(before, after)
    done = coverify("replay", *tmp_path.glob("witness-*.zip"), "--device", "native:", "--out", tmp_path)
    assert done.code == 0, done
    replays = json.loads((tmp_path / "replay.json").read_text())["replays"]
    assert all(row["verdict"] == "CONFIRMED" and "its output breaks" in row["note"] for row in replays)
    assert coverify("report", tmp_path).code == 1


def test_the_witnesses_of_a_folder_are_replayed_in_their_order(tmp_path):
    """Its own and those directly below; what else lies there is none."""
    np.savez(tmp_path / "m.npz", mask=np.ones((8, 8), np.int8))
    verify(tmp_path, NEVER, "25")
    (witness,) = tmp_path.glob("witness-*.zip")
    (tmp_path / "b").mkdir()
    for name in ("witness-100.zip", "b/witness-9.zip", "other.zip"):
        shutil.copy(witness, tmp_path / name)
    done = coverify("replay", tmp_path, "--device", "native:", "--json", "-")
    assert done.code == 0, done
    names = [row["witness"] for row in done.result["replays"]]
    assert names == ["witness-25-property.zip", "witness-100.zip", "b/witness-9.zip"]
    done = coverify("replay", tmp_path / "b", witness, "--device", "native:", "--json", "-")
    names = [row["witness"] for row in done.result["replays"]]
    assert names == ["b/witness-9.zip", "witness-25-property.zip"]
    (tmp_path / "none").mkdir()
    none = coverify("replay", tmp_path / "none", "--device", "native:")
    assert none.code == 2
    assert "there is no witness*.zip or distinction*.zip" in " ".join(none.stdout.split())


INTERRUPTED_AT_THE_THIRD = """
import sys
from coverify.__main__ import main
from coverify.cli.replay import jobs

row, rows = jobs._row, []

def interrupted(*arguments):
    rows.append(row(*arguments))
    if len(rows) == 3:
        raise KeyboardInterrupt
    return rows[-1]

jobs._row = interrupted
sys.argv[0] = "coverify"
main()
"""


def test_what_was_replayed_before_ctrl_c_is_kept(tmp_path):
    np.savez(tmp_path / "m.npz", mask=np.ones((8, 8), np.int8))
    verify(tmp_path, NEVER, "25")
    (witness,) = tmp_path.glob("witness-*.zip")
    for number in range(4):
        shutil.copy(witness, tmp_path / f"witness-{number}.zip")
    command = [sys.executable, "-c", INTERRUPTED_AT_THE_THIRD, "replay", str(tmp_path), "--device", "native:"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out")], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 130, done.stderr
    said = json.loads((tmp_path / "out" / "replay.json").read_text())
    assert (said["verdict"], said["message"]) == ("UNKNOWN", "2 of 5 counterexamples were replayed")
    rows = [(row["witness"], row["verdict"]) for row in said["replays"]]
    assert rows == [("witness-0.zip", "CONFIRMED"), ("witness-1.zip", "CONFIRMED")]


def test_what_the_device_refuted_before_ctrl_c_is_the_verdict():
    rows = [ReplayRow(witness=f"{n}.zip", verdict=said) for n, said in enumerate(("REFUTED", "CONFIRMED"))]
    jobs = [SimpleNamespace(models=(), profile="tflm")] * 3
    assert _result(jobs, Replays(rows), ()).verdict == "REFUTED"
    assert _result(jobs, Replays(rows[1:]), ()).verdict == "UNKNOWN"
    assert _result(jobs[:1], Replays(rows[1:]), ()).verdict == "CONFIRMED"


def restated(path, original, **said):
    """The witness with other things said of its property."""
    with zipfile.ZipFile(original) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "witness.json":
                document = json.loads(data)
                document["property"] |= said
                data = json.dumps(document).encode()
            new.writestr(name, data)
    return path


def test_a_property_that_no_output_keeps_is_said_to_be_one(tmp_path):
    """A VNN-LIB file may speak of inputs alone; its words are the file's, whatever they are."""
    np.savez(tmp_path / "m.npz", mask=np.ones((8, 8), np.int8))
    verify(tmp_path, NEVER, "25")
    original, formula = tmp_path / "witness-25-property.zip", {"kind": "any", "parts": []}
    path = restated(tmp_path / "forged.zip", original, formula=formula, words="w")
    done = coverify("replay", path, "--device", "native:", "--json", "-")
    (row,) = done.result["replays"]
    assert row["note"].endswith('any output breaks what the file calls "w"')


def test_a_file_that_is_refused_has_a_row_of_its_own_and_the_others_are_replayed(tmp_path):
    coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", 25, "--out", tmp_path)
    good, folder = Witness.read(tmp_path / "witness-25-eps8.zip"), tmp_path / "w"
    folder.mkdir()
    for tensor in good.tensors:
        other = {**good.tensors, tensor: good.tensors[tensor] ^ good.tensors[tensor].dtype.type(1)}
    fewer = {t: values for t, values in good.tensors.items() if t != tensor}
    dataclasses.replace(good, tensors=other).write(folder / "witness-1.zip")
    good.write(folder / "witness-2.zip")
    dataclasses.replace(good, tensors=fewer).write(folder / "witness-3.zip")
    dataclasses.replace(good, label=good.predicted, predicted=good.label).write(folder / "witness-4.zip")
    ends = (np.full(good.x.shape, end, np.int16) for end in (-128, 127))
    dataclasses.replace(good, breach=Breach("w", ClassIs(10), *ends)).write(folder / "witness-5.zip")
    (folder / "witness-6.zip").write_bytes(b"")
    done = coverify("replay", folder, "--device", "native:", "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    (confirmed, *refused) = done.result["replays"]
    assert (confirmed["witness"], confirmed["verdict"]) == ("witness-2.zip", "CONFIRMED")
    whys = {
        1: f"it expects other bytes in tensor {tensor}",
        3: "it does not hold exactly the tensors",
        4: "it breaks nothing",
        5: "it cannot be judged",
        6: "not a witness",
    }
    assert [(row["witness"], row["verdict"]) for row in refused] == [
        (f"witness-{number}.zip", "ERROR") for number in whys
    ]
    for row, why in zip(refused, whys.values(), strict=True):
        assert row["note"].startswith(f"{folder / row['witness']}: {why}")
    (folder / "witness-2.zip").unlink()
    done = coverify("replay", folder, "--device", "native:", "--json", "-")
    assert done.code == 2 and [row["note"] for row in done.result["replays"]] == [r["note"] for r in refused]
    done = coverify("replay", folder / "witness-4.zip", "--device", "native:", "--json", "-")
    assert done.code == 2 and done.result["message"].startswith(str(folder / "witness-4.zip"))


def test_a_witness_whose_label_is_no_class_of_the_network_is_refused(tmp_path):
    coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", 25, "--out", tmp_path)
    path = restated(tmp_path / "forged.zip", tmp_path / "witness-25-eps8.zip", label=10)
    done = coverify("replay", path, "--device", "native:", "--json", "-")
    assert done.code == 2 and "label 10 is not a class of the network (0..9)" in done.result["message"]


def test_a_witness_whose_formula_is_changed_breaks_nothing_and_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", mask=np.ones((8, 8), np.int8))
    verify(tmp_path, NEVER, "25")
    original, forged = tmp_path / "witness-25-property.zip", tmp_path / "forged.zip"
    holds = {"kind": "relation", "outputs": [], "coefficients": [], "bound": 0}
    restated(forged, original, formula=holds)
    done = coverify("replay", forged, "--device", "native:")
    assert done.code == 2 and "breaks nothing" in done.stdout + done.stderr
    shutil.copy(original, forged)
    with zipfile.ZipFile(original) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            if name != "hi.npy":
                new.writestr(name, old.read(name))
    with pytest.raises(BadWitness):
        Witness.read(forged)


def test_a_box_on_which_the_label_stays_has_a_certificate(tmp_path):
    done = verify(tmp_path, "[region]\neps = 2\nmask = [1, 2, 3, 30]\n[claim]\nkind = 'label'\n", "0")
    assert done.code == 0, done
    assert coverify("check", tmp_path / "certificate-0-property.zip").code == 0


def test_a_relation_that_holds_has_a_certificate(tmp_path):
    text = "[region]\neps = 2\n[claim]\nkind = 'all'\nclaims = [\n"
    text += "{kind = 'output', index = 1, codes = [0, 127]},\n"
    text += "{kind = 'relation', outputs = [0, 1], coefficients = [0.5, -0.25], at_most = 0},\n]\n"
    done = verify(tmp_path, text, "0")
    assert done.code == 0, done
    done = coverify("check", tmp_path / "certificate-0-property.zip", "--json", "-")
    assert done.code == 0 and "c · y <= d" in done.result["message"]


@pytest.mark.parametrize(
    ("claim", "some"), [("kind = 'never'\nclasses = [2, 1]", (2, 3)), ("kind = 'top'\nk = 2", (3, 2))]
)
def test_alternatives_have_a_certificate_in_words(scores, claim, some):
    (scores / "p.toml").write_text(f"[region]\neps = 3\n[claim]\n{claim}\n")
    asked = ("--property", scores / "p.toml", "--inputs", scores / "x.npz", "--out", scores / "out")
    for engine in ("interval", "dual", "bab", "enumerate"):
        done = coverify("verify", scores / "net.tflite", *asked, "--engine", engine, "--fresh")
        assert done.code == 0, done
        file = scores / "out" / "certificate-0-property.zip"
        relation = check(file).relation
        assert relation is not None and relation[2].shape == some
        done = coverify("check", file, "--model", scores / "net.tflite", "--json", "-")
        assert done.code == 0 and " or " in done.result["queries"][0]["property"]


def test_a_property_of_more_words_than_a_row_holds_is_decided_and_said_in_part(scores):
    relation = "{{kind='relation', outputs=[0,1,2,3], coefficients=[100001,1,-100001,-1], at_most={}}}"
    some = ["{kind='any', claims=[" + ",".join(relation.format(10**8 + k) for k in range(10)) + "]}"]
    ranges = "{features=[0], real=[-30.0, 0." + "0" * 5000 + "]}"
    path = scores / "p.toml"
    path.write_text(
        f"name = 'long'\n[region]\neps = 1\n[claim]\nkind = 'all'\nclaims = [{','.join(some * 10)}]\n"
    )
    asked = ("--inputs", scores / "x.npz", "--json", "-", "--property", path)
    done = coverify("verify", scores / "net.tflite", *asked, "--out", scores / "out")
    assert (done.code, done.result["verdict"]) == (0, "HOLDS"), done
    (said,) = {row["property"] for row in done.result["queries"]}
    assert said.startswith("long: ((100001·y0 + y1") and said.endswith("…, within 1 code")
    path.write_text(
        f"[region]\nrange = [{ranges}]\n[claim]\nkind = 'output'\nindex = 0\ncodes = [-128, 127]\n"
    )
    done = coverify("verify", scores / "net.tflite", *asked)
    assert (done.code, done.result["verdict"]) == (0, "HOLDS"), done


@pytest.mark.parametrize("engine", ["interval", "dual", "bab", "enumerate"])
def test_monotonicity_has_a_certificate_in_words(scores, engine):
    """y_0 = x_0 / 2 rises with x_0, y_3 = −x_1 / 2 falls with x_1."""
    for feature, output, direction, claim in (
        (0, 0, "rises", "y0 − y'0 ≤ 0"),
        (1, 3, "falls", "− y3 + y'3 ≤ 0"),
    ):
        text = f"[region]\neps = 2\n[claim]\nkind = 'monotone'\nfeature = {feature}\noutput = {output}\n"
        (scores / "p.toml").write_text(f"{text}direction = '{direction}'\n")
        asked = ("--property", scores / "p.toml", "--inputs", scores / "x.npz", "--out", scores / "out")
        done = coverify("verify", scores / "net.tflite", *asked, "--engine", engine, "--fresh")
        assert done.code == 0, done
        about = ("--model", scores / "net.tflite", "--inputs", scores / "x.npz", "--json", "-")
        done = coverify("check", scores / "out" / "certificate-0-property.zip", *about)
        assert done.code == 0, done
        said = done.result["queries"][0]["property"]
        ends = {0: "88..92", 1: "38..42"}[feature]
        assert f"{claim} of the outputs y, y' where x{feature} is raised to t in {ends}" in said
        assert "every input within 2 of input 0" in said


@pytest.mark.parametrize("engine", ["auto", "interval", "dual", "bab"])
@pytest.mark.parametrize(
    ("claim", "words"),
    [
        ("kind = 'output'\nindex = 0\ncodes = [100, 127]", "y0"),
        ("kind = 'output'\nindex = 1\nwithin = 20", "y1"),
        ("kind = 'relation'\noutputs = [0, 1]\ncoefficients = [-2, 1]\nat_most = -300", "2·y0"),
        ("kind = 'top'\nk = 2", "y"),
    ],
)
def test_bounds_of_a_softmax_s_outputs_have_a_certificate(scores, engine, claim, words):
    """Three logits, the inputs halved and their difference: 45, 20 and 25 around (90, 40) in eight codes."""
    b = Builder()
    weights = np.array([[64, 0], [0, 64], [64, -64]])
    y = b.fully_connected(b.input((1, 2), 0.5, 0), weights, None, np.full(1, 1 / 128), 0.1, -60)
    (scores / "net.tflite").write_bytes(b.finish(b.softmax(y)))
    (scores / "p.toml").write_text(f"[region]\neps = 4\n[claim]\n{claim}\n")
    np.savez(scores / "one.npz", x=np.array([[90, 40]], np.int8), y=np.zeros(1, np.int64))
    asked = ("--property", scores / "p.toml", "--inputs", scores / "one.npz", "--engine", engine)
    done = coverify("verify", scores / "net.tflite", *asked, "--out", scores / "out", "--json", "-")
    (row,) = done.result["queries"]
    assert (done.code, row["verdict"]) == (0, "HOLDS") and "note" not in row, done
    about = ("--model", scores / "net.tflite", "--inputs", scores / "one.npz", "--json", "-")
    done = coverify("check", scores / "out" / row["certificate"], *about)
    assert done.code == 0 and words in done.result["queries"][0]["property"], done


def test_a_hold_without_a_certificate_says_so(scores):
    b = Builder()
    weights = np.array([[64, 0], [0, 64]])
    y = b.fully_connected(b.input((1, 2), 0.5, 0), weights, None, np.full(1, 1 / 128), 0.5, 0)
    (scores / "net.tflite").write_bytes(b.finish(b.softmax(y)))
    one = ", ".join(f"{{kind = 'output', index = {k}, codes = [-6, 127]}}" for k in range(2))
    (scores / "p.toml").write_text(f"[region]\neps = 2\n[claim]\nkind = 'any'\nclaims = [{one}]\n")
    np.savez(scores / "even.npz", x=np.array([[40, 40]], np.int8), y=np.zeros(1, np.int64))
    asked = ("--property", scores / "p.toml", "--inputs", scores / "even.npz", "--engine", "bab")
    assert coverify("verify", scores / "net.tflite", *asked, "--out", scores).code == 0
    result = json.loads((scores / "verify.json").read_text())
    assert "the checker reads no such claim of a softmax's outputs" in result["queries"][0]["note"]
    assert any("certificates of all that holds here" in gap for gap in result["not_covered"])


def test_a_counterexample_of_an_input_whose_label_is_none_is_kept(scores):
    """y = −1 is what unlabelled data often have."""
    np.savez(scores / "x.npz", x=np.array([[90, 40], [8, 4]], np.int8), y=np.array([-1, 2**40]))
    text = "[region]\neps = 3\n[claim]\nkind = 'output'\nindex = 0\ncodes = [0, 44]\n"
    (scores / "p.toml").write_text(text)
    asked = ("--property", scores / "p.toml", "--inputs", scores / "x.npz", "--out", scores / "out")
    done = coverify("verify", scores / "net.tflite", *asked, "--json", "-")
    assert done.code == 1
    assert [(row["verdict"], row.get("label")) for row in done.result["queries"]] == [
        ("VIOLATED", None), ("HOLDS", None)]  # fmt: skip
    assert coverify("replay", scores / "out", "--device", "native:").code == 0


@pytest.mark.parametrize(
    ("region", "claim", "code"),
    [
        ("eps_real = 1e39", "kind = 'output'\nindex = 0\ncodes = [-64, 64]", 0),
        ("eps_real = 1e39", "kind = 'output'\nindex = 0\ncodes = [-63, 64]", 1),
        ("radius_file = 'r.npz'", "kind = 'output'\nindex = 0\ncodes = [-64, 64]", 0),
        ("eps = 3", "kind = 'output'\nindex = 0\nreal = [-1e39, 1e39]", 0),
        ("eps = 3", "kind = 'output'\nindex = 0\ncodes = [2147483647, 2147483647]", 1),
        ("eps = 3", "kind = 'relation'\noutputs = [0]\ncoefficients = [1]\nat_most = 1e38", 0),
        ("eps = 3", "kind = 'relation'\noutputs = [0]\ncoefficients = [-0.5]\nat_most = -1e38", 1),
    ],
)
def test_limits_beyond_all_values_are_always_or_never_kept(scores, region, claim, code):
    np.savez(scores / "r.npz", radius=np.array([2**63 - 1, 2**62]))
    (scores / "p.toml").write_text(f"[region]\n{region}\n[claim]\n{claim}\n")
    asked = ("--property", scores / "p.toml", "--inputs", scores / "x.npz", "--out", scores / "out")
    done = coverify("verify", scores / "net.tflite", *asked)
    assert done.code == code, done


def test_a_packed_file_is_said_to_be_one(scores):
    (scores / "p.vnnlib.gz").write_bytes(b"\x1f\x8b")
    done = coverify("verify", scores / "net.tflite", "--property", scores / "p.vnnlib.gz")
    assert done.code == 2 and "unpack it first" in done.stdout


@pytest.mark.parametrize("name", [b"p.vnnlib", b"p\xfc.vnnlib"])
def test_a_vnnlib_file_needs_no_inputs(tmp_path, name):
    file = tmp_path / os.fsdecode(name)
    declared = "".join(f"(declare-const X_{i} Real)\n" for i in range(64))
    declared += "".join(f"(declare-const Y_{j} Real)\n" for j in range(10))
    bounds = "".join(f"(assert (<= X_{i} 0.5))(assert (>= X_{i} 0))\n" for i in range(64))
    file.write_text(declared + bounds + "(assert (>= Y_0 1000))")
    done = coverify("verify", MLP, "--property", file, "--json", "-")
    assert done.code == 0 and done.result["queries"][0]["verdict"] == "HOLDS", done
    file.write_text(declared + bounds + "(assert (>= Y_0 -1000))")
    done = coverify("verify", MLP, "--property", file, "--out", tmp_path)
    assert done.code == 1
    assert coverify("replay", tmp_path / "witness-property.zip", "--device", "native:").code == 0


def test_a_network_of_one_output_has_ranges_and_monotonicity(tmp_path):
    """y = x / 2, so that it rises, and stays within −64..64."""
    b = Builder()
    x = b.input((1, 1), 0.5, 0)
    y = b.fully_connected(x, np.array([[64]]), None, np.full(1, 1 / 128), 0.5, 0)
    model, file = tmp_path / "half.tflite", tmp_path / "p.toml"
    model.write_bytes(b.finish(y))
    for claim, code in (
        ("kind = 'monotone'\nfeature = 0\noutput = 0", 0),
        ("kind = 'monotone'\nfeature = 0\noutput = 0\ndirection = 'falls'", 1),
        ("kind = 'output'\nindex = 0\nreal = [-32, 32.0]", 0),
        ("kind = 'output'\nindex = 0\nreal = [-31.9, 32.0]", 1),
    ):
        file.write_text(f"[claim]\n{claim}\n")
        assert coverify("verify", model, "--property", file).code == code, claim


@pytest.mark.parametrize(
    ("unsafe", "rows"),
    [
        ("(assert (>= Y_0 6))", 1),
        ("(assert (or (and (>= Y_0 6)) (and (<= Y_0 -6))))", 2),
        ("(assert (>= Y_0 -1))(assert (>= Y_0 6))", 2),  # of which never both
    ],
)
def test_relations_of_a_vnnlib_file_have_a_certificate(tmp_path, unsafe, rows):
    """y = x / 2 on −10..10."""
    b = Builder()
    y = b.fully_connected(b.input((1, 1), 0.5, 0), np.array([[64]]), None, np.full(1, 1 / 128), 0.5, 0)
    model, file = tmp_path / "half.tflite", tmp_path / "p.vnnlib"
    model.write_bytes(b.finish(y))
    declared = "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 10))(assert (>= X_0 -10))"
    file.write_text(f"{declared}{unsafe}(check-sat)")
    done = coverify("verify", model, "--property", file, "--engine", "bab", "--out", tmp_path / "out")
    assert done.code == 0, done
    certificate = tmp_path / "out" / "certificate-property.zip"
    claim = check(certificate)
    assert claim.label is None and claim.relation is not None and len(claim.relation[1]) == rows
    assert claim.relation[2].shape == ((1, 2) if "and" not in unsafe and rows == 2 else (rows, 1))


def test_masks_and_few_changes_are_options(tmp_path):
    done = coverify("verify", MLP, "--eps", 2, "--mask", "0-15", "--changes", 2, "--inputs", MLP_X, "--index",
                    "0", "--explain", "--timeout", 20, "--json", "-")  # fmt: skip
    assert done.code == 0, done
    (row,) = done.result["queries"]
    assert "16 features free, at most 2 features changed" in row["property"]
    assert row["reasons"] is not None and "what the proof needs" in row["detail"]


OUT = "features = [0], codes = [-20, -10]"
RISES = "kind = 'output'\nindex = 0\ncodes = "


@pytest.mark.parametrize(
    ("region", "claim", "note", "base"),
    [
        (f"eps = 200\nrange = [{{{OUT}}}]", "kind = 'label'",
         "the network gives the input, moved into its range, the label 1, not 0", [-10, 40]),
        (f"mask = [0]\nrange = [{{{OUT}}}]", f"{RISES}[0, 127]",
         "the input, moved into its range, breaks the property", [-10, 40]),
        (f"mask = [0]\nrange = [{{{OUT}}}]", f"{RISES}[-7, 127]",
         "shown beside the input, moved into its range", [-10, 40]),
        ("range = [{codes = [-20, -10]}]", f"{RISES}[0, 127]",
         "the middle of the region breaks the property", None),
        ("eps = 1", f"{RISES}[0, 1]", "the base input itself breaks the property", [90, 40]),
        ("eps = 1", "kind = 'never'\nclasses = [0]", "the base input itself breaks the property", [90, 40]),
    ],
)  # fmt: skip
def test_a_note_says_what_the_point_is_that_breaks_a_property(scores, region, claim, note, base):
    (scores / "p.toml").write_text(f"[region]\n{region}\n[claim]\n{claim}\n")
    asked = ("--property", scores / "p.toml", "--inputs", scores / "x.npz", "--engine", "enumerate")
    done = coverify("verify", scores / "net.tflite", *asked, "--json", "-")
    (row,) = done.result["queries"]
    assert done.code == 1 and note in row["note"], done
    assert "base input" not in row["note"].replace(note, "")
    assert row["inputs"].get("base") == base
    assert row.get("unchanged") is (True if base == [90, 40] else None)


@pytest.fixture
def half(tmp_path):
    """y = x / 2, and five inputs."""
    b = Builder()
    y = b.fully_connected(b.input((1, 1), 0.5, 0), np.array([[64]]), None, np.full(1, 1 / 128), 0.5, 0)
    (tmp_path / "half.tflite").write_bytes(b.finish(y))
    np.savez(tmp_path / "x.npz", x=np.array([[0], [9], [40], [3], [-50]], np.int8), y=[0, 0, 0, 7, -1])
    return tmp_path


@pytest.mark.parametrize(
    ("text", "index", "says"),
    [
        ("[region]\neps = 2\nrange = [{codes = [-9, 9]}]\n[claim]\nkind = 'never'\nclasses = [0]",
         "0-4", "x.npz: input 2: feature 0: its range does not meet the codes around 40"),
        ("[region]\nchanges = 1\nrange = [{codes = [-9, 9]}]\n[claim]\nkind = 'never'\nclasses = [0]",
         "1,4", "x.npz: input 4: the base input leaves the ranges"),
        ("[region]\neps = 2\n[claim]\nkind = 'label'", "0-4", "x.npz: y of input 3 is 7"),
        ("[region]\neps = 2\n[claim]\nkind = 'output'\nindex = 9\ncodes = [-9, 9]",
         "0-4", "p.toml: index: output 9 is not an output of the network"),
    ],
)  # fmt: skip
def test_an_input_that_cannot_be_asked_is_named_before_any_is_decided(half, text, index, says):
    (half / "p.toml").write_text(text + "\n")
    done = coverify("verify", half / "half.tflite", "--property", half / "p.toml", "--inputs", half / "x.npz",
                    "--index", index, "--out", half / "out")  # fmt: skip
    assert done.code == 2 and says in " ".join((done.stdout + done.stderr).split()), done
    assert not (half / "out" / "journal.sqlite").exists()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("p.toml", "[claim]\nkind = 'output'\nindex = 0\ncodes = [-64, 64]\n"),
        ("p.toml", "[[region.range]]\ncodes = [0, 9]\n[claim]\nkind = 'monotone'\nfeature = 0\noutput = 0\n"),
        (
            "p.vnnlib",
            "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= X_0 9))(assert (>= Y_0 99))",
        ),
    ],
)
def test_what_speaks_of_no_input_is_asked_once(half, file, text):
    (half / file).write_text(text)
    asked = ("verify", half / "half.tflite", "--property", half / file, "--inputs", half / "x.npz")
    done = coverify(*asked, "--out", half / "out", "--json", "-")
    (row,) = done.result["queries"]
    assert row["verdict"] == "HOLDS" and "index" not in row
    done = coverify(*asked, "--index", "0-1")
    assert done.code == 2 and "it is asked once" in " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--property", "none.toml"), "no such file"),
        (("--eps", "3", "--changes", "1"), "--inputs X.npz"),
        (("--inputs", MLP_X), "--property FILE"),
        (("--eps", "3", "--mask", "1-x", "--inputs", MLP_X), "--mask 1-x: '1-x' is neither a number"),
        (("--eps", "3", "--mask", "0,64", "--inputs", MLP_X), "--mask 0,64: '64' is outside 0-63"),
        (("--eps", "5-2", "--inputs", MLP_X), "runs backwards"),
        (("--property", "none.toml", "--changes", "3", "--inputs", MLP_X), "belong in the file"),
        (("--property", "none.toml", "--mask", "0", "--inputs", MLP_X), "belong in the file"),
        (("--property", "none.toml", "--units", "codes"), "--units is about a .vnnlib file"),
        (("--eps", "3", "--inputs", MLP_X, "--units", "real"), "--units is about a .vnnlib file"),
        (("--property", "none.vnnlib", "--units", "code"), "--units code: real or codes"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, says):
    done = coverify("verify", MLP, *options)
    assert done.code == 2 and says in " ".join((done.stdout + done.stderr).split()), done
