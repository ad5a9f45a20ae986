"""pytest plugin: test a network on a board.  Does nothing unless --nn-device or --nn-board is given.

    def test_the_board_computes_the_reference(conformance):
        conformance("net.tflite", vectors=100)          # fails with the first differing operator, explained

    @pytest.mark.nn_core("Cortex-M4", "Cortex-M7")      # skipped, with the reason, on other cores
    @pytest.mark.nn_ram(200_000)                        # … and where the arena has fewer bytes
    def test_something_with(device, reference): ...

Fixtures: `device` (a greeted coverify.boards.device.Device, one per session and worker, opened again after a
test that it failed by LinkError or DeviceFault), `reference` (a function: path or Model → Reference),
`conformance`. Under xdist every worker has a board of its own: worker N
the N-th device given; emulated devices are started anew for each. Where something else hands out the boards,
a conftest.py replaces the session's fixture `nn_url` (docs/labs.md). JUnit properties: model, firmware, seed,
and the oracle where one is installed: the reference is then held against it on the same samples, as by
`coverify conform`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coverify.boards.device import Device
    from coverify.conformance.compare import Comparison
    from coverify.report import Oracle
    from tflm_int8 import Model, Reference

_NO_DEVICE = "no device: give --nn-device URL or --nn-board NAME"
_FAILED = pytest.StashKey[bool]()
_EXPLAINED = 8
"""Samples that are run again for the explanation of a mismatch."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("coverify", "neural networks on boards")
    for flag, what in (
        ("--nn-device", "device URL (see: coverify boards)"),
        ("--nn-board", "board file or name"),
    ):
        group.addoption(
            flag,
            action="append",
            default=[],
            dest="nn_devices",
            metavar="DEVICE",
            help=f"{what}; repeat it for several pytest-xdist workers",
        )
    group.addoption("--nn-seed", type=int, default=0, help="seed of the generated inputs")


def pytest_configure(config: pytest.Config) -> None:
    """The markers."""
    config.addinivalue_line(
        "markers", "nn_core(*cores): skip unless the device's core starts with one of these"
    )
    config.addinivalue_line("markers", "nn_ram(n_bytes): skip unless the device's arena has so many bytes")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The devices; nothing when none was given."""
    urls = config.getoption("nn_devices")
    return [f"coverify: {', '.join(urls)}; seed {config.getoption('nn_seed')}"] if urls else []


def _url_of(config: pytest.Config) -> str:
    """The device of this process; skips where there is none for it."""
    from coverify.boards.catalog import resolve

    urls: list[str] = config.getoption("nn_devices")
    if not urls:
        pytest.skip(_NO_DEVICE)
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0")
    number = int(worker.removeprefix("gw"))
    if number < len(urls):
        return urls[number]
    emulated = [url for url in urls if resolve(url).emulated]
    if not emulated:
        pytest.skip(f"no board left for worker {worker}: {len(urls)} given")
    return emulated[number % len(emulated)]


class Bench:
    """The device of this process: opened when first needed, and again after it has failed a test."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._device: Device | None = None
        self._absent: Exception | None = None

    def device(self) -> Device:
        """The open device; what opening it raised the first time is raised again, not waited for again."""
        from coverify.boards.device import open_device

        if self._absent is not None:
            raise self._absent.with_traceback(None)  # else it grows by every test that meets it
        if self._device is None:
            try:
                self._device = open_device(self._url)
            except Exception as error:
                self._absent = error
                raise
        return self._device

    def close(self) -> None:
        """Let it go; `device` opens it anew."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


@pytest.fixture(scope="session")
def nn_url(request: pytest.FixtureRequest) -> str:
    """The device's URL, from --nn-device or --nn-board; yours replaces it in a conftest.py."""
    return _url_of(request.config)


@pytest.fixture(scope="session")
def _nn_bench(nn_url: str) -> Iterator[Bench]:
    bench = Bench(nn_url)
    yield bench
    bench.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Note that the device has failed the test: the line is not to be trusted by the next one."""
    if call.excinfo is not None and "coverify.errors" in sys.modules:  # else no device was ever opened
        from coverify.errors import DeviceFault, LinkError

        error = call.excinfo.value  # a mismatch has what came after it as its cause
        lost = any(isinstance(e, (LinkError, DeviceFault)) for e in (error, error.__cause__))
        item.stash[_FAILED] = item.stash.get(_FAILED, False) or lost
    yield


@pytest.fixture
def _nn_device(request: pytest.FixtureRequest, _nn_bench: Bench) -> Iterator[Device]:
    """The device, open; after a test that lost it (LinkError, DeviceFault) the next test gets it anew."""
    yield _nn_bench.device()
    if request.node.stash.get(_FAILED, False):
        _nn_bench.close()


@pytest.fixture
def device(_nn_device: Device) -> Device:
    """The device under test, open and greeted."""
    return _nn_device


@pytest.fixture(autouse=True)
def _nn_fits(request: pytest.FixtureRequest) -> None:
    """Skips a test whose markers the device does not meet; asks for the device only if there are markers."""
    cores = [c for mark in request.node.iter_markers("nn_core") for c in mark.args]
    ram = [n for mark in request.node.iter_markers("nn_ram") for n in mark.args]
    if not cores and not ram:
        return
    hello = request.getfixturevalue("_nn_device").hello
    if cores and not hello.core.startswith(tuple(cores)):
        pytest.skip(f"needs {' or '.join(cores)}; this device is a {hello.core}")
    if ram and hello.arena_capacity < max(ram):
        pytest.skip(f"needs {max(ram)} bytes of arena; this device has {hello.arena_capacity}")


@pytest.fixture
def reference() -> Callable[[Any], Reference]:
    """reference(path or Model) → the exact reference of the network."""
    return _reference


def _reference(model: Model | Path | str) -> Reference:
    from tflm_int8 import Model, Reference

    return Reference(model if isinstance(model, Model) else Model.read(model))


@dataclasses.dataclass(frozen=True)
class Conformance:
    """Compares the device with the reference; call it with a network."""

    device: Device
    seed: int
    properties: list[tuple[str, object]]

    def __call__(
        self, model: Model | Path | str, x: Any = None, vectors: int = 32, seed: int | None = None
    ) -> Comparison:
        """Every byte of every tensor; fails the test unless all are equal.

        x: [N, sample shape] in the input's type (several inputs: a list of them), or None for `vectors`
        generated samples. Raises LinkError, DeviceFault, … unless some sample differed before; CoverifyError
        where the reference is not the oracle.
        """
        __tracebackhide__ = True
        from coverify.conformance.batch import Batch
        from coverify.conformance.compare import Comparison, compare
        from coverify.conformance.ranges import check_inputs, vectors_of
        from coverify.conformance.sequences import Sequences, default_length
        from coverify.conformance.stepping import Stepper
        from coverify.conformance.vectors import Samples
        from coverify.errors import DeviceFault, DeviceRefused, LinkError

        expected = _reference(model)
        check_inputs(expected.model)
        used = self.seed if seed is None else seed
        x = vectors_of(expected, vectors, used).batch if x is None else Batch.of(x)
        self._record(expected, used, _checked_by(expected, x))
        comparison = Comparison(expected.model)
        try:
            stepper = Stepper(self.device.client, expected.model)
            if expected.stateful:
                length = default_length(expected)
                Sequences(comparison, expected, stepper, Samples(x, len(x)), length).compare()
            else:
                compare(comparison, expected, stepper, x)
            explained = _explained(comparison, expected, stepper, x)
        except (LinkError, DeviceFault, DeviceRefused) as error:
            if not comparison.mismatches:
                if isinstance(error, DeviceRefused):  # it says all: where in the link it came up helps nobody
                    raise error.with_traceback(None) from None
                raise
            said = "\n".join((*_said(comparison), f"then: {error}"))
            raise pytest.fail.Exception(said, pytrace=False) from error
        if comparison.verdict != "MATCH":
            pytest.fail("\n".join((*_said(comparison), *explained)), pytrace=False)
        return comparison

    def _record(self, expected: Reference, seed: int, oracle: Oracle | None) -> None:
        """What was tested, for JUnit.  oracle: what the reference was held against."""
        hello = self.device.hello
        self.properties.extend(
            [
                ("nn_model", expected.model.name),
                ("nn_model_sha256", expected.model.sha256),
                ("nn_device", self.device.board.url),
                ("nn_core", hello.core),
                ("nn_firmware", hello.build_id),
                ("nn_engine", hello.engine),
                ("nn_profile", expected.profile),
                ("nn_seed", seed),
            ]
        )
        if oracle is not None:
            self.properties.append(("nn_oracle", f"{oracle.name} {oracle.version or ''}".strip()))


def _checked_by(expected: Reference, x: Any) -> Oracle | None:
    """What the reference was held against on these samples; None where there is nothing, or it refuses.

    Raises CoverifyError where the two differ.
    """
    from coverify.conformance.cross_check import cross_check
    from coverify.conformance.oracles import OF_PROFILE, OracleError, available

    name = OF_PROFILE.get(expected.profile)
    if name is None or not available(name):
        return None
    try:
        return cross_check(expected, name, x)
    except OracleError as error:
        sys.stdout.write(f"not checked: {error}\n")  # pytest shows it where the test fails
        return None


def _said(comparison: Comparison) -> list[str]:
    """The verdict, and the first difference."""
    if not comparison.mismatches:
        return [f"{comparison.verdict}: nothing was compared"]
    first = comparison.mismatches[0]
    return [
        f"{comparison.verdict}: {comparison.differing_samples} of {comparison.samples} samples differ",
        f"first at op {first.op_index} {first.op}, tensor {first.tensor}, element {list(first.element)} of "
        f"sample {first.sample}: expected {first.expected}, the device has {first.got}",
    ]


def _explained(comparison: Comparison, expected: Reference, stepper: Any, x: Any) -> list[str]:
    """The variants that explain a mismatch. Some samples are run again for it."""
    from coverify.conformance.diagnosis.explain import diagnose
    from coverify.conformance.sequences import default_length

    if comparison.verdict != "MISMATCH":
        return []
    first = comparison.mismatches[0]
    length = default_length(expected) if expected.stateful else None
    if length is None:
        wrong = x[[m.sample for m in comparison.mismatches[:_EXPLAINED]]]
        traces = [stepper.trace(one) for one in wrong]
    else:
        wrong = x[: (first.sample // length + 1) * length]  # all sequences to the first that differs
        parts = [wrong[i : i + length] for i in range(0, len(wrong), length)]
        traces = [trace for part in parts for trace in stepper.traces(part)]
    said = []
    for found in diagnose(expected, wrong, traces, length=length):
        names = ", ".join(e.name for e in found.explained_by) or "no known variant"
        said.append(f"op {found.op_index} {found.op}: explained by {names}")
    return said


@pytest.fixture
def conformance(_nn_device: Device, request: pytest.FixtureRequest) -> Conformance:
    """conformance(model, x=None, vectors=32): fails unless the device computes the reference."""
    return Conformance(_nn_device, request.config.getoption("nn_seed"), request.node.user_properties)
