"""How often was what checked?  Graphs whose every tensor equals the profile's oracle byte for byte, by operator.

The counts are of one campaign over the generators of `tests/` (40 seeds each; CMSIS-NN:
150); an operator that is absent was not checked on its own. `tests/` repeats a short form; docs/profiles.md says what was left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_COUNTS: Final[dict[str, str]] = {
    "tflm": (
        ""
    ),
    "tflm-2026-08": (
        ""
    ),
    "tflm-single-rounding": (
        "ADD:126 AVERAGE_POOL_2D:69 CONV_2D:138 DEPTHWISE_CONV_2D:150 FULLY_CONNECTED:150 MAXIMUM:150 "
        "MAX_POOL_2D:100 MINIMUM:150 MUL:105 SOFTMAX:150"
    ),
    "tflite-ref": (
        ""
    ),
    "litert-ref": (
        "ABS:40 ADD:50 ARG_MAX:40 ARG_MIN:40 AVERAGE_POOL_2D:22 BATCH_MATMUL:40 BATCH_TO_SPACE_ND:40 "
        "CAST:135 CONCATENATION:40 CONV_2D:30 DEPTHWISE_CONV_2D:40 DEPTH_TO_SPACE:40 DEQUANTIZE:35 "
        "DYNAMIC_UPDATE_SLICE:37 EQUAL:35 EXPAND_DIMS:36 FILL:40 FULLY_CONNECTED:40 GATHER:49 GATHER_ND:40 "
        "GREATER:144 GREATER_EQUAL:55 HARD_SWISH:40 L2_NORMALIZATION:40 LEAKY_RELU:40 LESS:123 "
        "LESS_EQUAL:37 LOGICAL_AND:37 LOGICAL_NOT:35 LOGICAL_OR:35 LOGISTIC:40 LOG_SOFTMAX:40 MAXIMUM:51 "
        "MAX_POOL_2D:64 MEAN:36 MINIMUM:40 MIRROR_PAD:40 MUL:46 NOT_EQUAL:38 PACK:78 PAD:37 PADV2:38 "
        "PRELU:40 QUANTIZE:211 REDUCE_MAX:40 REDUCE_MIN:40 RELU:40 RELU6:40 RESHAPE:80 RESIZE_BILINEAR:40 "
        "RESIZE_NEAREST_NEIGHBOR:36 REVERSE_V2:40 RSQRT:40 SELECT_V2:364 SHAPE:40 SLICE:55 SOFTMAX:40 "
        "SPACE_TO_BATCH_ND:40 SPACE_TO_DEPTH:40 SPLIT:37 SPLIT_V:37 SQUARED_DIFFERENCE:46 SQUEEZE:77 "
        "STRIDED_SLICE:77 SUB:47 TANH:40 TRANSPOSE:36 TRANSPOSE_CONV:40 UNPACK:37"
    ),
    "cmsis-nn": (
        "ADD:126 AVERAGE_POOL_2D:69 CONV_2D:138 DEPTHWISE_CONV_2D:150 FULLY_CONNECTED:150 MAXIMUM:150 "
        "MAX_POOL_2D:100 MINIMUM:150 MUL:105 SOFTMAX:150"
    ),
    "cmsis-nn-single-rounding": (
        "ADD:126 AVERAGE_POOL_2D:69 CONV_2D:138 DEPTHWISE_CONV_2D:150 FULLY_CONNECTED:150 MAXIMUM:150 "
        "MAX_POOL_2D:91 MINIMUM:150 MUL:105 SOFTMAX:150"
    ),
}


def _parsed(words: str) -> Mapping[str, int]:
    pairs = (word.rsplit(":", 1) for word in words.split())
    return MappingProxyType({name: int(count) for name, count in pairs})


CHECKED: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {profile: _parsed(words) for profile, words in _COUNTS.items()}
)
"""Profile → operator → graphs."""
