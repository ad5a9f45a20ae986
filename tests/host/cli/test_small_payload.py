"""Firmware with frames of 256 bytes, as on a board with little RAM: what one answer does not hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from command import coverify
from model_builder import Builder
from mutants import HARNESS, KERNELS


@pytest.fixture(scope="module")
def device(tmp_path_factory) -> str:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    program = tmp_path_factory.mktemp("small") / "coverify-native"
    folders = [HARNESS / name for name in ("agent", KERNELS, "ports/native")]
    command = ["gcc", "-std=c99", "-O1", "-DCV_MAX_PAYLOAD=256u", "-DCV_WINDOW=2u", '-DCV_BUILD_ID="small"']
    command += [f"-I{folder}" for folder in folders]
    sources = [str(source) for folder in folders for source in sorted(folder.glob("*.c"))]
    subprocess.run([*command, *sources, "-o", str(program)], check=True, timeout=300)
    return f"native:@{program}"


@pytest.mark.parametrize("n", [13, 14, 16])
def test_an_operator_whose_digests_no_answer_holds_is_compared_byte_by_byte(device, tmp_path, n):
    b = Builder()
    x = b.input((1, n, 4), 0.05, -5)
    parts = [b.like(x, (1, 4)) for _ in range(n)]
    b.op("UNPACK", [x], parts, 64, Num=n, Axis=1)
    path: Path = tmp_path / "parts.tflite"
    path.write_bytes(b.finish(b.add(parts[0], parts[-1], 0.1, 3)))
    done = coverify("conform", path, "--device", device, "--vectors", 4, "--oracle", "none", "--json", "-")
    assert (done.code, done.result["verdict"], done.result["samples"]) == (0, "MATCH", 4), done
    assert done.result["bytes_compared"] == 4 * 4 * (n + 1)


@pytest.mark.parametrize("n", [14, 15])
def test_inputs_and_outputs_that_no_answer_names_are_refused_when_the_network_is_loaded(device, tmp_path, n):
    b = Builder()
    inputs = [b.input((1, 4), 0.05, -5) for _ in range(n)]
    path: Path = tmp_path / "ends.tflite"
    path.write_bytes(b.finish(*(b.op("RELU", [x], b.like(x, (1, 4))) for x in inputs)))
    done = coverify("conform", path, "--device", device, "--vectors", 4, "--oracle", "none", "--json", "-")
    if n == 14:
        assert (done.code, done.result["verdict"]) == (0, "MATCH"), done
    else:
        assert (done.code, done.result["verdict"]) == (2, "UNSUPPORTED"), done
        assert "an answer holds fewer inputs and outputs" in done.result["message"]
