"""Whose arithmetic does a reference follow?  The kernel profiles: tables operator → variant.

`tflm` is the interpreter that is pinned in pyproject.toml; the others say where they differ from it. What was
checked against which oracle, and how often, stands in docs/profiles.md. What a profile does not vouch for is
refused with its name; an unknown profile is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from tflm_int8.errors import UnknownProfile
from tflm_int8.fixedpoint import Rounding
from tflm_int8.variant import Form, Profile, Scales, Variant

_TFLM: Final = Variant(Rounding.DOUBLE, Scales.DOUBLE, Form.FIXED_POINT, types=None)
_FLOAT32: Final = replace(_TFLM, scales=Scales.FLOAT32)
_LITE: Final = replace(_TFLM, types=frozenset({"bool", "float32", "int8", "int32", "int64"}))
_LITE_FLOAT32: Final = replace(_LITE, scales=Scales.FLOAT32)
_LITE_TABLE: Final = replace(_LITE, form=Form.FLOAT_TABLE)
_CMSIS: Final = replace(_TFLM, types=frozenset({"int8", "int32"}))
_CMSIS_SINGLE: Final = replace(_CMSIS, rounding=Rounding.SINGLE)


def _variants(*tables: Mapping[str, Variant]) -> Mapping[str, Variant]:
    return MappingProxyType({name: variant for table in tables for name, variant in table.items()})


def _names(operators: str) -> list[str]:
    return operators.split()


def _of(variant: Variant, operators: str) -> dict[str, Variant]:
    return dict.fromkeys(_names(operators), variant)


def _because(why: str, operators: str) -> dict[str, str]:
    return dict.fromkeys(_names(operators), why)


TFLM: Final = Profile(
    "tflm", "TensorFlow Lite Micro, October 2026", "tflite-micro 0.dev20261023182759", _TFLM
)

_UNCHECKED_2026_08: Final = MappingProxyType(
    _because(
        "it was not checked against TensorFlow Lite Micro of August 2026",
        "ASSIGN_VARIABLE CALL_ONCE READ_VARIABLE VAR_HANDLE CUSTOM:SignalDelay CUSTOM:SignalEnergy "
        "CUSTOM:SignalFftAutoScale CUSTOM:SignalFilterBank CUSTOM:SignalFilterBankLog "
        "CUSTOM:SignalFilterBankSpectralSubtraction CUSTOM:SignalFilterBankSquareRoot CUSTOM:SignalFramer "
        "CUSTOM:SignalIrfft CUSTOM:SignalOverlapAdd CUSTOM:SignalPCAN CUSTOM:SignalRfft CUSTOM:SignalStacker "
        "CUSTOM:SignalWindow",
    )
)

TFLM_2026_08: Final = Profile(
    "tflm-2026-08",
    "TensorFlow Lite Micro, August 2026: several ratios of scales in float32",
    "tflite-micro 0.dev20260820164721",
    _TFLM,
    _variants(
        _of(
            _FLOAT32,
            "ABS BATCH_MATMUL DIV FULLY_CONNECTED HARD_SWISH LEAKY_RELU RELU RSQRT SUB SVDF "
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
        )
    ),
    refused=_UNCHECKED_2026_08,
)

TFLM_SINGLE: Final = Profile(
    "tflm-single-rounding",
    "TensorFlow Lite Micro, October 2026, compiled with TFLITE_SINGLE_ROUNDING",
    "CMSIS-NN 99f736a with CMSIS_NN_USE_SINGLE_ROUNDING, and exact rationals",
    replace(_TFLM, rounding=Rounding.SINGLE),
    refused=MappingProxyType(_because("its quotient is only modelled with two roundings", "DIV")),
)

_LITE_VARIANTS: Final = _variants(
    _of(_LITE_FLOAT32, "ABS BATCH_MATMUL FULLY_CONNECTED HARD_SWISH LEAKY_RELU PRELU RELU RSQRT"),
    _of(_LITE_TABLE, "LOGISTIC TANH"),
    {
        "ADD": replace(_LITE, types=frozenset({"int8"})),
        "CONV_2D": replace(_LITE, form=Form.BIASED),
        "MUL": replace(_LITE_FLOAT32, types=frozenset({"int8"})),
        "RELU6": replace(_LITE_FLOAT32, form=Form.RESCALED),
        "SUB": replace(_LITE, types=frozenset({"int8"})),
    },
)
_NOT_IN_LITE: Final = {
    **_because("the runtime has no int8 kernel of it", "ADD_N BROADCAST_TO CUMSUM ELU ZEROS_LIKE"),
    **_because("the runtime's own sums are not modelled", "SUM"),
}
_IN_LITE: Final = frozenset(
    _names(
        "ABS ADD ARG_MAX ARG_MIN AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND CAST CONCATENATION "
        "CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DYNAMIC_UPDATE_SLICE EQUAL EXPAND_DIMS FILL "
        "FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH L2_NORMALIZATION LEAKY_RELU "
        "LESS LESS_EQUAL LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN "
        "MINIMUM MIRROR_PAD MUL NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE REDUCE_MAX REDUCE_MIN RELU RELU6 "
        "RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 RSQRT SELECT_V2 SHAPE SLICE SOFTMAX "
        "SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB TANH "
        "TRANSPOSE TRANSPOSE_CONV UNPACK"
    )
)

TFLITE_REF: Final = Profile(
    "tflite-ref",
    "TensorFlow Lite 2.14 with its reference kernels (BUILTIN_REF)",
    "tflite-runtime 2.14.0",
    _LITE,
    _LITE_VARIANTS,
    _IN_LITE,
    MappingProxyType(
        {
            **_NOT_IN_LITE,
            **_because("its reversal of several axes is not modelled", "REVERSE_V2"),
            **_because("some of its casts differ and are not modelled", "CAST"),
        }
    ),
)

LITERT_REF: Final = Profile(
    "litert-ref",
    "LiteRT 2.3 with its reference kernels (BUILTIN_REF): FULLY_CONNECTED is requantized in double",
    "ai-edge-litert 2.3.0",
    _LITE,
    _variants(_LITE_VARIANTS, {"FULLY_CONNECTED": replace(_LITE, form=Form.FLOAT_STAGE)}),
    _IN_LITE,
    MappingProxyType(_NOT_IN_LITE),
)

_IN_CMSIS_NN: Final = (
    "ADD AVERAGE_POOL_2D DEPTHWISE_CONV_2D FULLY_CONNECTED MAXIMUM MAX_POOL_2D MINIMUM MUL SOFTMAX"
)
_UNCHECKED_IN_CMSIS_NN: Final = MappingProxyType(
    _because(
        "CMSIS-NN's own kernel was not checked",
        "BATCH_MATMUL PAD PADV2 SVDF TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM",
    )
)

CMSIS_NN: Final = Profile(
    "cmsis-nn",
    "TensorFlow Lite Micro, October 2026, on CMSIS-NN's kernels where it has them (generic C)",
    "CMSIS-NN 99f736a compiled for the host",
    _TFLM,
    _variants(_of(_CMSIS, _IN_CMSIS_NN), {"CONV_2D": replace(_CMSIS, form=Form.BIASED_GROUPS)}),
    refused=_UNCHECKED_IN_CMSIS_NN,
)

CMSIS_NN_2026_08: Final = Profile(
    "cmsis-nn-2026-08",
    "TensorFlow Lite Micro, August 2026, on CMSIS-NN's kernels where it has them (generic C, DSP, MVE)",
    "TensorFlow Lite Micro 90b983c with CMSIS-NN 99f736a, compiled for Cortex-M3, M4 and M55",
    _TFLM,
    _variants(
        TFLM_2026_08.variants,
        _of(_CMSIS, _IN_CMSIS_NN),
        _of(replace(_CMSIS, form=Form.FOUR_DIMENSIONS), "PAD PADV2"),
        {
            "CONV_2D": replace(_CMSIS, form=Form.BIASED_GROUPS),
            **_of(replace(_CMSIS, scales=Scales.FLOAT32), "BATCH_MATMUL FULLY_CONNECTED"),
            "SVDF": replace(_FLOAT32, form=Form.WIDE_STATE, types=frozenset({"int8", "int16", "int32"})),
            "TRANSPOSE": replace(_CMSIS, form=Form.FOUR_MOVED),
            "TRANSPOSE_CONV": replace(_CMSIS, form=Form.UNACTIVATED),
        },
    ),
    refused=MappingProxyType(
        {
            **_UNCHECKED_2026_08,
            **_because("CMSIS-NN's kernel keeps nothing between invocations", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
        }
    ),
)

CMSIS_NN_SINGLE: Final = Profile(
    "cmsis-nn-single-rounding",
    "the same with CMSIS_NN_USE_SINGLE_ROUNDING; operators of TensorFlow Lite Micro's own round twice",
    "CMSIS-NN 99f736a compiled for the host with CMSIS_NN_USE_SINGLE_ROUNDING",
    _TFLM,
    _variants(
        _of(_CMSIS_SINGLE, _IN_CMSIS_NN),
        _of(replace(_CMSIS_SINGLE, form=Form.SAME_SHAPE), "ADD MUL"),
        {"CONV_2D": replace(_CMSIS_SINGLE, form=Form.BIASED_GROUPS)},
    ),
    refused=_UNCHECKED_IN_CMSIS_NN,
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType(
    {
        p.name: p
        for p in (
            TFLM,
            TFLM_2026_08,
            TFLM_SINGLE,
            TFLITE_REF,
            LITERT_REF,
            CMSIS_NN,
            CMSIS_NN_2026_08,
            CMSIS_NN_SINGLE,
        )
    }
)
"""Every profile by its name."""


def profile_named(name: str) -> Profile:
    """The profile of that name.  Raises UnknownProfile, which lists those that there are."""
    if name not in PROFILES:
        raise UnknownProfile(name, tuple(PROFILES))
    return PROFILES[name]
