"""Random networks of all operators equal TFLM; and the fuzzer finds a wrong rounding and shrinks it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tflm_int8.fixedpoint
from fuzz import case
from fuzz.differential import campaign_part
from fuzz.grower import NAMES, grow
from fuzz.interpreter import Interpreter
from fuzz.judge import Failure, judge
from model_builder import Builder
from oracle import ROOT
from tflm_int8 import Model, Reference

pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
NETWORKS = int(os.environ.get("COVERIFY_FUZZ_CASES", "60"))


@pytest.fixture(scope="module")
def tflm():
    with Interpreter() as interpreter:
        yield interpreter


def _stored() -> list:
    """The stored cases; one whose case.json says why it is `open` must still fail."""
    cases = [(folder, case.read(folder).about.get("open")) for folder in case.stored()]
    return [
        pytest.param(
            folder, id=folder.name, marks=[pytest.mark.xfail(reason=str(why), strict=True)] if why else []
        )
        for folder, why in cases
    ]


@pytest.mark.parametrize("folder", _stored())
def test_a_stored_case_stays_mended(folder, tflm):
    one = case.read(folder)
    assert judge(one.content, one.inputs, tflm).failure is None, case.replay_line(folder)


def test_random_networks_equal_tflm(tflm, tmp_path):
    figures = campaign_part(list(range(NETWORKS)), tflm, tmp_path)
    assert not figures.failures, figures.failures
    assert figures.refused_at_run <= 0.05 * NETWORKS
    assert figures.lowered >= 0.8 * NETWORKS
    if NETWORKS >= 100:
        assert len(figures.operators) >= 0.95 * len(NAMES)


def test_a_seed_gives_the_same_file_each_time():
    assert [grow(seed).content for seed in range(6)] == [grow(seed).content for seed in range(6)]


def test_networks_branch_and_join_and_are_several_operators_deep():
    joins, depths = 0, []
    for seed in range(30):
        model = Model.from_bytes(grow(seed).content)
        computed = {t.index for t in model.tensors if t.data is None}
        joins += any(len(computed & set(op.inputs)) > 1 for op in model.operators)
        depths.append(len(model.operators))
    assert joins >= 5
    assert np.median(depths) >= 5


def _ties_upwards(x, exponent):
    """rounding_divide_by_pot with the ties of negative numbers towards +infinity: a wrong rounding."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1))


def test_a_wrong_rounding_of_ties_is_found_and_shrunk_to_one_operator(tflm, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tflm_int8.fixedpoint, "rounding_divide_by_pot", _ties_upwards)
        figures = campaign_part(list(range(12)), tflm, tmp_path)
        assert figures.failures
        folders = [Path(folder) for _, folder in figures.failures]
        cases = [case.read(folder) for folder in folders]
        for one in cases:
            assert len(Model.from_bytes(one.content).operators) == 1
            assert len(one.inputs[0]) == 1
            assert np.load(one.folder / "expected.npy").dtype == np.load(one.folder / "got.npy").dtype
            assert judge(one.content, one.inputs, tflm).failure is not None
        assert min(one.inputs[0].size for one in cases) <= 2
    for one in cases:  # with the right rounding the stored cases agree
        assert judge(one.content, one.inputs, tflm).failure is None


def test_a_kernel_that_raises_is_found_and_shrunk(tflm, tmp_path, monkeypatch):
    def raises(self, inputs):
        raise ZeroDivisionError("in a kernel")

    seed, kernel = next((s, k) for s, k in _kernels() if k.node.op.name == "CONV_2D")
    monkeypatch.setattr(type(kernel), "run", raises)
    figures = campaign_part([seed], tflm, tmp_path)
    assert figures.failures
    for message, folder in figures.failures:
        assert "ZeroDivisionError" in message
        names = [op.name for op in Model.from_bytes(case.read(Path(folder)).content).operators]
        assert names in (["CONV_2D"], ["DEPTHWISE_CONV_2D"])


def _kernels():
    for seed in range(40):
        for kernel in Reference(Model.from_bytes(grow(seed).content)).kernels:
            yield seed, kernel


def test_a_stored_case_is_replayed_by_its_printed_line(tmp_path):
    x = np.array([[1, 2]], np.int8)
    b = Builder()
    content = b.finish(b.op("RELU", [b.input((1, 2), 0.5, 0)], b.activation((1, 2), 0.5, 0)))
    failure = Failure("tensor", 0, 1, 0, "a message", x, x)
    folder = case.write(tmp_path, 7, content, [x[None]], failure, ["RELU"])
    line = json.loads((folder / "case.json").read_text())["replay"].split()
    done = subprocess.run([sys.executable, *line[1:]], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "agrees"), done.stderr


def test_an_interrupted_campaign_says_how_far_it_came(tmp_path):
    script = [sys.executable, "tests/fuzz/differential.py", "--cases", "1000000", "--out", str(tmp_path)]
    campaign = subprocess.Popen(script, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert campaign.stdout.readline().startswith("1000000 networks from seed 0")
        campaign.send_signal(signal.SIGINT)
        said, _ = campaign.communicate(timeout=60)
    finally:
        campaign.kill()
    assert campaign.returncode == 130
    assert "networks from seed 0 in" in " ".join(said.split())
