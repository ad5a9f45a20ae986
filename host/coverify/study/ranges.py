"""How large do the activations of a float network get? The ranges that both quantization schemes cut at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coverify.study.float_network import FloatNetwork

BATCH: Final = 512
LEAST: Final = 1e-6
"""A layer that never gives anything gets this range."""


@dataclass(frozen=True)
class Ranges:
    """activations: the greatest output of every hidden layer; logits: the greatest |output| of the last."""

    activations: tuple[float, ...]
    logits: float

    @staticmethod
    def of(network: FloatNetwork, codes: NDArray[np.generic]) -> Ranges:
        """Over some inputs, codes [N, n_input]."""
        most = np.full(len(network.layers), LEAST)
        for start in range(0, len(codes), BATCH):
            for i, values in enumerate(network.activations(codes[start : start + BATCH])):
                most[i] = max(most[i], float(np.abs(values).max()))
        return Ranges(tuple(most[:-1].tolist()), float(most[-1]))
