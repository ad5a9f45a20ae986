"""A profile is held to a device on a model of every generator: scalars and variables, too."""

import pytest

from coverify.boards.device import open_device
from fuzz.on_device import Counts, hold
from one_op import CASES_OF


@pytest.fixture(scope="module")
def device():
    with open_device("native:") as device:
        yield device


@pytest.mark.parametrize("operator", sorted(CASES_OF))
def test_our_firmware_follows_tflm_or_refuses_the_model(operator, device):
    counts = Counts()
    for case in CASES_OF[operator]:
        assert hold(operator, case, 0, "tflm", device.client, counts) is None
