"""What every study is told (networks, inputs, widths, engine, device), made into networks and data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from coverify.cli.campaign import How, Work, carry_out
from coverify.cli.devices import check_device
from coverify.cli.network import check_labels, labels_within
from coverify.cli.outcome import Interrupted, Output
from coverify.cli.samples import parse_indices
from coverify.cli.study.networks import (
    Width,
    check_classes,
    float_network,
    given,
    quantized,
    single_float,
    taken_by_all,
)
from coverify.errors import BadInput
from coverify.inputs import Pixels, read_pixels
from coverify.report import ModelRef, Result, write_result
from coverify.report.plain import plural
from coverify.study.float_network import FloatNetwork
from coverify.verify.engines import engine_named
from coverify.verify.query import I64Array
from coverify.verify.worker import AUTO


@dataclass(frozen=True)
class Options:
    """The options of all studies."""

    models: Sequence[Path]
    inputs: Path
    bits: str
    scheme: str
    index: str | None
    calibration: Path | None
    input_range: str
    engine: str
    timeout_s: float
    jobs: int
    seed: int
    device: str | None
    fresh: bool

    def folder(self, output: Output) -> Path:
        """The folder of the study, made if missing.  Raises BadInput."""
        if output.out is None:
            raise BadInput("--out DIR is needed: a study is several networks and what was found about them")
        output.out.mkdir(parents=True, exist_ok=True)
        return output.out

    @property
    def goes_on(self) -> str:
        """What is said where a study is interrupted."""
        return f"the same command{' without --fresh' if self.fresh else ''} goes on from here"

    def original(self, network: FloatNetwork | None) -> ModelRef | None:
        """The float network as a result names it."""
        if network is None:
            return None
        digest = hashlib.sha256(self.models[0].read_bytes()).hexdigest()
        return ModelRef(file=network.name, sha256=digest)


@dataclass(frozen=True)
class RobustnessOptions(Options):
    """eps: the radius of the boxes around inputs, at all widths."""

    eps: int


@dataclass(frozen=True, eq=False)
class Data:
    """pixels: int64 [N, n_input]; labels: int64 [N]; indices: those that are asked about."""

    pixels: I64Array
    labels: I64Array
    indices: list[int]

    @property
    def digest(self) -> str:
        """SHA-256 of pixels and labels."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()


@dataclass(frozen=True, eq=False)
class Networks:
    """original: the float one where there is one; widths: the quantized ones; missing: why some are none."""

    original: FloatNetwork | None
    widths: list[Width]
    missing: Sequence[str] = ()

    @property
    def said(self) -> str:
        """For the end of a message."""
        return f"; {plural(len(self.missing), 'network')} cannot be made" if self.missing else ""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a study starts from: its options, the inputs, the networks."""

    options: Options
    data: Data
    networks: Networks

    @property
    def original(self) -> ModelRef | None:
        """The float network as a result names it."""
        return self.options.original(self.networks.original)

    @property
    def original_right(self) -> int | None:
        """How many of the float network's classes are right; None where there is no such network."""
        network, data = self.networks.original, self.data
        return None if network is None else int((network.classes(data.pixels) == data.labels).sum())


def prepared(options: Options, out: Path, output: Output) -> Prepared:
    """The inputs and the networks, once the device has answered.

    Raises BadInput and what the link and the device raise.
    """
    if options.engine != AUTO:
        engine_named(options.engine)
    if options.device is not None:
        check_device(options.device, output, foreign=True)
    if single_float(options.models):
        return _made(options, out)
    widths = given(options.models)
    data = _data(options, taken_by_all(options.inputs, widths))
    labels = data.labels.tolist()
    for width in widths:
        check_labels(width.network, options.inputs, labels, range(len(labels)))
    return Prepared(options, data, Networks(None, widths))


def _made(options: Options, out: Path) -> Prepared:
    """The networks of all widths of a float one, written to `out`.  Raises BadInput."""
    as_read = FloatNetwork.read(options.models[0])
    check_classes(options.models[0].name, as_read.n_output)
    n_input = as_read.n_input
    pixels = read_pixels(options.inputs, n_input, codes=True)
    data = _data(options, pixels)
    network = float_network(options.models[0], pixels, options.input_range)
    labels_within(options.inputs, data.labels.tolist(), range(len(data.labels)), network.n_output)
    codes = data.pixels
    if options.calibration is not None:
        calibration = read_pixels(options.calibration, n_input, codes=True)
        codes = calibration.x.reshape(-1, n_input).astype(np.int64)
    made = quantized(network, codes, options.bits, options.scheme, out / "networks", options.fresh)
    return Prepared(options, data, Networks(network, *made))


def _data(options: Options, pixels: Pixels) -> Data:
    """The inputs with their labels.  Raises BadInput where there are none, or for an --index that is none."""
    if pixels.y is None:
        raise BadInput(f"{options.inputs}: there are no labels y, without which there is no accuracy")
    flat = pixels.x.reshape(len(pixels.x), -1).astype(np.int64)
    return Data(flat, pixels.y, parse_indices(options.index, len(flat)))


def decided(work: Work, how: How, folder: Path) -> Result:
    """The result of one network's queries, kept in its folder, also where Ctrl-C ends them.

    Raises KeyboardInterrupt: what is known of one network is not the study's result.
    """
    try:
        result = carry_out(work, how, Output(None, folder))
    except Interrupted as stop:
        write_result(folder, stop.result)
        raise KeyboardInterrupt from None
    write_result(folder, result)
    return result
