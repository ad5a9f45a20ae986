"""What a run on a device says that broke, or was interrupted, before its end."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from command import coverify
from coverify.cli.devices import Ending, ending
from coverify.cli.outcome import Interrupted
from coverify.errors import LinkError
from coverify.interrupts import Terminated, exit_code_of
from coverify.report import Result, read_result
from oracle import NETWORKS

MODEL = NETWORKS / "digits_mlp.tflite"


def test_a_mismatch_stands_whatever_breaks_after_it():
    end = Ending(LinkError("it is gone"))
    assert end.verdict("MISMATCH") == "MISMATCH"
    assert end.message("7 of 7 samples differ", True) == "7 of 7 samples differ; then: it is gone"
    for found in ("MATCH", "FLAKY", "UNKNOWN"):
        assert end.verdict(found) == "LINK_ERROR"
    assert end.message("0 of 7 cases differ", False) == "it is gone"
    assert (Ending().verdict("MATCH"), Ending().message("all ran", False)) == ("MATCH", "all ran")


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_an_interrupted_run_that_found_something_hands_it_on_and_is_no_match(stop, code):
    with ending(lambda: True) as end:
        raise stop
    result = Result(verb="conform", verdict=end.verdict("MATCH"), message=end.message(None, False))
    assert (result.verdict, result.message) == ("UNKNOWN", "interrupted")
    with pytest.raises(Interrupted) as raised:
        end.passed_on(result)
    assert raised.value.result is result
    assert exit_code_of(raised.value) == code
    with pytest.raises(stop), ending(lambda: False):
        raise stop


@pytest.mark.parametrize("verb", ["conform", "diagnose"])
def test_ctrl_c_keeps_what_was_compared_in_place_of_an_earlier_match(tmp_path, verb):
    more = ("--oracle", "none") if verb == "conform" else ()
    before = coverify(verb, MODEL, "--device", "native:", "--vectors", 2, "--out", tmp_path, *more)
    assert before.code == 0
    many = 1_000_000 if verb == "conform" else 4096
    arguments = (verb, MODEL, "--device", "native:", "--vectors", many, "--out", tmp_path, *more)
    run = subprocess.Popen(
        [sys.executable, "-m", "coverify", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with run:
        assert run.stdout is not None and run.stderr is not None
        assert any(line.startswith("connected") for line in iter(run.stdout.readline, ""))
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(1.5)
        run.send_signal(signal.SIGINT)
        said, complaint = run.communicate(timeout=60)
    assert run.returncode == 130, complaint
    result = read_result(tmp_path / f"{verb}.json")
    if "of an earlier call" in complaint:  # not a sample was done: a very slow machine
        assert (result.verdict, result.samples) == ("MATCH", 2)
        return
    assert (result.verdict, result.message) == ("UNKNOWN", "interrupted")
    assert result.samples is not None and 0 < result.samples < many
    assert said.startswith("UNKNOWN")
