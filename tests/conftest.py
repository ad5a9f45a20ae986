"""Which tests are left to `make test`: whole suites that start devices, solvers or thousands of models."""

from __future__ import annotations

import pytest

from oracle import ROOT

SLOW = (
    "tests/device_harness/",
    "tests/fuzz/",
    "tests/host/boards/",
    "tests/host/cli/",
    "tests/host/verify/test_engines.py",
    "tests/host/verify/test_engines_on_every_operator.py",
    "tests/firmware_models/tflm_int8/test_reference_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_elementwise_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_movement_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_staircase.py",
    "tests/firmware_models/tflm_int8/program/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
