"""Lets the tests of this folder import scripted_device, and ends the devices that they made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scripted_device import Script, ScriptedDevice


@pytest.fixture
def device_of() -> Iterator[Callable[[Script], ScriptedDevice]]:
    """Makes scripted devices and ends them after the test."""
    made: list[ScriptedDevice] = []

    def make(script: Script) -> ScriptedDevice:
        made.append(ScriptedDevice(script))
        return made[-1]

    yield make
    for device in made:
        device.close()
