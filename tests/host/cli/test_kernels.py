"""coverify kernels as a user types it."""

import json

import pytest

from command import coverify
from coverify.boards.native import NativeProcess
from coverify.cli import kernels
from coverify.cli.outcome import Output
from coverify.errors import BoardError
from coverify.link.deadline import Deadline
from mutants import MUTANTS


def test_a_right_device_matches_and_the_matrix_says_what_would_have_shown(tmp_path):
    done = coverify("kernels", "--device", "native:", "--op", "MUL", "--op", "SOFTMAX", "--limit", 6,
                    "--out", tmp_path)  # fmt: skip
    assert done.code == 0, done
    result = json.loads((tmp_path / "kernels.json").read_text())
    assert result["verdict"] == "MATCH"
    assert {row["op"] for row in result["kernels"]} == {"MUL", "SOFTMAX"}
    shown = {
        v["name"]: v["cases"] for row in result["kernels"] if row["op"] == "MUL" for v in row["separated"]
    }
    assert shown["single-rounding"] > 0
    assert coverify("report", tmp_path).code == 0
    assert "Told apart" in (tmp_path / "report.html").read_text()


def test_a_wrong_device_leaves_the_failing_models_and_inputs_behind(workshop, tmp_path):
    mutant = next(m for m in MUTANTS if m.variant == "average-without-rounding")
    process = NativeProcess(workshop.build(mutant, tmp_path / "build"), Deadline.in_s(20))
    out, device = tmp_path / "run", f"serial:{process.line_url}"
    try:
        done = coverify("kernels", "--device", device, "--op", "AVERAGE_POOL_2D", "--limit", 5, "--out", out)
        assert done.code == 1, done
        model = sorted(out.glob("average_pool_2d-*.tflite"))[0]
        done = coverify(
            "diagnose", model, "--device", device, "--inputs", model.with_suffix(".npz"), "--json", "-"
        )
    finally:
        process.end()
    assert done.code == 1, done
    assert "average-without-rounding" in [e["name"] for e in done.result["diagnoses"][0]["explained_by"]]


def test_a_device_that_follows_another_profile_is_told_apart_by_a_case_that_was_made_for_it():
    """The firmware is TFLM's arithmetic; RELU with one rounding differs on about one scale in a thousand."""
    asked = ("kernels", "--device", "native:", "--op", "RELU", "--limit", 1, "--json", "-")
    done = coverify(*asked, "--profile", "tflm-single-rounding")
    wrong = [row for row in done.result["kernels"] if row["differing"]]
    assert done.code == 1
    assert [row["shape_class"] for row in wrong] == ["made against other profiles"]
    assert "profile-tflm" in wrong[0]["explained_by"]
    assert coverify(*asked).code == 0


def test_an_operator_that_the_profile_has_not_is_said_to_be_not_covered():
    done = coverify("kernels", "--device", "native:", "--op", "SUM", "--op", "ADD", "--limit", 1,
                    "--profile", "litert-ref", "--json", "-")  # fmt: skip
    assert any("litert-ref refuses: SUM" in said for said in done.result["not_covered"])
    assert {row["op"] for row in done.result["kernels"]} == {"ADD"}


def test_no_case_is_prepared_for_a_device_that_is_not_there(monkeypatch):
    def prepared(*_):
        raise AssertionError

    monkeypatch.setattr(kernels, "GRIDS", {"ADD": prepared})
    plan = kernels.Plan(["ADD"], None, "tflm", 0)
    result = kernels.run_plan(plan, "serial:/dev/ttyNONE", None, Output(None, None))
    assert (result.verdict, result.bytes_compared) == ("LINK_ERROR", 0)
    assert "plugged in" in result.message
    assert "all cases: the run ended early" in result.not_covered
    with pytest.raises(BoardError, match="conform and replay only"):
        kernels.run_plan(plan, "mlperf:/dev/ttyNONE", None, Output(None, None))


def test_a_profile_that_there_is_not_is_refused_before_a_device_is_looked_for():
    done = coverify("kernels", "--device", "serial:/dev/ttyNONE", "--profile", "nobodys", "--json", "-")
    assert done.code == 2
    assert "nobodys" in done.result["message"]


def test_an_operator_without_a_grid_is_named_with_those_that_have_one():
    done = coverify("kernels", "--device", "native:", "--op", "CUMSUM")
    assert done.code == 2
    assert "CONV_2D" in done.stdout


def test_a_profile_says_whose_bytes_are_right_and_what_it_refuses_is_not_run():
    """The firmware follows tflm, which a float output stage is not; litert-ref has no SUM."""
    run = ("kernels", "--device", "native:", "--op", "FULLY_CONNECTED", "--op", "SUM", "--limit", 4)
    done = coverify(*run, "--profile", "litert-ref", "--json", "-")
    assert (done.code, done.result["profile"]) == (1, "litert-ref"), done
    assert {row["op"] for row in done.result["kernels"]} == {"FULLY_CONNECTED"}
    assert any("SUM" in line and "refuses" in line for line in done.result["not_covered"])
    assert coverify(*run, "--json", "-").code == 0


def test_an_operator_may_be_written_small():
    done = coverify("kernels", "--device", "native:", "--op", "relu", "--limit", 1, "--json", "-")
    assert (done.code, done.result["kernels"][0]["op"]) == (0, "RELU")
