"""How far two networks' elements can be apart; test_every_operator.py holds the bounds to runs."""

import numpy as np
import pytest

from coverify.verify.bounds import Box
from coverify.verify.equivalence.drift import apart, zero
from coverify.verify.errors import CannotDecide


def test_differences_that_int64_does_not_hold_are_refused():
    whole = Box(np.array([-(2**63)]), np.array([2**63 - 1]))
    for first, second in ((whole, zero(1)), (zero(1), whole)):
        with pytest.raises(CannotDecide, match="64 bits"):
            apart(first, second)
