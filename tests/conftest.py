"""Which tests are left to `make test`: whole suites that start devices, solvers or thousands of models.

Byte code is kept whatever the environment says: hundreds of tests start the command line, which would compile
all of its modules each time (1.3 s of 2.2 s).

Tests send SIGINT to processes that they start. These inherit that it is ignored where a script has started
the run in the background, and would never end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys

import pytest

from made_once import made_once
from oracle import ROOT

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = (
    "tests/device_harness/",
    "tests/fuzz/",
    "tests/host/boards/",
    "tests/host/campaign/test_cluster.py",
    "tests/host/check/",
    "tests/host/cli/",
    "tests/host/conformance/",
    "tests/host/link/test_faults.py",
    "tests/host/test_pytest_plugin.py",
    "tests/host/verify/equivalence/",
    "tests/host/verify/linear/",
    "tests/host/verify/smt/",
    "tests/host/verify/test_against_tflm_brute_force.py",
    "tests/host/verify/test_engines.py",
    "tests/host/verify/test_engines_on_every_operator.py",
    "tests/host/verify/test_fixed_point.py",
    "tests/host/verify/test_race.py",
    "tests/host/verify/test_solvers.py",
    "tests/firmware_models/tflm_int8/test_elementwise_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_fast_paths.py",
    "tests/firmware_models/tflm_int8/test_movement_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_operands_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_profiles_against_runtimes.py",
    "tests/firmware_models/tflm_int8/test_reference_against_tflm.py",
    "tests/firmware_models/tflm_int8/test_staircase.py",
    "tests/firmware_models/tflm_int8/test_state_against_tflm.py",
    "tests/firmware_models/tflm_int8/program/",
    "tests/host/verify/property/test_ranking.py",
    "tests/host/verify/property/test_softmax.py",
)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """Builds firmware with a defect (mutants.py)."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    from mutants import Workshop

    return Workshop(made_once(tmp_path_factory, "objects", Workshop.prepare))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(ROOT).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
