"""Which neurons do the tests accuse? The counts that fault localization works with, one set per neuron.

A neuron is *activated* by a test when quantization changed what it does there. By `status` (QNNRepair, 4.2):
its output is above zero in one network and not in the other; by `difference`: its real outputs differ by more
than a threshold, in steps of the output's scale. A neuron of a convolution has an output at every position:
one of them is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from coverify.repair.cases import Cases
from coverify.repair.layer import Layer
from coverify.repair.observation import F32Array
from tflm_int8.fixedpoint import I64Array

Kind = Literal["status", "difference"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Per neuron, int64 [neurons]: failing and passing tests that activate it, and that do not."""

    activated_failing: I64Array
    silent_failing: I64Array
    activated_passing: I64Array
    silent_passing: I64Array

    @staticmethod
    def of(activated: NDArray[np.bool_], cases: Cases) -> Spectrum:
        """activated: bool [N, neurons]."""
        failing, passing = activated[cases.failing], activated[cases.passing]
        return Spectrum(
            failing.sum(axis=0), (~failing).sum(axis=0), passing.sum(axis=0), (~passing).sum(axis=0)
        )


def activated(
    layer: Layer, codes: NDArray[np.signedinteger[Any]], real: F32Array, kind: Kind, threshold: float = 1.0
) -> NDArray[np.bool_]:
    """bool [N, neurons] from the int8 and the float outputs, both [N, positions, neurons]."""
    if kind == "status":
        differs = statuses(layer, codes) != (real > 0)
    else:
        quantization = layer.kernel.node.output.quantization
        assert quantization is not None  # every output of these kernels has one
        steps = real.astype(np.float64) / float(quantization.scale) - (
            codes.astype(np.float64) - quantization.zero_point
        )
        differs = np.abs(steps) > threshold
    found: NDArray[np.bool_] = differs.any(axis=1)
    return found


def statuses(layer: Layer, codes: NDArray[np.signedinteger[Any]]) -> NDArray[np.bool_]:
    """Is the real value of each output code above zero?"""
    quantization = layer.kernel.node.output.quantization
    assert quantization is not None
    above: NDArray[np.bool_] = codes > quantization.zero_point
    return above
