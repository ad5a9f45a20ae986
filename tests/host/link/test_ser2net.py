"""socket:// and rfc2217:// through ser2net, with the firmware behind it on a pseudo-terminal."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from coverify.boards import build
from coverify.boards.device import open_device
from coverify.boards.native import NativeProcess
from coverify.conformance.compare import Comparison, compare, compare_digests
from coverify.conformance.stepping import Stepper
from coverify.conformance.vectors import Samples
from coverify.link.deadline import Deadline
from oracle import NETWORKS
from tflm_int8 import Model, Reference

SER2NET = shutil.which("ser2net") or shutil.which("ser2net", path="/usr/sbin:/usr/local/sbin")
ACCEPTERS = {"socket": "tcp", "rfc2217": "telnet(rfc2217),tcp"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SER2NET is None, reason="ser2net is not installed (Debian: apt-get install ser2net)"),
]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(params=ACCEPTERS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    for tool in ("make", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    device = NativeProcess(build.build(build.NATIVE), Deadline.in_s(20))
    port = free_port()
    config = tmp_path / "ser2net.yaml"
    config.write_text(
        f"connection: &con\n  accepter: {ACCEPTERS[request.param]},127.0.0.1,{port}\n"
        f"  connector: serialdev,{device.line_url},115200n81,local\n"
    )
    with subprocess.Popen([str(SER2NET), "-n", "-c", str(config), "-P", str(tmp_path / "pid")]) as server:
        try:
            deadline = Deadline.in_s(20)
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert not deadline.passed, "ser2net does not listen"
            yield f"{request.param}://127.0.0.1:{port}"
        finally:
            server.kill()
            device.end()


def test_a_comparison_through_ser2net_is_the_same_in_digests_and_in_full(url: str) -> None:
    model = Model.read(NETWORKS / "digits_cnn.tflite")
    reference = Reference(model)
    x = np.load(NETWORKS / "digits_cnn.npz", allow_pickle=False)["x"][:5]
    with open_device(url) as device:
        stepper = Stepper(device.client, model)
        for full in (False, True):
            comparison = Comparison(model)
            if full:
                compare(comparison, reference, stepper, x)
            else:
                compare_digests(comparison, reference, stepper, Samples(x, len(x)))
            assert (comparison.verdict, comparison.samples) == ("MATCH", 5)
