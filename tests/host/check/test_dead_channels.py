"""A channel whose weights are near 0 has a tiny scale, and a bias near 2³⁰: does a certificate bear it?"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from coverify.check import check
from coverify.verify.certificate import Certificate
from coverify.verify.deadline import Deadline
from coverify.verify.engines import solve
from coverify.verify.problem import Problem
from coverify.verify.query import Robustness, Verdict
from oracle import NETWORKS, shared
from tflm_int8 import Model, lower


def test_the_proof_of_a_network_with_a_dead_channel_is_accepted(tmp_path: Path) -> None:
    model = Model.read(NETWORKS / "mnist_mlp_100_100.tflite")
    program = lower(model)
    assert max(int(np.abs(step.bias).max()) for step in program.steps if hasattr(step, "bias")) > 2**26
    raw = gzip.decompress(shared("mnist/mnist-t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    image = np.frombuffer(raw, np.uint8).reshape(-1, 784)[4].astype(np.int16) - 128
    query = Robustness.around(image, 4, 8)
    outcome = solve("bab", Problem(program, query), Deadline.in_s(120))
    assert outcome.verdict is Verdict.HOLDS
    assert outcome.argument is not None
    path = tmp_path / "certificate.zip"
    Certificate(model.content, "tflm", query, outcome.argument, "bab").write(path)
    assert check(path).label == 4
