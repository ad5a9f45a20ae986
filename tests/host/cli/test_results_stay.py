"""A result that was written stays: whatever cannot be printed, and whatever is refused after it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from command import coverify
from oracle import NETWORKS

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
ASKED = ("verify", MLP, "--inputs", MLP_X, "--index", 0)


@pytest.mark.parametrize(
    "env", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_what_the_outputs_encoding_lacks_is_replaced(env, tmp_path):
    model = tmp_path / "五.tflite"
    shutil.copy(MLP, model)
    done = coverify("verify", model, *ASKED[2:], "--eps", 1, "--out", tmp_path, env=env)
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith("HOLDS  verify")
    assert "?" in done.stdout
    assert "  * " in done.stdout and "..." in done.stdout  # the dot of a list, the rest of a digest
    assert json.loads((tmp_path / "verify.json").read_text("utf-8"))["verdict"] == "HOLDS"


def test_json_is_utf8_whatever_the_outputs_encoding_is(tmp_path):
    model = tmp_path / "zahl-fünf-…-五.tflite"
    shutil.copy(MLP, model)
    done = coverify("inspect", model, "--json", "-", env={"PYTHONIOENCODING": "ascii"})
    assert (done.code, done.result["model"]["file"]) == (0, model.name)


def test_the_help_is_printed_in_any_encoding():
    for verb in ((), ("verify",), ("study", "bits")):
        assert coverify(*verb, "--help", env={"PYTHONIOENCODING": "ascii"}).code == 0


UNPRINTABLE = """
import sys
from coverify.cli import outcome
from coverify.__main__ import main

def fail(result, console):
    raise RuntimeError("no text for it")

outcome.render = fail
main()
"""


def test_a_result_that_cannot_be_printed_stays_in_the_folder(tmp_path):
    command = [sys.executable, "-c", UNPRINTABLE, *map(str, ASKED), "--eps", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert "internal error: RuntimeError: no text for it" in done.stderr
    assert json.loads((tmp_path / "verify.json").read_text("utf-8"))["verdict"] == "HOLDS"


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decided")
    assert coverify(*ASKED, "--eps", 1, "--out", folder).code == 0
    return folder


@pytest.mark.parametrize(
    "refused",
    [
        (*ASKED, "--eps", 900),
        ("verify", "none.tflite", "--inputs", MLP_X, "--eps", 1),
        ("verify", NETWORKS / "digits_cnn.tflite", "--inputs", NETWORKS / "digits_cnn.npz", "--eps", 1),
        (*ASKED, "--radius", 1),
        (*ASKED, "--eps", 1, "--mask", "0-3"),
        (*ASKED, "--eps", 1, "--engine", "mine"),
        (*ASKED, "--eps", 1, "--cluster", "nowhere"),
    ],
)
def test_a_refused_command_leaves_an_earlier_result_alone(decided, tmp_path, refused):
    before = (decided / "verify.json").read_bytes()
    done = coverify(*refused, "--out", decided, "--json", decided / "verify.json")
    assert done.code == 2
    assert done.stdout.startswith("ERROR  verify: ")
    assert "verify.json is of an earlier call and stays as it was" in " ".join(done.stdout.split())
    assert (decided / "verify.json").read_bytes() == before
    asked_for = tmp_path / "this.json"
    assert coverify(*refused, "--out", decided, "--json", asked_for).code == 2
    assert json.loads(asked_for.read_text())["verdict"] == "ERROR"
    assert (decided / "verify.json").read_bytes() == before


def test_a_refused_journal_leaves_the_result_alone(decided, tmp_path):
    folder = shutil.copytree(decided, tmp_path / "run")
    (folder / "journal.sqlite").write_bytes(b"no journal" * 99)
    before = (folder / "verify.json").read_bytes()
    assert coverify(*ASKED, "--eps", 1, "--out", folder).code == 2
    assert (folder / "verify.json").read_bytes() == before


def test_an_error_is_written_where_there_is_no_result_or_another_error(tmp_path):
    for eps in (900, 901):
        assert coverify(*ASKED, "--eps", eps, "--out", tmp_path).code == 2
        said = json.loads((tmp_path / "verify.json").read_text())
        assert (said["verdict"], said["message"]) == ("ERROR", f"--eps {eps}: '{eps}' is outside 0-255")
    assert coverify(*ASKED, "--eps", 1, "--out", tmp_path).code == 0


def test_what_is_said_of_a_device_replaces_an_earlier_result(tmp_path):
    (tmp_path / "conform.json").write_text(
        '{"schema": "coverify-result/1", "verb": "conform", "verdict": "MATCH"}'
    )
    asked = ("conform", MLP, "--vectors", 2, "--out", tmp_path, "--device")
    assert coverify(*asked, "nothing:").code == 2
    assert json.loads((tmp_path / "conform.json").read_text())["verdict"] == "MATCH"
    assert coverify(*asked, "serial:/dev/ttyNONE@115200").code == 3
    assert json.loads((tmp_path / "conform.json").read_text())["verdict"] == "LINK_ERROR"


def test_fresh_forgets_the_result_too(tmp_path):
    assert coverify(*ASKED, "--eps", 1, "--out", tmp_path).code == 0
    again = (*ASKED, "--eps", 1, "--out", tmp_path, "--fresh", "--engine")
    assert coverify(*again, "mine").code == 2
    said = json.loads((tmp_path / "verify.json").read_text())
    assert (said["verdict"], "queries" in said) == ("ERROR", False)
