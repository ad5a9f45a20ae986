"""One staircase on accumulators of bounded magnitude: its rule, or the rule's float form once that pays.

The float form is that of the kernels (kernels/staircase.py), proved equal on both sides of every stair. A
proof takes as long as the rule on WORTH elements of a channel: it is tried when so many have been asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tflm_int8.kernels.staircase import FloatStage, exact_gemm_dtype, prove
from tflm_int8.program.primitives import IndexArray, Requantize, Rule

Array = NDArray[Any]

WORTH: Final = 1 << 14
"""Elements of a channel."""


class Requantizer:
    """rule(acc) of channel channel[i] for integers |acc| ≤ reach, in which the rule is defined."""

    def __init__(self, rule: Rule, channel: IndexArray, reach: int) -> None:
        self.rule, self.channel, self.reach = rule, channel, reach
        self.channels, self._place = np.unique(channel, return_inverse=True)
        self._left = WORTH * len(self.channels)
        self._stage: FloatStage | None = None

    @property
    def defined(self) -> bool:
        """Whether the rule is defined on the whole reach."""
        first, last = (end[self.channels] for end in self.rule.domain())
        return bool(np.all(first <= -self.reach) and np.all(self.reach <= last))

    def apply(self, acc: Array, spent: bool = False) -> Array:
        """acc: integers [N, n] of any type → their values; `spent`: acc may be overwritten."""
        stage = self._asked(acc.size)
        if stage is None:
            codes = self.rule.apply(acc.astype(np.int64), self.channel)
            return codes.astype(np.int8) if self.rule.lo >= -128 and self.rule.hi <= 127 else codes
        out = np.empty(acc.shape, np.int8)
        stage.write(acc.astype(exact_gemm_dtype(self.reach), "C", copy=not spent), out)
        return out

    def _asked(self, n: int) -> FloatStage | None:
        """The float form, tried when the elements asked for so far are worth it."""
        if self._left > 0:
            self._left -= n
            if self._left <= 0 and isinstance(self.rule, Requantize):
                self._stage = self._proved(self.rule)
        return self._stage

    def _proved(self, rule: Requantize) -> FloatStage | None:
        used = replace(rule, multiplier=rule.multiplier[self.channels], shift=rule.shift[self.channels])
        stage = prove(used, np.zeros(len(self.channels), np.int64), self.reach)
        return None if stage is None else stage.of(self._place)
