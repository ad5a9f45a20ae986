"""One operator in its graph, as `prepare` functions see it.

It gives tensors, options and scales checked for type and range, and the refusals that name the operator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from tflm_int8.errors import AccumulatorOverflow, MalformedModel, UnsupportedOp
from tflm_int8.fixedpoint import INT32_MAX, Multiplier, Rounding, quantize_multiplier, round_half_away
from tflm_int8.flatbuffer import Damaged, Table
from tflm_int8.geometry import Axis, Padding, Window2D
from tflm_int8.model import Model, Operator, Quantization, Tensor
from tflm_int8.variant import Variant

OPEN_BATCH = " (is it computed of a batch that was left open? Convert the network with a batch of 1)"
_FLOAT = (
    " (a network of floats, or of weights quantized alone: TensorFlow's converter makes int8 of it with "
    "representative_dataset and TFLITE_BUILTINS_INT8)"
)

INT16_MAX = 32767
LAST_TYPE = 17
"""int4, the last TensorType that every version of TFLM knows."""


@dataclass(frozen=True)
class Node:
    """An operator, the model that it belongs to, and the variant of its kernel.

    may_overflow: accumulators are not checked, for who looks for the input that overflows them.
    """

    model: Model
    op: Operator
    variant: Variant
    may_overflow: bool = False

    def refuse(self, why: str) -> NoReturn:
        """Raise UnsupportedOp for this operator."""
        raise UnsupportedOp(self.op.name, self.op.index, self.model.name, why)

    def overflow(self, why: str) -> NoReturn:
        """Raise AccumulatorOverflow for this operator."""
        raise AccumulatorOverflow(self.op.name, self.op.index, self.model.name, why)

    def arity(self, inputs: range, outputs: int = 1) -> None:
        """Refuse a number of inputs outside `inputs`, or another number of outputs."""
        if len(self.op.inputs) not in inputs or len(self.op.outputs) != outputs:
            self.refuse(f"{len(self.op.inputs)} inputs and {len(self.op.outputs)} outputs")

    def input(self, i: int) -> Tensor:
        """The i-th input; refuses one that is left out."""
        if i >= len(self.op.inputs) or self.op.inputs[i] < 0:
            self.refuse(f"input {i} is missing")
        return self.model.tensors[self.op.inputs[i]]

    def optional_input(self, i: int) -> Tensor | None:
        """The i-th input, or None when it is left out."""
        return self.input(i) if i < len(self.op.inputs) and self.op.inputs[i] >= 0 else None

    @property
    def output(self) -> Tensor:
        """The first output; refuses an operator without one."""
        if not self.op.outputs:
            self.refuse("it has no output")
        return self.model.tensors[self.op.outputs[0]]

    def options(self, union_type: int) -> Table:
        """The options table, which must be of the union's given type."""
        if self.op.options is None or self.op.options_type != union_type:
            raise MalformedModel(self.model.name, f"op {self.op.index} {self.op.name} lacks its options")
        return self.op.options

    def option(self, union_type: int, slot: int, fmt: str, default: int = 0) -> int:
        """One integer option."""
        try:
            return self.options(union_type).integer(slot, fmt, default)
        except Damaged as error:
            raise MalformedModel(self.model.name, f"op {self.op.index}: {error}") from error

    def check_types(self, union_type: int, *slots: int) -> None:
        """Refuse an option that is no TensorType: TFLM reads them all.  Source: ConvertTensorType."""
        for slot in slots if self.op.options_type == union_type and self.op.options else ():
            code = self.option(union_type, slot, "<b")
            if not 0 <= code <= LAST_TYPE:
                self.refuse(f"its options name the element type {code}")

    def option_list(self, union_type: int, slot: int, dtype: str = "<i4") -> tuple[int, ...]:
        """One option that is a list of integers, or a string; empty when it, or the table, is absent."""
        if self.op.options is None:
            return ()
        try:
            return tuple(self.options(union_type).array(slot, dtype).tolist())
        except Damaged as error:
            raise MalformedModel(self.model.name, f"op {self.op.index}: {error}") from error

    def int8(self, tensor: Tensor) -> Quantization:
        """The per-tensor quantization of an int8 tensor; refuses any other type."""
        return self.quantized(tensor, "int8")

    def int16(self, tensor: Tensor) -> Quantization:
        """The per-tensor quantization of an int16 tensor, whose zero point must be 0; refuses any other."""
        quantization = self.quantized(tensor, "int16")
        if quantization.zero_point != 0:
            self.refuse(f"tensor {tensor.index} is int16 with the zero point {quantization.zero_point}")
        return quantization

    def quantized(self, tensor: Tensor, *dtypes: str) -> Quantization:
        """The per-tensor quantization of a tensor of one of the types; refuses any other type."""
        if tensor.dtype not in dtypes:
            self._refuse_type(tensor, dtypes)
        quantization = tensor.quantization
        if quantization is None or len(quantization.scales) != 1:
            self.refuse(f"tensor {tensor.index} has no per-tensor quantization")
        limits = np.iinfo(tensor.dtype)
        if not limits.min <= quantization.zero_point <= limits.max:
            self.refuse(f"tensor {tensor.index} has the zero point {quantization.zero_point}")
        if tensor.size == 0:
            self.refuse(f"tensor {tensor.index} is empty")
        return quantization

    def constant(self, tensor: Tensor, *dtypes: str) -> NDArray[np.int64]:
        """The constant's values as int64; refuses a tensor that is computed or of another type."""
        if tensor.data is None:
            hint = OPEN_BATCH if tensor.dtype == "int32" else ""
            self.refuse(f"tensor {tensor.index} must be a constant{hint}")
        if tensor.dtype not in dtypes:
            self._refuse_type(tensor, dtypes)
        return tensor.data.astype(np.int64)

    def _refuse_type(self, tensor: Tensor, dtypes: tuple[str, ...]) -> NoReturn:
        hint = _FLOAT if tensor.dtype == "float32" and "int8" in dtypes else ""
        self.refuse(f"tensor {tensor.index} is {tensor.dtype}, {' or '.join(dtypes)} is needed{hint}")

    def bias(self, i: int, channels: int, dtype: str = "int32") -> NDArray[np.int64]:
        """The bias of the i-th input, int64 [channels]; zeros when it is left out."""
        tensor = self.optional_input(i)
        if tensor is None:
            return np.zeros(channels, np.int64)
        values = self.constant(tensor, dtype).reshape(-1)
        if len(values) != channels:
            self.refuse(f"{len(values)} biases for {channels} channels")
        return values

    def multiplier(self, real: float) -> Multiplier:
        """The fixed-point form of an effective scale; refuses one out of range."""
        try:
            m = quantize_multiplier(real)
        except ValueError as error:
            self.refuse(str(error))
        if self.variant.rounding is Rounding.SINGLE and m.shift > 30:
            self.refuse(f"the multiplier {real!r} is beyond single rounding")
        return m

    def code_of(self, real: float, quantization: Quantization) -> int:
        """round(real / scale) + zero point in float32, halves away from zero; refuses one beyond int32."""
        with np.errstate(all="ignore"):
            quotient = float(np.float32(real) / quantization.scale)
        if not math.isfinite(quotient):
            self.refuse(f"{real} over the scale {quantization.scale} leaves float32")
        steps = round_half_away(quotient)
        code = steps + quantization.zero_point
        if max(abs(steps), abs(code)) > INT32_MAX:
            self.refuse(f"{real} is {steps} steps of the scale {quantization.scale}, beyond int32")
        return code

    def activation_range(self, code: int) -> tuple[int, int]:
        """Least and greatest int8 (or int16) output under the fused activation.

        Source: CalculateActivationRangeQuantized, kernel_util.cc (float32 division, halves away from zero).
        """
        quantization = self.quantized(self.output, "int8", "int16")
        limits = np.iinfo(self.output.dtype)
        least, most = int(limits.min), int(limits.max)

        def quantized(real: float) -> int:
            return self.code_of(real, quantization)

        match code:
            case 0:
                return least, most
            case 1:
                return max(least, quantized(0.0)), most
            case 2:
                lo, hi = max(least, quantized(-1.0)), min(most, quantized(1.0))
            case 3:
                lo, hi = max(least, quantized(0.0)), min(most, quantized(6.0))
            case _:
                self.refuse(f"fused activation {code} is not supported")
        return lo, hi

    def padding(self, code: int) -> Padding:
        """The padding of the given code."""
        match code:
            case 0:
                return "SAME"
            case 1:
                return "VALID"
            case _:
                self.refuse(f"padding {code} is not supported")

    def window(
        self,
        image: tuple[int, int],
        kernel: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        padding: Padding,
    ) -> Window2D:
        """The window (rows, columns), checked against the output's declared height and width.

        TFLM keeps the padding in int16 (PaddingValues, kernels/internal/types.h).
        """
        if min(*kernel, *stride, *dilation) < 1 or max(*stride, *dilation) > 1 << 16:
            self.refuse(f"kernel {kernel}, stride {stride} or dilation {dilation} is out of range")
        rows, columns = (Axis.of(image[i], kernel[i], stride[i], dilation[i], padding) for i in range(2))
        if len(self.output.shape) != 4 or (rows.out, columns.out) != self.output.shape[1:3]:
            self.refuse(
                f"the output is declared {list(self.output.shape)}, computed {rows.out} x {columns.out}"
            )
        if max(rows.before, columns.before) > INT16_MAX:
            self.refuse(f"a padding of {max(rows.before, columns.before)}; TFLM keeps it in int16")
        window = Window2D(rows, columns)
        if window.n_positions * kernel[0] * kernel[1] > 1 << 24 or window.n_padded > 1 << 24:
            self.refuse("the window visits too many pixels")
        return window

    def check_accumulator(
        self,
        weights: NDArray[np.int64],
        zero_point: int,
        bias: NDArray[np.int64],
        codes: str = "int8",
        limit: int = INT32_MAX,
    ) -> int:
        """The greatest Σ|w|·max|x − z| over the channels; refuses a sum or partial sum that can pass `limit`.

        weights: int64 [channels, depth]; bias: int64 [channels]; codes: the type of x. The ends are exact, as
        z is a code itself, so that each w·(x − z) can be 0.
        """
        most = int(np.iinfo(codes).max)
        above, below = most - zero_point, most + 1 + zero_point
        up, down = np.maximum(weights, 0).sum(axis=1), -np.minimum(weights, 0).sum(axis=1)
        wide = bias.astype(np.float64)  # an int64 bias may be any
        greatest = up * above + down * below + np.maximum(wide, 0)
        least = up * below + down * above - np.minimum(wide, 0)
        worst = int(max(greatest.max(), least.max()))
        if worst > limit and not self.may_overflow:
            self.overflow(f"the accumulator can reach {worst} in magnitude, beyond {limit}")
        return int(((up + down) * max(above, below)).max())
