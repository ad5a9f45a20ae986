"""The loop as a user types it, on the host process and on an emulated core."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from command import coverify
from oracle import NETWORKS, ROOT, Tflm

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
CNN, CNN_X = NETWORKS / "digits_cnn.tflite", NETWORKS / "digits_cnn.npz"

needs_cross = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
    reason="the cross compiler or the emulator is not installed (make tools)",
)
DEVICES = ["native:", pytest.param("qemu:mps2-an386", marks=[pytest.mark.cross, needs_cross])]
MACHINES = ["mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547"]


@pytest.mark.parametrize("device", DEVICES)
def test_the_loop_closes(tmp_path, device):
    done = coverify("conform", CNN, "--device", device, "--inputs", CNN_X, "--limit", 5, "--vectors", 6,
                    "--out", tmp_path)  # fmt: skip
    assert done.code == 0, done
    conformed = json.loads((tmp_path / "conform.json").read_text())
    assert conformed["verdict"] == "MATCH"
    assert conformed["samples"] == 11
    assert conformed["bytes_compared"] == sum(row["bytes"] for row in conformed["tensors"])
    assert conformed["oracle"]["name"] == "tflite-micro"

    done = coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", "0,25,103", "--out", tmp_path)
    assert done.code == 1, done
    verified = json.loads((tmp_path / "verify.json").read_text())
    verdicts = {query["index"]: query["verdict"] for query in verified["queries"]}
    assert verdicts == {0: "HOLDS", 25: "VIOLATED", 103: "VIOLATED"}

    witnesses = sorted(tmp_path.glob("witness-*.zip"))
    assert [w.name for w in witnesses] == ["witness-103-eps8.zip", "witness-25-eps8.zip"]
    done = coverify("replay", *witnesses, "--device", device, "--out", tmp_path)
    assert done.code == 0, done
    replayed = json.loads((tmp_path / "replay.json").read_text())
    assert [row["verdict"] for row in replayed["replays"]] == ["CONFIRMED", "CONFIRMED"]
    assert all(row["mismatching_samples"] == 0 for r in replayed["replays"] for row in r["tensors"])

    done = coverify("report", tmp_path)
    assert done.code == 1  # counterexamples exist: the worst verdict is VIOLATED
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert json.loads((tmp_path / "result.json").read_text())["verdict"] == "VIOLATED"
    assert (tmp_path / "junit.xml").is_file()


@pytest.mark.cross
@needs_cross
@pytest.mark.parametrize("machine", MACHINES)
def test_every_emulated_core_computes_the_reference(machine):
    done = coverify("conform", CNN, "--device", f"qemu:{machine}", "--vectors", 8, "--json", "-")
    assert (done.code, done.result["verdict"]) == (0, "MATCH"), done
    assert done.result["device"]["build_id"]


def test_a_witness_breaks_the_property_in_tflms_own_interpreter(tmp_path):
    coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", 25, "--out", tmp_path)
    with zipfile.ZipFile(tmp_path / "witness-25-eps8.zip") as archive, archive.open("input.npy") as file:
        x = np.load(file, allow_pickle=False)
    with np.load(MLP_X, allow_pickle=False) as file:
        base, label = file["x"][25], int(file["y"][25])
    assert np.abs(x.reshape(-1).astype(int) - base.astype(int)).max() <= 8
    tflm = Tflm(MLP.read_bytes())
    assert int(tflm.run(base.reshape(1, 64)).argmax()) == label
    assert int(tflm.run(x.reshape(1, 64)).argmax()) != label


def test_run_takes_the_first_inputs_and_their_labels(tmp_path):
    done = coverify("run", CNN, "--inputs", CNN_X, "--limit", 3, "-o", tmp_path / "y.npz", "--json", "-")
    with np.load(tmp_path / "y.npz", allow_pickle=False) as got, np.load(CNN_X, allow_pickle=False) as given:
        right = sum(Tflm(CNN.read_bytes()).run(x[None])[0].argmax() == y for x, y in zip(
            given["x"][:3], given["y"][:3], strict=True))  # fmt: skip
        assert len(got["y"]) == done.result["samples"] == 3
    assert f"{right} of 3 labels right" in done.result["message"]


@pytest.mark.parametrize("on", ["reference", "tflm", "tflite", "native:"])
def test_run_gives_the_same_tensors_everywhere(tmp_path, on):
    if on == "tflite":
        pytest.importorskip("tflite_runtime", reason="tflite-runtime is not installed")
    with np.load(CNN_X, allow_pickle=False) as file:
        np.savez(tmp_path / "x.npz", x=file["x"][:4], y=file["y"][:4])
    out = tmp_path / "out.npz"
    assert coverify("run", CNN, "--inputs", tmp_path / "x.npz", "--on", on, "-o", out, "--trace").code == 0
    tflm = Tflm(CNN.read_bytes())
    with np.load(out, allow_pickle=False) as got, np.load(tmp_path / "x.npz", allow_pickle=False) as given:
        names = set(got.files) - {"y"}
        assert len(names) == 8
        for i, x in enumerate(given["x"]):
            y = tflm.run(x[None])
            np.testing.assert_array_equal(got["y"][i], y[0])
            for name in names:
                np.testing.assert_array_equal(got[name][i], tflm.tensor(int(name[1:])))


def test_a_profile_is_no_other_interpreter_s(tmp_path):
    y = tmp_path / "y.npz"
    done = coverify(
        "run", CNN, "--inputs", CNN_X, "-o", y, "--on", "tflm", "--profile", "cmsis-nn", "--json", "-"
    )
    assert done.code == 2 and not y.exists()
    assert done.result["message"] == "--profile cmsis-nn is the reference's; --on tflm computes as it does"


def test_a_witness_about_another_model_is_refused(tmp_path):
    coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", 25, "--out", tmp_path)
    witness = tmp_path / "witness-25-eps8.zip"
    done = coverify("replay", witness, "--device", "native:", "--model", CNN, "--json", "-")
    assert done.code == 2
    assert "another network" in done.result["message"]


def test_a_witness_whose_model_digest_is_wrong_is_refused(tmp_path):
    coverify("verify", MLP, "--eps", 8, "--inputs", MLP_X, "--index", 25, "--out", tmp_path)
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(tmp_path / "witness-25-eps8.zip") as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            new.writestr(name, CNN.read_bytes() if name == "model.tflite" else old.read(name))
    done = coverify("replay", forged, "--device", "native:", "--json", "-")
    assert done.code == 2
    assert "digest" in done.result["message"] or "sha256" in done.result["message"].lower()


def test_doctor_boards_build_and_inspect_say_what_there_is():
    doctor = coverify("doctor", "--json", "-")
    assert doctor.code == 0
    assert {"make", "gcc", "tflite-micro"} <= {check["name"] for check in doctor.result["checks"]}
    boards = coverify("boards", "--json", "-").result["boards"]
    assert {f"qemu:{m}" for m in MACHINES} | {"native:"} <= {board["url"] for board in boards}
    built = coverify("build", "native:", "--json", "-").result
    assert built["message"].endswith("coverify-native")
    inspected = coverify("inspect", CNN, "--json", "-")
    assert inspected.code == 0
    assert [row["op"] for row in inspected.result["operators"]][:2] == ["CONV_2D", "DEPTHWISE_CONV_2D"]
    assert coverify("inspect", ROOT / "README.md", "--json", "-").code == 2


def test_pixels_for_a_network_of_0_to_1_are_said_to_be_clamped(tmp_path):
    pixels = np.array([[0, 1, 2, 255] * 16], np.uint8)
    np.savez(tmp_path / "x.npz", x=pixels)
    run = ("run", NETWORKS / "digits_mlp.tflite", "--inputs", tmp_path / "x.npz", "--quantize")
    done = coverify(*run, "-o", tmp_path / "y.npz", "--json", "-")
    assert done.code == 0, done
    assert "clamped 32 of 64 values of x in x.npz: the input represents 0 to 1" in done.result["message"]
