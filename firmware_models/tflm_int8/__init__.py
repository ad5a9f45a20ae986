"""What exactly would TensorFlow Lite Micro compute?  An executable model of TFLM's int8 kernels.

    model = Model.read("net.tflite")
    y = Reference(model).run(x)            # int8 [N, …] → int8 [N, …], TFLM's bytes
    tensors = Reference(model).trace(x)    # every intermediate tensor
    program = lower(model)                 # the same network as a small integer program

It promises TFLM's bytes or a typed error that names what is not supported. It needs numpy only.
"""

from tflm_int8.ends import Ends
from tflm_int8.errors import (
    AccumulatorOverflow,
    BadTensor,
    MalformedModel,
    NotInProfile,
    TflmError,
    UnknownProfile,
    UnsupportedModel,
    UnsupportedOp,
    WrongArithmetic,
)
from tflm_int8.model import Model, Operator, Quantization, Tensor
from tflm_int8.profiles import PROFILES
from tflm_int8.program.lowering import lower
from tflm_int8.reference import Reference, sample_shape
from tflm_int8.variant import Profile, Variant

__all__ = [
    "PROFILES",
    "AccumulatorOverflow",
    "BadTensor",
    "Ends",
    "MalformedModel",
    "Model",
    "NotInProfile",
    "Operator",
    "Profile",
    "Quantization",
    "Reference",
    "Tensor",
    "TflmError",
    "UnknownProfile",
    "UnsupportedModel",
    "UnsupportedOp",
    "Variant",
    "WrongArithmetic",
    "lower",
    "sample_shape",
]
