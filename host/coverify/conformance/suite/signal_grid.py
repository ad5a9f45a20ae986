"""The grid of the signal library's operators: lengths, shifts, radices, numbers next to what decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.suite.case import Case, rng_of
from coverify.conformance.suite.flexbuffer import flexbuffer
from coverify.conformance.suite.model_file import OneOp, TensorSpec
from tflm_int8 import Model

Array = NDArray[Any]
Rng = np.random.Generator
Made = tuple[str, OneOp]

_SIZES = (1, 2, 3, 4, 5, 8, 16, 17)
_LENGTHS = (4, 8, 10, 16, 20, 32, 40, 50, 64, 100, 128, 160, 250, 256, 512)
_INT16_T = 7
_INVOCATIONS = 8
_GAINS = 125


def _one(
    op: str, inputs: list[TensorSpec], output: TensorSpec | tuple[TensorSpec, ...], **options: int
) -> OneOp:
    first, *more = output if isinstance(output, tuple) else (output,)
    custom = flexbuffer(options) if options else b""
    return OneOp(op, inputs, first, more_outputs=more, custom_options=custom)


def _samples(*shape: int) -> TensorSpec:
    return TensorSpec(shape, "int16")


def _numbers(n: int) -> TensorSpec:
    return TensorSpec((n,), "uint32")


def _constant(values: Array, dtype: str = "int16") -> TensorSpec:
    return TensorSpec(np.shape(values), dtype, data=np.asarray(values))


def _windows(op: str, rng: Rng) -> Iterator[Made]:
    for n in _SIZES:
        weights = _constant(rng.integers(-(1 << 15), 1 << 15, n))
        yield "weights 1…17", _one(op, [_samples(n), weights], _samples(n), shift=12)
    for frames in (2, 3):
        weights = _constant(rng.integers(0, 1 << 12, 7))
        yield "frames", _one(op, [_samples(frames, 7), weights], _samples(frames, 7), shift=12)
    for shift in (0, 1, 11, 14, 15, 16, 30, 31):
        weights = _constant(rng.integers(-(1 << 15), 1 << 15, 33))
        yield "shifts 0…31", _one(op, [_samples(33), weights], _samples(33), shift=shift)


def _scalings(op: str, rng: Rng) -> Iterator[Made]:
    for n in _SIZES:
        yield "samples 1…17", _one(op, [_samples(n)], (_samples(n), TensorSpec((), "int32")))


def _transforms(op: str, rng: Rng) -> Iterator[Made]:
    back = op.endswith("Irfft")
    for length in _LENGTHS:
        ends = [_samples(length), _samples(length + 2)][:: -1 if back else 1]
        yield "lengths 4…512", _one(op, ends[:1], ends[1], T=_INT16_T, fft_length=length)
    for frames in (2, 3):
        ends = [_samples(frames, 20), _samples(frames, 22)][:: -1 if back else 1]
        yield "frames", _one(op, ends[:1], ends[1], T=_INT16_T, fft_length=20)
    for n in () if back else (1, 2, 31, 63):
        yield "filled up", _one(op, [_samples(n)], _samples(66), T=_INT16_T, fft_length=64)


def _energies(op: str, rng: Rng) -> Iterator[Made]:
    for n in _SIZES:
        yield "numbers 1…17", _one(op, [_samples(2 * n)], _numbers(n), start_index=0, end_index=n)


def _banks(op: str, rng: Rng) -> Iterator[Made]:
    for shape_class, channels, widest, least in (
        *(("channels 1…17", n, 4, 0) for n in _SIZES),
        *(("bands 0…17", 3, n, 0) for n in (0, *_SIZES)),
        *(("negative weights", 5, n, -4096) for n in (3, 8)),
    ):
        n_in = 20
        widths = rng.integers(0, widest + 1, channels + 1)
        firsts = rng.integers(0, n_in - widths + 1)
        places = np.cumsum(widths) - widths
        tables = [_constant(rng.integers(least, 4097, max(int(widths.sum()), 1))) for _ in range(2)]
        operands = [_numbers(n_in), *tables, *(_constant(v) for v in (firsts, places, widths))]
        yield shape_class, _one(op, operands, TensorSpec((channels,), "uint64"), num_channels=channels)


def _roots(op: str, rng: Rng) -> Iterator[Made]:
    for bits in (0, 1, 7, 16, 31):
        operands = [TensorSpec((33,), "uint64"), _constant(np.array(bits), "int32")]
        yield "shifts 0…31", _one(op, operands, _numbers(33))


def _subtractions(op: str, rng: Rng) -> Iterator[Made]:
    usual = {"alternate_one_minus_smoothing": 15401, "alternate_smoothing": 983, "min_signal_remaining": 819}
    usual |= {"one_minus_smoothing": 15974, "smoothing": 410, "smoothing_bits": 10}
    for shape_class, n, change in (
        *(("channels 1…17", n, {}) for n in _SIZES),
        *(("smoothing bits", 8, {"smoothing_bits": v}) for v in (0, 1, 16, 31)),
        *(("fraction bits", 8, {"spectral_subtraction_bits": v}) for v in (0, 13, 31, 32, 63)),
        *(("coefficients", 8, {"smoothing": v, "one_minus_smoothing": ~v}) for v in (-1, -(1 << 31))),
    ):
        for clamping in (0, 1):
            options = {**usual, "spectral_subtraction_bits": 14, "clamping": clamping, "num_channels": n}
            yield shape_class, _one(op, [_numbers(n)], (_numbers(n), _numbers(n)), **{**options, **change})


def _gains(op: str, rng: Rng) -> Iterator[Made]:
    for shape_class, shift in (*(("shifts 0…63", v) for v in (0, 1, 6, 31, 32, 63)), ("noise", 6)):
        noise = np.concatenate(
            [[0, 1, 2, 3, 4, (1 << 32) - 1], (2.0 ** rng.uniform(0, 32, 34)).astype(np.int64)]
        )
        table = _constant(rng.integers(-(1 << 15), 1 << 15, _GAINS))
        operands = [_numbers(40), _constant(noise, "uint32"), table]
        yield shape_class, _one(op, operands, _numbers(40), snr_shift=shift)


def _logarithms(op: str, rng: Rng) -> Iterator[Made]:
    for bits in (0, 1, 3, 16, 31):
        options = {"input_correction_bits": bits, "output_scale": 64}
        yield "corrections 0…31", _one(op, [_numbers(33)], TensorSpec((33,), "int16"), **options)
    for scale in (0, 1, 1600, 65535, 1 << 20, -1, -(1 << 31)):
        options = {"input_correction_bits": 3, "output_scale": scale}
        yield "scales", _one(op, [_numbers(33)], TensorSpec((33,), "int16"), **options)


def _delays(op: str, rng: Rng) -> Iterator[Made]:
    for delay in (0, 1, 4, 5, 6, 11, 17):
        yield "delays 0…17", _one(op, [_samples(5)], _samples(5), delay_length=delay)
    for frames in (2, 3):
        yield "rows", _one(op, [_samples(frames, 3)], _samples(frames, 3), delay_length=4)


def _framers(op: str, rng: Rng) -> Iterator[Made]:
    valid = TensorSpec((), "bool")
    for size, hop in ((5, 2), (6, 3), (7, 1), (17, 4), (3, 3), (2, 5), (1, 1)):
        for rows, frames in (((), 1), ((), 3), ((2,), 2)):
            options = {"frame_size": size, "frame_step": hop, "prefill": int(size > hop)}
            x, y = _samples(*rows, frames * hop), _samples(*rows, frames, size)
            yield ("overlapping" if size > hop else "apart"), _one(op, [x], (y, valid), **options)


def _stackers(op: str, rng: Rng) -> Iterator[Made]:
    for left in (0, 1, 2, 3, 7):
        for n in (1, 5):
            options = {"num_channels": n, "stacker_left_context": left, "stacker_right_context": 0}
            y = _samples(n * (left + 1))
            made = _one(op, [_samples(n)], (y, TensorSpec((), "bool")), stacker_step=1, **options)
            yield "frames before 0…7", made


def _additions(op: str, rng: Rng) -> Iterator[Made]:
    for size, hop in ((5, 2), (6, 3), (7, 1), (17, 4), (3, 3), (1, 1)):
        for rows, frames in (((), 1), ((), 3), ((2,), 2)):
            x, y = _samples(*rows, frames, size), _samples(*rows, frames * hop)
            yield "overlaps", _one(op, [x], y, T=_INT16_T, frame_step=hop)


_MADE: Final[dict[str, Callable[[str, Rng], Iterator[Made]]]] = {
    "CUSTOM:SignalDelay": _delays,
    "CUSTOM:SignalEnergy": _energies,
    "CUSTOM:SignalFftAutoScale": _scalings,
    "CUSTOM:SignalFilterBank": _banks,
    "CUSTOM:SignalFilterBankLog": _logarithms,
    "CUSTOM:SignalFilterBankSpectralSubtraction": _subtractions,
    "CUSTOM:SignalFilterBankSquareRoot": _roots,
    "CUSTOM:SignalFramer": _framers,
    "CUSTOM:SignalIrfft": _transforms,
    "CUSTOM:SignalOverlapAdd": _additions,
    "CUSTOM:SignalPCAN": _gains,
    "CUSTOM:SignalRfft": _transforms,
    "CUSTOM:SignalStacker": _stackers,
    "CUSTOM:SignalWindow": _windows,
}
SIGNAL: Final = tuple(_MADE)
"""The operators of this grid."""


def signal_cases(op: str, seed: int) -> Iterator[Case]:
    """The operator's models, on numbers of every size; those that keep state on successive ones."""
    for number, (shape_class, one) in enumerate(_MADE[op](op, rng_of(seed, op))):
        name = f"{op.removeprefix('CUSTOM:').lower()}-{number}.tflite"
        model = Model.from_bytes(one.content(), name)
        tensor = model.tensors[model.inputs[0]]
        x = _inputs(rng_of(seed, op, number), tensor.shape, tensor.dtype)
        if op == "CUSTOM:SignalEnergy":  # two of the least int16 leave int32
            x = np.maximum(x, -(1 << 15) + 1)
        yield Case(op, shape_class, str(number), model, x)


def _inputs(rng: Rng, shape: tuple[int, ...], name: str) -> Array:
    """The ends of the type; numbers of any magnitude; small ones; those next to powers of two and squares."""
    dtype: Any = np.dtype(name)
    limits = np.iinfo(dtype)
    x: Array = rng.integers(limits.min, limits.max, (_INVOCATIONS, *shape), dtype, endpoint=True)
    x[0] = rng.choice(np.array([limits.min, limits.max], dtype), shape)
    bits = rng.integers(0, limits.bits, x.shape).astype(dtype)
    x[2:4] >>= bits[2:4]
    x[4] = rng.integers(0, 9, shape)
    x[5] = (np.ones(shape, dtype) << bits[5]) - (rng.random(shape) < 0.5)
    if name == "uint64":
        root = x[6] >> np.uint64(32)
        x[6] = (
            root * root
            + np.where(rng.random(shape) < 0.5, root, np.uint64(0))
            + rng.integers(0, 2, shape, "uint64")
        )
    x[7] = 0
    return x
