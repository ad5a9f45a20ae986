"""Whose arithmetic does a reference follow?  The kernel profiles: tables operator → variant.

`tflm` is the interpreter that is pinned in pyproject.toml; the others say where they differ from it. What
was checked against which oracle stands in docs/profiles.md. An operator whose
 arithmetic under a profile is not known is in its `refused`; an unknown profile is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tflm_int8.errors import UnknownProfile
from tflm_int8.fixedpoint import Rounding
from tflm_int8.variant import Form, Profile, Scales, Variant

_TFLM: Final = Variant(Rounding.DOUBLE, Scales.DOUBLE, Form.FIXED_POINT, int16=True)
_FLOAT32: Final = replace(_TFLM, scales=Scales.FLOAT32)
_LITE: Final = replace(_TFLM, int16=False)
_LITE_FLOAT32: Final = replace(_LITE, scales=Scales.FLOAT32)
_LITE_TABLE: Final = replace(_LITE, form=Form.FLOAT_TABLE)


def _table(**variants: Variant) -> Mapping[str, Variant]:
    return MappingProxyType(variants)


def _refused(why: str, *operators: str) -> dict[str, str]:
    return dict.fromkeys(operators, why)


TFLM: Final = Profile(
    "tflm", "TensorFlow Lite Micro, October 2026", "tflite-micro 0.dev20261023182759", _TFLM
)

TFLM_2026_08: Final = Profile(
    "tflm-2026-08",
    "TensorFlow Lite Micro, August 2026, which took several ratios of scales in float32",
    "tflite-micro 0.dev20260820164721",
    _TFLM,
    _table(
        **dict.fromkeys(
            (
                "ABS", "BATCH_MATMUL", "FULLY_CONNECTED", "HARD_SWISH", "LEAKY_RELU", "RELU", "RSQRT", "SUB",
            ),
            _FLOAT32,
        )
    ),
)  # fmt: skip

TFLM_SINGLE: Final = Profile(
    "tflm-single-rounding",
    "TensorFlow Lite Micro compiled with TFLITE_SINGLE_ROUNDING",
    "its published arithmetic in exact rationals",
    replace(_TFLM, rounding=Rounding.SINGLE),
)

_NOT_IN_LITE: Final = _refused(
    "the runtime has no int8 kernel of it", "ADD_N", "BROADCAST_TO", "CUMSUM", "ELU", "ZEROS_LIKE"
)
_SUM_IN_LITE: Final = _refused("the runtime's sums are not modelled", "SUM")
_LITE_VARIANTS: Final = {
    **dict.fromkeys(
        (
            "ABS", "BATCH_MATMUL", "FULLY_CONNECTED", "HARD_SWISH", "LEAKY_RELU", "MUL", "PRELU", "RELU",
            "RSQRT",
        ),
        _LITE_FLOAT32,
    ),
    "LOGISTIC": _LITE_TABLE,
    "RELU6": replace(_LITE_FLOAT32, form=Form.RESCALED),
    "TANH": _LITE_TABLE,
}  # fmt: skip

TFLITE_REF: Final = Profile(
    "tflite-ref",
    "TensorFlow Lite 2.14 with its reference kernels (BUILTIN_REF)",
    "tflite-runtime 2.14.0",
    _LITE,
    _table(**_LITE_VARIANTS),
    MappingProxyType(
        {
            **_NOT_IN_LITE,
            **_SUM_IN_LITE,
            **_refused("its reversal along other axes is not modelled", "REVERSE_V2"),
        }
    ),
)

LITERT_REF: Final = Profile(
    "litert-ref",
    "LiteRT 2.3 with its reference kernels (BUILTIN_REF)",
    "ai-edge-litert 2.3.0",
    _LITE,
    _table(**{**_LITE_VARIANTS, "FULLY_CONNECTED": replace(_LITE, form=Form.FLOAT_STAGE)}),
    MappingProxyType({**_NOT_IN_LITE, **_SUM_IN_LITE}),
)

CMSIS_NN: Final = Profile(
    "cmsis-nn",
    "TensorFlow Lite Micro, October 2026, with CMSIS-NN's kernels (generic C)",
    "CMSIS-NN 99f736a, compiled for the host",
    _LITE,
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {p.name: p for p in (TFLM, TFLM_2026_08, TFLM_SINGLE, TFLITE_REF, LITERT_REF, CMSIS_NN)}
)
"""Every profile by its name."""


def profile_named(name: str) -> Profile:
    """The profile of that name.  Raises UnknownProfile, which lists those that there are."""
    if name not in PROFILES:
        raise UnknownProfile(name, tuple(PROFILES))
    return PROFILES[name]
