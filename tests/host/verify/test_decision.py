"""How far may a softmax's outputs tie? Looked at for every sum, with an eye on the time."""

import time

import numpy as np
import pytest

from coverify.verify.deadline import Deadline, OutOfTime
from coverify.verify.decision import gap_pieces
from coverify.verify.property.formula import relation
from coverify.verify.property.softmax import reduced
from coverify.verify.query import Robustness
from tflm_int8.fixedpoint import quantize_multiplier
from tflm_int8.kernels.softmax import SoftmaxFunction
from tflm_int8.program.primitives import Program, Softmax

N = 256
MOST = 256 << 13
"""Outputs between two looks at the time: 256 of each of so many sums."""


class Watched(SoftmaxFunction):
    """Counts its outputs: of so small a scale, all 256 distances of a sum are looked at."""

    made = 0

    def output(self, total, d):
        Watched.made += np.size(total) * np.size(d)
        return super().output(total, d)

    def falls(self, total):
        Watched.made += np.size(total)
        return super().falls(total)


class Watch:
    """A deadline that ends at the eighth look, and knows how much was done between two."""

    looks, before, most = 0, 0, 0

    def check(self):
        self.most = max(self.most, Watched.made - self.before)
        self.before, self.looks = Watched.made, self.looks + 1
        if self.looks == 8:
            raise OutOfTime


@pytest.fixture
def function() -> Watched:
    Watched.made = 0
    multiplier = quantize_multiplier(0.001 * 2.0**26)
    return Watched(multiplier, (31 << 26) // (1 << multiplier.shift))


def test_the_gaps_of_many_sums_end_with_the_time(function):
    watch = Watch()
    with pytest.raises(OutOfTime):
        gap_pieces(function, function.exponentials(), 200 << 19, 250 << 19, watch)
    assert 0 < watch.most <= MOST


def test_so_do_those_of_a_property(function):
    watch = Watch()
    program = Program(N, (Softmax(0, N, function),), 1)
    query = Robustness.around(np.zeros(N, np.int8), 0, 14, None, -128, 127)
    with pytest.raises(OutOfTime):
        reduced(program, relation({0: -1}, 127), query, watch)
    assert 0 < watch.most <= MOST


def test_a_real_deadline_is_held(function):
    start = time.monotonic()
    with pytest.raises(OutOfTime):
        gap_pieces(function, function.exponentials(), 300 << 19, 350 << 19, Deadline.in_s(0.3))
    assert time.monotonic() - start < 1.3
