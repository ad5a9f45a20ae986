"""The C frame decoder and session under any bytes: no crash under ASan and UBSan, every answer a whole frame.

The long form is `make fuzz`: libFuzzer where clang is installed, else more seeds of the same generator.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from oracle import NETWORKS, ROOT

ENVIRONMENT = {**os.environ, "COVERIFY_FUZZ_MODEL": str(NETWORKS / "digits_mlp.tflite")}


def test_the_session_survives_generated_requests_and_answers_each_as_protocol_h_says(driver):
    count = int(os.environ.get("COVERIFY_FUZZ_SESSIONS", "700"))
    done = subprocess.run(
        [driver("fuzz_session.c"), "0", str(count)],
        env=ENVIRONMENT, capture_output=True, timeout=60 + count, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-3000:]
    answers = int(done.stdout.split()[0])
    assert answers > 10 * count, "most requests are well framed, and each of them is answered"


def test_libfuzzer_finds_nothing_in_the_session_in_a_short_run(tmp_path):
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    done = subprocess.run(
        ["make", "-s", "-C", str(ROOT / "tests/device_harness"), "-f", "fuzz.mk", f"BUILD={tmp_path}",
         "SECONDS=3"],
        env=ENVIRONMENT, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode(errors="replace")
    if "libclang_rt.fuzzer" in said:
        pytest.skip("clang has no libFuzzer here (Debian: libclang-rt-dev)")
    assert done.returncode == 0, said[-3000:]
