"""What can go wrong while a .tflite file is read or run, one class per thing that a caller can do about it.

Every error carries its facts in fields and says what, where, and what to do next.
"""

from __future__ import annotations


class TflmError(Exception):
    """Root of the errors that this package raises."""


class MalformedModel(TflmError):
    """The file is not a well-formed .tflite model (truncated, out-of-range offsets, contradictory shapes)."""

    def __init__(self, model: str, why: str) -> None:
        self.model, self.why = model, why
        super().__init__(f"{model}: not a valid .tflite model: {why}")


class UnsupportedOp(TflmError):
    """An operator, or an option, shape or type of it, that this package does not model exactly."""

    def __init__(self, op: str, index: int, model: str, why: str) -> None:
        self.op, self.index, self.model, self.why = op, index, model, why
        super().__init__(f"op {index} {op} in {model}: {why}")


class UnsupportedModel(TflmError):
    """The file is a valid model, but not one that this package models (several subgraphs, variables, …)."""

    def __init__(self, model: str, why: str) -> None:
        self.model, self.why = model, why
        super().__init__(f"{model}: {why}")


class NotInProfile(UnsupportedOp):
    """The kernel profile does not vouch for this operator, or not on these types."""

    def __init__(self, op: str, index: int, model: str, profile: str, why: str) -> None:
        self.profile = profile
        super().__init__(op, index, model, f"not under the profile {profile!r}: {why}")


class AccumulatorOverflow(UnsupportedOp):
    """An int32 accumulator would overflow, where TFLM's C++ is undefined: no value is the right one."""


class UnknownProfile(TflmError, ValueError):
    """There is no kernel profile of that name."""

    def __init__(self, profile: str, known: tuple[str, ...]) -> None:
        self.profile, self.known = profile, known
        super().__init__(f"unknown profile {profile!r}; known: {', '.join(known)}")


class BadTensor(TflmError):
    """An input array has not the shape, type or values that the model needs."""


class WrongArithmetic(TflmError):
    """This machine's numpy computes wrongly, so that nothing can be said of any model."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"{why}; use another numpy, or choose its BLAS kernels (for OpenBLAS: OPENBLAS_CORETYPE=Haswell)"
        )
