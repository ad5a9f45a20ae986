"""What can `verify` be asked about? A `.tflite` network under a profile, or a fixed-point network (`.npz`).

Both are an integer program with inputs, classes and tensors; what differs (their files, their input codes,
how an input is shown) is said here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from coverify.clamped import Clamped, Limits, notes_of
from coverify.cli.outcome import plain_text
from coverify.errors import BadInput
from coverify.inputs import Conversion, Wanted, read_all, read_pixels
from coverify.report import ModelRef, Picture
from coverify.report.plain import plural
from coverify.verify.archive import Codes, Kind
from coverify.verify.fixed_point import FixedPointNetwork
from coverify.verify.property.quantity import FloatsIn, FloatsOut, Scale
from coverify.verify.property.subject import Subject
from coverify.verify.query import I64Array
from tflm_int8 import Ends, Model, Reference, UnsupportedModel, sample_shape
from tflm_int8.kernels.quantize import QuantizeFloat
from tflm_int8.model import Quantization, Tensor
from tflm_int8.program.concrete import run
from tflm_int8.program.lowering import lower_joined, lower_reference
from tflm_int8.program.primitives import Program

_BATCH = 256
OUTSIDE_BOXES: Final = "inputs outside the boxes asked about"
BUT_THE_CLASS: Final = "anything but the index of the output's first maximum"
LATER_INVOCATIONS: Final = "invocations other than the first after a reset: the network keeps state"
"""What answers about boxes, classes and networks that keep state do not cover."""


@dataclass(frozen=True, eq=False)
class Samples:
    """x: int8 or int16 [N, *shape], the network's own input codes; y: int64 [N] or None."""

    x: Codes
    y: I64Array | None
    clamped: tuple[Clamped, ...] = ()
    passed: tuple[str, ...] = ()
    """Of a y that is not used."""

    def notes(self, indices: Sequence[int]) -> tuple[str, ...]:
        """How many values of these inputs are clamped, and what is not used."""
        return (*notes_of(self.clamped, indices), *self.passed)


class Network(Protocol):
    """A network that queries are about."""

    @property
    def name(self) -> str: ...
    @property
    def content(self) -> bytes:
        """The bytes of its file."""

    @property
    def kind(self) -> Kind: ...
    @property
    def profile(self) -> str: ...
    @property
    def head(self) -> int | None:
        """Which of its outputs is asked about, where it has several."""

    @property
    def ref(self) -> ModelRef: ...
    @property
    def program(self) -> Program: ...
    def samples(self, path: Path, quantize: bool | None = None, labels: bool = True) -> Samples:
        """The inputs in an .npz file; quantize: are codes made of real numbers? (None: not asked.)

        labels: are they needed, so that a y which holds none is refused?

        Raises BadInput.
        """

    @property
    def subject(self) -> Subject:
        """What properties need to know of it."""

    @property
    def stateful(self) -> bool:
        """Whether it keeps state between invocations; all that is said is of the first one after a reset."""

    def classes(self, x: Codes) -> list[int]:
        """The index of the output's first maximum for every row of x."""

    def outputs(self, x: I64Array) -> I64Array:
        """The flat output for every row of x: int64 [N, n_input] → [N, n_out]."""

    def tensors(self, x: Codes) -> dict[int, NDArray[np.generic]]:
        """What every operator or layer writes for one sample x."""

    def shaped(self, x: Codes) -> Codes:
        """One sample in the shape that a witness stores."""

    def picture(self, x0: Codes, x: Codes) -> Picture | None:
        """A base input and what it was changed into."""


def read_network(
    path: Path, profile: str, classes: bool = True, head: int | None = None, many: bool = False
) -> Network:
    """The network in a file: fixed-point when its name ends in .npz; `classes`: with two outputs at least;
    head: as one of this output tensor, counted from 0, where it has several; many: it may have several
    inputs.

    Raises BadInput, TflmError.
    """
    if path.suffix.lower() == ".npz":
        if profile != "tflm":
            raise BadInput(
                f"--profile {profile}: {path.name} is a fixed-point network, whose file says how it rounds"
            )
        if head:
            raise BadInput(f"--head {head}: {path.name} is a fixed-point network, which has one output")
        network: Network = FixedPoint(FixedPointNetwork.read(path))
    else:
        model = Model.read(path)
        n_in, n_out = len(model.inputs), len(model.outputs)
        if n_out != 1 and head is None:
            how = f"--head N (of verify, distinguish) asks about one of them, 0 to {n_out - 1}"
            ends = f"{plural(n_in, 'input')} and {plural(n_out, 'output')}"
            raise UnsupportedModel(model.name, f"{ends}; {how}")
        if n_in != 1 and not many:
            raise UnsupportedModel(
                model.name, f"{n_in} inputs; one is taken (verify and distinguish take all)"
            )
        network = Tflite(Ends.of(model, profile, head).computed())
    program = network.program
    if classes and program.sizes()[program.output] < 2:
        raise BadInput(
            f"{network.name} has a single output, and so no class that could change. --property FILE asks "
            "whether it stays on its side of a threshold (kind = 'decision'), or within limits or near its "
            "own value (kind = 'output'); --radius with that file, how far it does so (docs/properties.md)"
        )
    return network


def of_one_class(network: Network) -> tuple[str, ...]:
    """What is not said of a network whose output is several rows: the class is that of all their values."""
    if not isinstance(network, Tflite):
        return ()
    model = network.reference.model
    sizes = [size for size in model.tensors[model.outputs[0]].shape if size != 1]
    if len(sizes) < 2:
        return ()
    said = f"the output has {' x '.join(map(str, sizes))} values, and its class is the first maximum of all"
    return (f"the class of each row: {said}",)


def of_one_head(network: Network) -> tuple[str, ...]:
    """What is not said of a network with several outputs."""
    if network.head is None or not isinstance(network, Tflite):
        return ()
    whole = network.ends.whole
    tensor = whole.tensors[whole.outputs[network.head]]
    which = (
        f"output {network.head} of {len(whole.outputs)}, tensor {tensor.index} {plain_text(tensor.name)!r}"
    )
    return (f"the network's other outputs: {which}, is asked about",)


def labels_of(network: Network, data: Samples, label: str) -> list[int]:
    """The labels that the inputs state, or those that the network gives.  Raises BadInput."""
    if label not in ("given", "predicted"):
        raise BadInput(f"--label {label}: given or predicted")
    given = data.y if label == "given" else None
    return network.classes(data.x) if given is None else [int(y) for y in given]


def check_labels(network: Network, path: Path, labels: Sequence[int], indices: Iterable[int]) -> None:
    """BadInput where a label of these inputs is no class of the network."""
    labels_within(path, labels, indices, network.program.sizes()[network.program.output])


def labels_within(path: Path, labels: Sequence[int], indices: Iterable[int], classes: int) -> None:
    """BadInput where a label of these inputs is none of so many classes."""
    for i in indices:
        if not 0 <= labels[i] < classes:
            raise BadInput(
                f"{path}: y of input {i} is {labels[i]}; the network's classes are 0..{classes - 1}"
            )


@dataclass(frozen=True, eq=False)
class Tflite:
    """A .tflite network, its classes and tensors by the reference: of what lies between its ends.

    Of several inputs all values, in their order, are one.
    """

    ends: Ends
    kind: Kind = "tflite"

    @property
    def reference(self) -> Reference:
        return self.ends.reference

    @property
    def name(self) -> str:
        return self.reference.model.name

    @property
    def content(self) -> bytes:
        return self.reference.model.content

    @property
    def profile(self) -> str:
        return self.reference.profile

    @property
    def head(self) -> int | None:
        return self.ends.head if len(self.ends.whole.outputs) > 1 else None

    @property
    def ref(self) -> ModelRef:
        return ModelRef(file=self.name, sha256=self.reference.model.sha256)

    @cached_property
    def program(self) -> Program:
        if len(self.inputs) == 1:
            return lower_reference(self.reference)
        for tensor in (*self.inputs, self.reference.output):
            if tensor.dtype != "int8":
                raise UnsupportedModel(self.name, f"tensor {tensor.index} is {tensor.dtype}; int8 is lowered")
        return lower_joined(self.reference)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        model = self.reference.model
        return tuple(model.tensors[i] for i in model.inputs)

    @property
    def subject(self) -> Subject:
        model = self.reference.model
        alike = all(_quantized(t) == _quantized(self.reference.input) for t in self.inputs)
        shape = sample_shape(self.reference.input) if len(self.inputs) == 1 else (self.reference.n_input,)
        given = FloatsIn if self.ends.takes_floats else Scale
        left = FloatsOut if self.ends.gives_floats else Scale
        ends = (self.reference.input, given), (model.tensors[model.outputs[0]], left)
        first, last = (_scale(end.quantization, kind) for end, kind in ends)
        first = first if alike else None
        own = [128 if self.ends.whole.tensors[i].dtype == "uint8" else 0 for i in self.ends.outer]
        return Subject(self.program, tuple(shape), first, last, (own[0], own[1]))

    @property
    def stateful(self) -> bool:
        return self.reference.stateful

    def samples(self, path: Path, quantize: bool | None = None, labels: bool = True) -> Samples:
        wanted = [
            Wanted("int8", sample_shape(t), _quantized(t), conversion_of(self.ends)) for t in self.inputs
        ]
        data = read_all(path, wanted, quantize, labels)
        x = data.x[0] if len(wanted) == 1 else np.hstack([part.reshape(len(part), -1) for part in data.x])
        return Samples(x, data.y, data.clamped, data.passed)

    def classes(self, x: Codes) -> list[int]:
        outputs = self.reference.run(*self.reference.parted(x.astype(np.int8)), from_reset=True)
        return [int(label) for label in outputs.reshape(len(outputs), -1).argmax(axis=1)]

    def outputs(self, x: I64Array) -> I64Array:
        outputs = self.reference.run(*self.reference.parted(x.astype(np.int8)), from_reset=True)
        return outputs.reshape(len(outputs), -1).astype(np.int64)

    def tensors(self, x: Codes) -> dict[int, NDArray[np.generic]]:
        sample = self.reference.parted(x.astype(np.int8).reshape(1, -1))
        return {t: values[0] for t, values in self.reference.trace(*sample).items()}

    def shaped(self, x: Codes) -> Codes:
        return x.astype(np.int8).reshape(self.reference.input.shape if len(self.inputs) == 1 else -1)

    def picture(self, x0: Codes, x: Codes) -> Picture | None:
        return Picture.of(x0.astype(np.int8), x.astype(np.int8)) if len(self.inputs) == 1 else None


def _quantized(tensor: Tensor) -> tuple[float, int] | None:
    """Scale and zero point, where it has them."""
    found = tensor.quantization
    return None if found is None else (float(found.scale), int(found.zero_point))


def conversion_of(ends: Ends) -> Conversion | None:
    """What a network makes codes of at its input, where that is no int8."""
    if ends.first is None:
        return None
    limits = limits_of(ends.first.kernel)
    return Conversion(ends.whole.tensors[ends.outer[0]].dtype, ends.codes, limits)


def limits_of(kernel: object) -> Limits | None:
    """Which floats have a code, of an operator that makes codes of floats; None of any other."""
    if not isinstance(kernel, QuantizeFloat):
        return None
    codes, scale = np.iinfo(kernel.node.output.dtype), float(kernel.scale)
    least, greatest = (scale * (int(end) - kernel.zero_point) for end in (codes.min, codes.max))
    return Limits(least, greatest, scale)


def _scale(quantization: Quantization | None, kind: type[Scale]) -> Scale | None:
    """The scale of a tensor as a fraction, where it has one."""
    if quantization is None or len(quantization.scales) != 1 or not float(quantization.scale) > 0:
        return None
    return kind(Fraction(float(quantization.scale)), int(quantization.zero_point))


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A fixed-point network; its codes are pixel values, shown as int8 by subtracting 128."""

    network: FixedPointNetwork
    kind: Kind = "npz"

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def content(self) -> bytes:
        return self.network.content

    @property
    def profile(self) -> str:
        return "fixed-point"

    @property
    def head(self) -> int | None:
        return None

    @property
    def ref(self) -> ModelRef:
        return ModelRef(file=self.name, sha256=self.network.sha256)

    @property
    def program(self) -> Program:
        return self.network.program

    @property
    def subject(self) -> Subject:
        unit, last = Scale(Fraction(1), 0), self.network.layers[-1]
        shape = (self.network.n_input,)
        return Subject(self.program, shape, unit, unit, codes=(last.lo, last.hi))

    @property
    def stateful(self) -> bool:
        return False

    def samples(self, path: Path, quantize: bool | None = None, labels: bool = True) -> Samples:
        if quantize:
            raise BadInput(f"--quantize: {self.name} is a fixed-point network, which takes pixel values")
        data = read_pixels(path, self.network.n_input, labels=labels)
        return Samples(data.x, data.y, passed=data.notes)

    def classes(self, x: Codes) -> list[int]:
        flat, labels = x.astype(np.int16).reshape(len(x), -1), []
        for start in range(0, len(flat), _BATCH):
            outputs = run(self.program, flat[start : start + _BATCH])[self.program.output]
            labels += [int(label) for label in outputs.argmax(axis=1)]
        return labels

    def outputs(self, x: I64Array) -> I64Array:
        return run(self.program, x)[self.program.output]

    def tensors(self, x: Codes) -> dict[int, NDArray[np.generic]]:
        wires = run(self.program, x.astype(np.int16).reshape(1, -1))
        return {t: wires[w][0].astype(np.int32) for w, t in self.program.tensors.items() if w}

    def shaped(self, x: Codes) -> Codes:
        return x.astype(np.int16)

    def picture(self, x0: Codes, x: Codes) -> Picture | None:
        return Picture.of((x0 - 128).astype(np.int8), (x - 128).astype(np.int8))
