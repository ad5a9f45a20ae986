"""The pytest plugin, in sessions of their own: inert without a device, a mismatch fails and is explained."""

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

import mixed_inputs
from coverify.boards.native import NativeProcess
from coverify.link.deadline import Deadline
from mutants import MUTANTS, layers
from oracle import NETWORKS
from tflm_int8 import Model

pytest_plugins = "pytester"

CNN = NETWORKS / "digits_cnn.tflite"
CONFORMS = f"""
    def test_conforms(conformance):
        assert conformance({str(CNN)!r}, vectors=3).samples == 3
"""


@pytest.fixture
def session(pytester):
    """session(source, *options) → the result of pytest on a file of that source."""

    def run(source: str, *options: str):
        pytester.makepyfile(source)
        return pytester.runpytest_subprocess("-p", "coverify.pytest_plugin", "-rs", *options)

    return run


def test_without_a_device_every_other_test_runs_and_those_on_boards_are_skipped_with_the_reason(session):
    result = session(CONFORMS + "\n    def test_other():\n        pass\n")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*no device: give --nn-device URL or --nn-board NAME*"])
    assert "coverify:" not in result.stdout.str()


def test_without_a_device_nothing_of_coverify_is_imported(session):
    result = session("""
        import sys

        def test_nothing():
            assert "coverify.pytest_plugin" in sys.modules
            assert not [m for m in sys.modules if m.startswith(("coverify.link", "tflm_int8"))]
    """)
    result.assert_outcomes(passed=1)


def test_a_network_conforms_and_the_junit_file_says_what_was_tested(session, pytester):
    result = session(CONFORMS, "--nn-device", "native:", "--nn-seed", "5", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["coverify: native:; seed 5"])
    case = ET.parse(pytester.path / "junit.xml").getroot().find(".//testcase")
    said = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert said["nn_model_sha256"] == Model.read(CNN).sha256
    assert said["nn_seed"] == "5"
    assert len(said["nn_firmware"]) == 16
    assert said["nn_oracle"].startswith("tflite-micro")


def test_without_an_interpreter_no_oracle_is_named(session, pytester):
    """As on a machine where tflite-micro is not installed."""
    pytester.makeconftest("""
        from coverify.conformance import oracles

        oracles.PACKAGES["tflm"] = oracles.OraclePackage("no_such_package", "no-such-package", "oracle", "")
    """)
    result = session(CONFORMS, "--nn-device", "native:", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=1)
    case = ET.parse(pytester.path / "junit.xml").getroot().find(".//testcase")
    assert "nn_seed" in (said := {p.get("name") for p in case.iter("property")})
    assert "nn_oracle" not in said


def test_the_oracle_that_is_named_has_run_on_the_samples(session, tmp_path):
    result = session(f"""
        from coverify.conformance.oracles import Oracle

        def test_conforms(conformance, monkeypatch):
            seen, right = [], Oracle.trace

            def trace(oracle, x):
                seen.append(len(x))
                return right(oracle, x)

            monkeypatch.setattr(Oracle, "trace", trace)
            conformance({str(CNN)!r}, vectors=3)
            assert seen == [3]
            conformance({str(CNN)!r}, vectors=2)
            assert seen == [3, 2]
    """, "--nn-device", "native:")  # fmt: skip
    result.assert_outcomes(passed=1)


def test_a_board_that_is_not_there_is_told_to_every_test_in_as_many_lines(session, tmp_path):
    source = """
        import pytest

        @pytest.mark.parametrize("i", range(6))
        def test_board(device, i):
            pass
    """
    result = session(source, "--nn-device", f"serial:{tmp_path}/none", "--tb", "short")
    result.assert_outcomes(errors=6)
    lines = [line.strip() for line in result.outlines]
    starts = [k for k, line in enumerate(lines) if "ERROR at setup of" in line]
    lengths = [end - start for start, end in pairwise(starts)]
    assert len(lengths) == 5 and max(lengths) == lengths[0]


def test_a_network_that_the_device_refuses_is_told_without_the_way_through_the_link(session, tmp_path):
    source = f"""
        from coverify.conformance import stepping
        from coverify.errors import DeviceRefused

        def deep(n):
            if n:
                return deep(n - 1)
            raise DeviceRefused("LOAD", 5, "NO_ARENA", 1, 3, "it needs 9 bytes more")

        def test_refused(conformance, monkeypatch):
            monkeypatch.setattr(stepping, "Stepper", lambda *_: deep(9))
            conformance({str(CNN)!r}, vectors=2)
    """
    result = session(source, "--nn-device", "native:")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the device refused LOAD: NO_ARENA*it needs 9 bytes more*"])
    assert "in deep" not in result.stdout.str() and "return deep" not in result.stdout.str()
    assert "comparison = Comparison" not in result.stdout.str()


def test_a_network_with_several_inputs_takes_generated_samples_or_a_list_of_arrays(session, tmp_path):
    (tmp_path / "sum.tflite").write_bytes(mixed_inputs.added("int8"))
    source = f"""
        import numpy as np

        def test_conforms(conformance):
            model = {str(tmp_path / "sum.tflite")!r}
            assert conformance(model, vectors=5).samples == 5
            x0, x1 = np.zeros((3, 4), np.int8), np.ones((3, 1, 4), np.int8)
            assert conformance(model, [x0, x1]).samples == 3
    """
    session(source, "--nn-device", "native:").assert_outcomes(passed=1)


def test_a_mismatch_fails_and_names_operator_and_variant(session, workshop, tmp_path):
    mutant = next(m for m in MUTANTS if m.variant == "filter-flipped")
    (tmp_path / "layers.tflite").write_bytes(layers())
    process = NativeProcess(workshop.build(mutant, tmp_path / "build"), Deadline.in_s(20))
    source = CONFORMS.replace(str(CNN), str(tmp_path / "layers.tflite"))
    try:
        result = session(source, "--nn-device", f"serial:{process.line_url}")
    finally:
        process.end()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*MISMATCH: * of 3 samples differ*", "*DEPTHWISE_CONV_2D: explained by*filter-flipped*"]
    )


@pytest.mark.parametrize("traces", [5, 6], ids=["in the comparison", "in the explanation"])
def test_a_mismatch_is_told_though_the_device_is_lost_after_it(session, traces):
    result = session(
        f"""
        import pytest
        from coverify.conformance.stepping import Stepper
        from coverify.errors import LinkError

        seen = []

        @pytest.fixture
        def losing(monkeypatch):
            right, left = Stepper.trace, list(range({traces}))

            def trace(stepper, *args):
                if not left:
                    raise LinkError("pulled out")
                left.pop()
                return {{t: v ^ 1 for t, v in right(stepper, *args).items()}}

            monkeypatch.setattr(Stepper, "trace", trace)

        def test_wrong_and_lost(device, losing, conformance):
            seen.append(device)
            conformance({str(CNN)!r}, vectors=3)

        def test_has_another(device):
            assert device is not seen[0]
        """,
        "--nn-device",
        "native:",
    )
    result.assert_outcomes(passed=1, failed=1)
    differ = traces // 2
    result.stdout.fnmatch_lines([
        f"*MISMATCH: {differ} of {differ} samples differ*", "*first at op 0 *", "*then: pulled out*",
    ])  # fmt: skip


def test_markers_skip_by_core_and_by_ram_with_the_reason(session):
    result = session(
        """
        import pytest

        @pytest.mark.nn_core("Cortex-M4", "Cortex-M7")
        def test_core(device):
            raise AssertionError

        @pytest.mark.nn_ram(1 << 40)
        def test_ram():
            raise AssertionError

        @pytest.mark.nn_ram(1000)
        def test_fits(device, reference):
            assert device.hello.arena_capacity >= 1000
        """,
        "--nn-device",
        "native:",
        "--strict-markers",
    )
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["*needs Cortex-M4 or Cortex-M7; this device is a *", "*needs 1099511627776 bytes of arena; *"],
    )


def test_a_device_that_is_lost_in_one_test_is_there_again_for_the_next(session):
    """The emulated device is killed in the middle; pytest's fixtures of a session would keep it dead."""
    result = session(
        f"""
        seen = []

        def test_first(device):
            seen.append(device)

        def test_same(device):
            assert seen == [device]
            device._session.close()  # ends the process and its line
            device.client.hello()

        def test_anew(device, conformance):
            assert device not in seen
            conformance({str(CNN)!r}, vectors=2)

        def test_a_plain_failure_keeps_it(device):
            seen.append(device)
            assert False

        def test_kept(device):
            assert device is seen[-1]
        """,
        "--nn-device",
        "native:",
    )
    result.assert_outcomes(passed=3, failed=2)


def test_every_worker_has_a_board_of_its_own(session):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    source = """
        import pytest

        @pytest.mark.parametrize("i", range(8))
        def test_board(device, worker_id, i):
            assert device.board.url == "native:"
            assert worker_id in ("gw0", "gw1")
    """
    result = session(source, "-n", "2", "--nn-device", "native:")
    result.assert_outcomes(passed=8)


def test_a_second_worker_without_a_board_says_so(session):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    result = session("""
        import pytest
        from coverify.pytest_plugin import _url_of

        @pytest.mark.parametrize("i", range(8))
        def test_url(request, worker_id, i):
            assert _url_of(request.config) == "serial:/dev/ttyS77"
            assert worker_id == "gw0"
    """, "-n", "2", "--dist", "each", "--nn-device", "serial:/dev/ttyS77")  # fmt: skip
    result.assert_outcomes(passed=8, skipped=8)
    result.stdout.fnmatch_lines(["*no board left for worker gw1: 1 given*"])


def test_a_conftest_may_say_where_the_device_is_and_a_lost_one_is_opened_again(session, pytester):
    pytester.makeconftest("""
        import pytest

        @pytest.fixture(scope="session")
        def nn_url():
            return "native:"
    """)
    result = session(CONFORMS + """
    from coverify.errors import LinkError

    seen = []

    def test_loses_it(device):
        seen.append(device)
        raise LinkError("pulled out", "pulled out")

    def test_has_another(device):
        assert device is not seen[0]
    """)  # fmt: skip
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*LinkError*"])
