"""Compare firmware of others at its outputs, where it speaks MLPerf Tiny's serial commands.

It prints probabilities with three digits. Where the output's scale is 1/256 and its zero point −128 they tell
the int8 output uniquely: neighbours are 0.0039 apart. Nothing between input and output can be seen.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Array, Sample, data_of, sample_of
from coverify.conformance.stepping import Tensors
from coverify.errors import BadAnswer, BadInput
from coverify.link.mlperf_tiny import MlperfTiny
from tflm_int8 import Model, UnsupportedModel

#: networks whose inputs are pixels: uint8, from which the device subtracts 128
IMAGES = ("ic01", "vww01")
NOT_COVERED = (
    "every tensor but the network's output: MLPerf Tiny's commands show no other",
    "the digest of the model on the device, its build, its engine: the commands do not tell them",
    "a byte of an input or result that the line changed the same way twice: the commands have no checksum",
)
_NUMBER = re.compile(r"[01]\.\d{3,9}")


def check_network(model: Model) -> None:
    """Refuse, before a device is opened, a network that these commands cannot feed: UnsupportedModel."""
    if model.stateful:
        raise UnsupportedModel(
            model.name, "it keeps state between invocations, and MLPerf Tiny's commands have no reset"
        )
    types = [model.tensors[i].dtype for i in model.inputs]
    if types != ["int8"]:
        raise UnsupportedModel(
            model.name, f"its inputs are {', '.join(types)}; MLPerf Tiny's commands bring one int8 input"
        )


class ForeignRunner:
    """A device that shows its outputs only; `trace` and `run` as Stepper has them."""

    def __init__(self, device: MlperfTiny, model: Model) -> None:
        """`device` has been greeted. BadInput when its printed results do not tell the output's bytes.

        UnsupportedModel when the network keeps state, which nothing in these commands brings back, or has
        other inputs than one of int8.
        """
        check_network(model)
        self.device, self.model = device, model
        self.tensors: tuple[int, ...] | None = (model.outputs[0],)
        self._output = model.outputs[0]
        if device.model not in ("kws01", *IMAGES):
            raise BadInput(f"the device runs {device.model}; kws01, ic01 and vww01 are supported")
        output = model.tensors[model.outputs[0]]
        quantization = output.quantization
        scales = [float(s) for s in quantization.scales] if quantization is not None else []
        if quantization is None or scales != [1 / 256] or quantization.zero_point != -128:
            raise BadInput(
                f"{model.name}: three digits tell an output only at scale 1/256 and zero point -128"
            )

    def trace(self, x: Sample | Array) -> Tensors:
        """One sample → the output tensor, alone."""
        return {self._output: self.run(x)}

    def run(self, x: Sample | Array, *, head: int = 0) -> NDArray[Any]:
        """One sample, int8 → the first output, in its shape.  BadInput for another one."""
        if head:
            raise BadInput(f"the device shows its first output alone, and not output {head}")
        (data,) = data_of(sample_of(x))
        if self.device.model in IMAGES:
            data = bytes(byte ^ 0x80 for byte in data)
        shape = self.model.tensors[self._output].shape
        printed = self.device.infer(data)
        if len(printed) != math.prod(shape):
            raise BadAnswer(f"the device printed {len(printed)} results, the network has {math.prod(shape)}")
        return np.array([output_code(text) for text in printed], np.int8).reshape(shape)

    def resume(self) -> None:
        """Begin again."""
        self.device.hello()


def output_code(text: str) -> int:
    """The int8 output that a printed probability stands for: q with |text − (q + 128)/256| ≤ 0.0005."""
    if not _NUMBER.fullmatch(text):
        raise BadAnswer(f"the device printed {text[:20]!r} for a probability")
    whole, _, digits = text.partition(".")
    thousandths, unit = int(whole + digits), int("1" + "0" * len(digits))
    code = (2 * thousandths * 256 + unit) // (2 * unit)
    if abs(thousandths * 256 - code * unit) * 1000 > 128 * unit or code > 255:
        raise BadAnswer(f"the device printed {text}, which is no multiple of 1/256 in three digits")
    return code - 128
