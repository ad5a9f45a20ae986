"""What exactly would TensorFlow Lite Micro compute?  An executable model of TFLM's int8 kernels.

    model = Model.read("net.tflite")
    y = Reference(model).run(x)            # int8 [N, …] → int8 [N, …], TFLM's bytes
    tensors = Reference(model).trace(x)    # every intermediate tensor
    program = lower(model)                 # the same network as a small integer program

It promises TFLM's bytes or a typed error that names what is not supported. It needs numpy only.
Modules are imported when something of them is named: a process that bounds a program needs no kernels.
"""

from typing import TYPE_CHECKING

from tflm_int8.on_demand import on_demand

if TYPE_CHECKING:
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
else:
    __getattr__ = on_demand(
        __name__,
        {
            "ends": ["Ends"],
            "errors": [
                "AccumulatorOverflow",
                "BadTensor",
                "MalformedModel",
                "NotInProfile",
                "TflmError",
                "UnknownProfile",
                "UnsupportedModel",
                "UnsupportedOp",
                "WrongArithmetic",
            ],
            "model": ["Model", "Operator", "Quantization", "Tensor"],
            "profiles": ["PROFILES"],
            "program.lowering": ["lower"],
            "reference": ["Reference", "sample_shape"],
            "variant": ["Profile", "Variant"],
        },
    )

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
