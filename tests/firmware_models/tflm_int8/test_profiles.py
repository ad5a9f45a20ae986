"""A profile is a frozen table: an operator's own variant, else the default; an unknown name is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model_builder import Builder
from tflm_int8 import PROFILES, Model, Profile, Reference, UnsupportedOp, Variant
from tflm_int8.errors import UnknownProfile
from tflm_int8.fixedpoint import Rounding
from tflm_int8.profiles import profile_named
from tflm_int8.variant import Form, Scales

OTHERS = Variant(Rounding.DOUBLE, Scales.DOUBLE, Form.FIXED_POINT, types=None)
OWN = Variant(Rounding.SINGLE, Scales.FLOAT32, Form.FIXED_POINT, types=None)


def test_an_operator_has_its_own_variant_and_every_other_one_the_default():
    profile = Profile("mixed", "no runtime", "none", OTHERS, {"SUB": OWN})
    assert (profile.of("SUB"), profile.of("ADD")) == (OWN, OTHERS)


def test_an_unknown_profile_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownProfile) as caught:
        profile_named("no-such")
    assert caught.value.known == tuple(PROFILES)
    assert all(name in str(caught.value) for name in PROFILES)


def test_nobody_can_change_a_profile():
    with pytest.raises(TypeError):
        PROFILES["tflm"] = Profile("tflm", "no runtime", "none", OWN)  # type: ignore[index]
    with pytest.raises(TypeError):
        PROFILES["tflm"].variants["SUB"] = OWN  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROFILES["tflm"].default = OWN  # type: ignore[misc]


def _moving(name, shape, numbers, out) -> Model:
    b = Builder()
    x = b.input(shape, 0.1, -3)
    y = b.activation(out, 0.1, -3)
    return Model.from_bytes(b.finish(b.op(name, [x, b.integers(np.array(numbers))], y)), name)


@pytest.mark.parametrize(
    ("model", "refused"),
    [
        (_moving("TRANSPOSE", (3, 4), [1, 0], (4, 3)), False),
        (_moving("TRANSPOSE", (3, 4), [0, 1], (3, 4)), True),
        (_moving("TRANSPOSE", (3, 4, 2), [0, 1, 2], (3, 4, 2)), False),
        (_moving("TRANSPOSE", (1, 3, 4, 2), [0, 1, 3, 2], (1, 3, 2, 4)), False),
        (_moving("TRANSPOSE", (1, 3, 4, 2), [0, 1, 2, 3], (1, 3, 4, 2)), True),
        (_moving("TRANSPOSE", (1, 1, 3, 4, 2), [4, 3, 2, 1, 0], (2, 4, 3, 1, 1)), True),
        (_moving("PAD", (1, 3, 4, 2), [[0, 1]] * 4, (2, 4, 5, 3)), False),
        (_moving("PAD", (1, 1, 3, 4, 2), [[0, 1]] * 5, (2, 2, 4, 5, 3)), True),
    ],
    ids=lambda v: f"{v.name}-{len(v.tensors[0].shape)}" if isinstance(v, Model) else str(v),
)
def test_where_cmsis_nn_moves_elements_otherwise_its_profile_refuses(model, refused):
    """As built for Cortex-M3, M4 and M55: docs/tflm.md."""
    Reference(model)
    if refused:
        with pytest.raises(UnsupportedOp):
            Reference(model, "cmsis-nn-2026-08")
    else:
        Reference(model, "cmsis-nn-2026-08")
