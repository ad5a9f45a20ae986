"""A profile is a frozen table: an operator's own variant, else the default; an unknown name is refused."""

from __future__ import annotations

import dataclasses

import pytest

from tflm_int8 import PROFILES, Profile, Variant
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
