"""TFLM's softmax of one row, and what claims about its outputs ask of its inputs.

Outputs depend on the sum of the row's exponentials and on d = 0..255, how far an element lies below the
greatest one. They rank elements as their inputs do, but may tie where these do not. Source: TFLM softmax.h.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from coverify.check.networks.integers import divide, exponential, high_mul, multiplier_of, reciprocal, scaled
from coverify.check.steps import Ints, need, within

FAR = 255  # no element lies farther below another one


def inverse(total: Ints) -> tuple[Ints, Ints]:
    """1 / total, a sum in Q12.19, as x in Q0.31; then x · exponential is shifted by 35 − zeros."""
    zeros = 32 - np.searchsorted(1 << np.arange(33), total, side="right").astype(np.int64)
    return np.minimum(reciprocal(total << zeros >> 1) << 1, (1 << 31) - 1), zeros


def share(raw: Ints, total: Ints, d: Ints | int) -> Ints:
    """The output of an element d below the greatest: its exponential, by a sum in Q12.19."""
    x, zeros = inverse(total)
    return np.clip(divide(high_mul(x, raw[d]), 35 - zeros) - 128, -128, 127)


@lru_cache(256)
def ties(raw: bytes, block: int) -> NDArray[np.int16]:
    """D of the 2^16 sums of a block, which many certificates of one network ask for."""
    exponentials, sums = np.frombuffer(raw, np.int64), np.maximum(np.arange(block << 16, block + 1 << 16), 1)
    top, gap, d = share(exponentials, sums, 0), np.ones(1 << 16, np.int16), 1
    while d < 256 and np.any(tie := share(exponentials, sums, d) == top):
        gap, d = gap + tie, d + 1  # outputs do not rise with d: they come from raw[d]
    return gap


@lru_cache(1 << 12)
def falls(block: int) -> bool:
    """Does no inverse rise along a block's sums and to the next one's first, where it is shifted alike?"""
    x, zeros = inverse(np.maximum((block << 16) + np.arange((1 << 16) + 1), 1))
    return bool(np.all((x[1:] <= x[:-1]) | (zeros[1:] < zeros[:-1])))


class Softmax:
    """The step."""

    reads = "pick"

    def __init__(self, out: Ints, pick: Ints, beta_scale: float, once: bool) -> None:
        self.out, self.pick, self.cost, real = out, pick, 100 * len(out), beta_scale * 2.0**26
        need(1 < real < math.inf, "a softmax of too small a scale")
        (m, shift), d = multiplier_of(min(real, 2.0**31 - 1), once), np.arange(256)
        skipped = d > (31 << 26) >> shift
        self.raw = np.where(skipped, 0, exponential(scaled(-np.where(skipped, 0, d), m, shift, False)))
        self.exponentials = divide(self.raw, 12)
        need(np.all(np.diff(self.raw) <= 0) and self.raw[255] >= 0, "exponentials that are not monotone")

    def interval(self, boxes: Ints) -> Ints:
        """Exact on points; of a wider box all that an output may be."""
        x, spread = boxes[0][..., self.pick], 255 * np.any(boxes[0] < boxes[-1])
        y = share(self.raw, self.exponentials[d := x.max(-1, keepdims=True) - x].sum(-1, keepdims=True), d)
        return np.clip([y - spread, y + spread], -128, 127)[: len(boxes)]

    def sums(self, lo: Ints, hi: Ints, each: int, budget: int) -> tuple[int, int, range]:
        """The least sum of rows in lo..hi, one more than the greatest, and the blocks of those between, where
        each takes so many multiply-adds.
        """
        far, near = (self.exponentials[np.maximum(d, 0)] for d in (hi.max() - lo, lo.max() - hi))
        first, end = int((far.sum() + self.exponentials[0] - far).min()), int(near.sum()) + 1
        need(first > 0 and end < 2**31, "a softmax of too many sums")
        within((end - first) * each, budget)
        return first, end, range(first >> 16, (end - 1 >> 16) + 1)

    def gaps(self, lo: Ints, hi: Ints, budget: int) -> tuple[int, int]:
        """The least and greatest D over sums of rows in lo..hi; elements less than D below the top tie."""
        first, end, blocks = self.sums(lo, hi, 256 * 23, budget)
        raw = self.raw.tobytes()
        found = [ties(raw, k)[max(first - (k << 16), 0) : end - (k << 16)] for k in blocks]
        return min(int(gap.min()) for gap in found), max(int(gap.max()) for gap in found)

    def ends(self, lo: Ints, hi: Ints, apart: Ints, budget: int) -> Ints:
        """[2, n]: bounds of the outputs of rows x in lo..hi where x_j − x_i <= apart[i, j].

        If output i is d below the top, element j is at least d − apart[i, j] and at most d + apart[j, i]
        below it, and one is the top. That no output rises with the sum is seen on all of the sums.
        """
        first, end, blocks = self.sums(lo, hi, 23, budget - (len(apart) ** 2 << 13))
        turns, d = 1 << np.arange(first.bit_length(), (end - 1).bit_length()), np.arange(256)[:, None]
        later = share(self.raw, turns, d) <= share(self.raw, turns - 1, d)  # where it is shifted otherwise
        need(all(map(falls, blocks)) and np.all(later), "outputs that rise with the sum")
        found = np.zeros((2, len(apart)), np.int64)
        for i, (above, below) in enumerate(zip(apart, apart.T, strict=True)):
            most = self.exponentials[np.clip(d - above, 0, FAR)].sum(axis=1)
            low = self.exponentials[np.clip(d + below, 0, FAR)]
            least = low.sum(axis=1) + self.exponentials[0] - low.max(axis=1)
            y = share(self.raw, np.clip([most, least], first, end - 1), d[:, 0])
            found[:, i] = y[0, : max(above) + 1].min(), y[1, min(max(-below), FAR) :].max()
        return found
