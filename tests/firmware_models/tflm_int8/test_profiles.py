"""A profile is a frozen table: an operator's own variant, else the default; an unknown name is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from model_builder import Builder
from tflm_int8 import PROFILES, Model, Profile, Reference, UnsupportedOp, Variant
from tflm_int8.errors import UnknownProfile
from tflm_int8.fixedpoint import Rounding
from tflm_int8.operators import OPERATORS
from tflm_int8.profile_checks import CHECKED
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


@pytest.mark.parametrize("profile", ["tflm-2026-08", "tflite-ref", "litert-ref"])
def test_a_whole_runtimes_profile_refuses_what_was_not_run_on_it(profile):
    unchecked = set(OPERATORS) - set(CHECKED[profile])
    assert unchecked == {name for name in OPERATORS if PROFILES[profile].refusal(name)}


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


def _transposed(out, image, kernel, stride, depth=3, padding=0, activation=0, batch=1) -> Model:
    """A TRANSPOSE_CONV of weights 1 in scales that leave its sums as they are; sizes: (height, width)."""
    b = Builder()
    x = b.input((batch, *image, depth), 1.0, 0)
    w = b.tensor((1, *kernel, depth), "int8", [1.0], [0], 0, np.ones((1, *kernel, depth), np.int8))
    y = b.activation((batch, *out, 1), 1.0, 0)
    b.op("TRANSPOSE_CONV", [b.integers([batch, *out, 1]), w, x], y, 49, Padding=padding, StrideH=stride[0],
         StrideW=stride[1], FusedActivationFunction=activation)  # fmt: skip
    return Model.from_bytes(b.finish(y), "transposed")


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (_transposed((4, 4), (2, 2), (2, 2), (2, 2)), None),
        (_transposed((8, 6), (4, 3), (3, 3), (2, 2)), None),
        (_transposed((2, 1), (1, 1), (1, 1), (3, 1)), "behind the end"),
        (_transposed((6, 6), (6, 3), (1, 1), (1, 2)), "buffer is too small"),
        (_transposed((6, 6), (6, 3), (1, 2), (1, 2)), None),
        (_transposed((2, 5), (1, 1), (4, 4), (2, 2), padding=1), "unwritten"),
        (_transposed((2, 5), (1, 1), (4, 4), (2, 2), depth=17, padding=1), None),
        (_transposed((1, 5), (1, 3), (5, 4), (1, 2)), "wrong rows"),
    ],
)
def test_where_cmsis_nn_leaves_its_memory_in_a_transpose_conv_its_profile_refuses(model, why):
    """Found with the C sources of CMSIS-NN 99f736a, in buffers of the sizes that they ask for."""
    Reference(model)
    if why is None:
        Reference(model, "cmsis-nn-2026-08")
    else:
        with pytest.raises(UnsupportedOp, match=why):
            Reference(model, "cmsis-nn-2026-08")


def test_tflm_on_cmsis_nn_ignores_the_activation_of_a_transpose_conv():
    """By hand: one pixel of −5 under a filter of one 1, and a RELU whose zero is the code 0."""
    model, x = (
        _transposed((1, 1), (1, 1), (1, 1), (1, 1), 1, activation=1),
        np.full((1, 1, 1, 1), -5, np.int8),
    )
    assert Reference(model, "tflm-2026-08").run(x).reshape(()) == 0
    assert Reference(model, "cmsis-nn-2026-08").run(x).reshape(()) == -5
