"""Random models of one operator of TFLM's signal library: a case per seed.

Half of them begin and end with int8, so that they are lowered; the others have the operator's own types.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from flatbuffers import flexbuffers

from model_builder import Builder

Rng = np.random.Generator


def _input(rng: Rng, b: Builder, shape, dtype: str) -> int:
    """An input of the type, or an int8 one that is spread over it."""
    narrow = rng.random() < 0.5 and dtype != "uint64"
    x = b.tensor(shape, "int8" if narrow else dtype)
    b.inputs.append(x)
    if not narrow:
        return x
    wide = b.op("CAST", [x], b.tensor(shape, "int32"), 37)
    factor = b.integers(
        int(rng.choice([1, 3, 255, 256])) if dtype == "int16" else int(rng.integers(1, 1 << 20))
    )
    product = b.op("MUL", [wide, factor], b.tensor(shape, "int32"), 21)
    return b.op("CAST", [product], b.tensor(shape, dtype), 37)


def _output(b: Builder, y: int) -> int:
    """int8 of a tensor where the model began with int8."""
    if b.tensors[b.inputs[0]].dtype != "int8" or b.tensors[y].dtype == "uint64":
        return y
    return b.op("CAST", [y], b.tensor(b.tensors[y].shape, "int8"), 37)


def _signal(b: Builder, name: str, inputs, output, **options) -> int:
    return b.op(f"CUSTOM:Signal{name}", inputs, output, custom=bytes(flexbuffers.Dumps(options)))


def window(rng: Rng, b: Builder) -> int:
    """One frame or several; weights of any sign."""
    n, frames = int(rng.integers(1, 20)), int(rng.integers(1, 4))
    shape = (n * frames,) if rng.random() < 0.5 else (frames, n)
    x = _input(rng, b, shape, "int16")
    weights = b.integers(rng.integers(-(1 << 15), 1 << 15, n), "int16")
    shift = int(rng.integers(0, 32)) if rng.random() < 0.3 else int(rng.integers(8, 16))
    return _output(b, _signal(b, "Window", [x, weights], b.tensor(shape, "int16"), shift=shift))


def auto_scale(rng: Rng, b: Builder) -> int:
    """Both outputs are read."""
    shape = (int(rng.integers(1, 30)),)
    x = _input(rng, b, shape, "int16")
    y, bits = b.tensor(shape, "int16"), b.tensor((), "int32")
    b.op("CUSTOM:SignalFftAutoScale", [x], [y, bits])
    wide = b.op("CAST", [y], b.tensor(shape, "int32"), 37)
    return _output(b, b.op("MINIMUM", [wide, bits], b.tensor(shape, "int32"), 39))


_LENGTHS = (4, 8, 10, 16, 20, 32, 40, 50, 64, 100, 128, 160, 200, 256, 500, 512, 640)


def rfft(rng: Rng, b: Builder) -> int:
    """Frames filled up with zeros, or not."""
    length = int(rng.choice(_LENGTHS))
    n, frames = int(rng.integers(1, length + 1)) if rng.random() < 0.5 else length, int(rng.integers(1, 3))
    outer = () if frames == 1 and rng.random() < 0.5 else (frames,)
    x = _input(rng, b, (*outer, n), "int16")
    y = b.tensor((*outer, length + 2), "int16")
    return _output(b, _signal(b, "Rfft", [x], y, T=7, fft_length=length))


def irfft(rng: Rng, b: Builder) -> int:
    """Any numbers as a spectrum."""
    length = int(rng.choice(_LENGTHS))
    outer = () if rng.random() < 0.5 else (int(rng.integers(1, 3)),)
    x = _input(rng, b, (*outer, length + 2), "int16")
    y = b.tensor((*outer, length), "int16")
    return _output(b, _signal(b, "Irfft", [x], y, T=7, fft_length=length))


def energy(rng: Rng, b: Builder) -> int:
    """All numbers of a spectrum or a part, of which the others are cut away."""
    n = int(rng.integers(1, 20))
    x = _input(rng, b, (2 * n,), "int16")
    first, last = 0, n
    if rng.random() < 0.5:
        first = int(rng.integers(0, n))
        last = int(rng.integers(first + 1, n + 1))
    y = _signal(b, "Energy", [x], b.tensor((n,), "uint32"), start_index=first, end_index=last)
    wide = b.op("CAST", [y], b.tensor((n,), "int32"), 37)
    operands = [b.integers([v]) for v in (first, last, 1)]
    part = b.op("STRIDED_SLICE", [wide, *operands], b.tensor((last - first,), "int32"), 32)
    return _output(b, part)


def _bank(rng: Rng, b: Builder, x: int) -> int:
    n_in, n = b.tensors[x].shape[0], int(rng.integers(1, 9))
    widths = rng.integers(0, n_in + 1, n + 1)
    firsts = [int(rng.integers(0, n_in - w + 1)) for w in widths]
    places = np.cumsum([0, *widths[:-1]])
    least = 0 if rng.random() < 0.7 else -4096
    tables = [rng.integers(least, 4097, max(int(widths.sum()), 1)) for _ in range(2)]
    operands = [b.integers(v, "int16") for v in (*tables, firsts, places, widths)]
    return _signal(b, "FilterBank", [x, *operands], b.tensor((n,), "uint64"), num_channels=n)


def filter_bank(rng: Rng, b: Builder) -> int:
    """Bands anywhere, empty ones too; weights of any sign."""
    y = _bank(rng, b, _input(rng, b, (int(rng.integers(1, 20)),), "uint32"))
    return y if b.tensors[b.inputs[0]].dtype != "int8" else _root(rng, b, y)


def _root(rng: Rng, b: Builder, x: int) -> int:
    bits = b.integers(int(rng.integers(0, 32)) if rng.random() < 0.3 else int(rng.integers(0, 8)))
    y = b.tensor(b.tensors[x].shape, "uint32")
    return _output(b, b.op("CUSTOM:SignalFilterBankSquareRoot", [x, bits], y))


def square_root(rng: Rng, b: Builder) -> int:
    """Of uint64, or of a filter bank's sums."""
    if rng.random() < 0.5:
        return _root(rng, b, _input(rng, b, (int(rng.integers(1, 40)),), "uint64"))
    return _root(rng, b, _bank(rng, b, _input(rng, b, (int(rng.integers(1, 20)),), "uint32")))


def subtraction(rng: Rng, b: Builder) -> int:
    """Coefficients that are sensible, or any."""
    n = int(rng.integers(1, 9))
    x = _input(rng, b, (n,), "uint32")
    bits = int(rng.integers(1, 17))
    smoothing, other, least = (int(v) for v in rng.integers(0, 1 << bits, 3))
    values = [(1 << bits) - other, other, least, (1 << bits) - smoothing, smoothing]
    if rng.random() < 0.3:
        values = [int(v) for v in rng.integers(-(1 << 31), 1 << 31, 5)]
        bits = int(rng.integers(0, 64))
    y, noise = b.tensor((n,), "uint32"), b.tensor((n,), "uint32")
    _signal(
        b, "FilterBankSpectralSubtraction", [x], [y, noise], alternate_one_minus_smoothing=values[0],
        alternate_smoothing=values[1], clamping=bool(rng.integers(0, 2)), min_signal_remaining=values[2],
        num_channels=n, one_minus_smoothing=values[3], smoothing=values[4],
        smoothing_bits=int(rng.integers(0, 32 if rng.random() < 0.3 else 12)),
        spectral_subtraction_bits=bits,
    )  # fmt: skip
    return _output(b, y if rng.random() < 0.5 else noise)


def gain(rng: Rng, b: Builder) -> int:
    """A table of any entries; the noise is the signal, or a constant."""
    n = int(rng.integers(1, 12))
    x = _input(rng, b, (n,), "uint32")
    values = (2.0 ** rng.uniform(0, 32, n)).astype(np.uint32)
    noise = x if rng.random() < 0.5 else b.integers(values, "uint32")
    table = b.integers(rng.integers(-(1 << 15), 1 << 15, 125 + int(rng.integers(0, 3))), "int16")
    shift = int(rng.integers(0, 64)) if rng.random() < 0.3 else int(rng.integers(0, 16))
    return _output(b, _signal(b, "PCAN", [x, noise, table], b.tensor((n,), "uint32"), snr_shift=shift))


def logarithm(rng: Rng, b: Builder) -> int:
    """Any correction, any scale."""
    shape = (int(rng.integers(1, 30)),)
    x = _input(rng, b, shape, "uint32")
    wild = rng.random() < 0.3
    correction = int(rng.integers(0, 32 if wild else 6))
    scale = int(rng.integers(-(1 << 31), 1 << 31)) if wild else int(rng.integers(1, 1 << 14))
    return _output(
        b,
        _signal(
            b,
            "FilterBankLog",
            [x],
            b.tensor(shape, "int16"),
            input_correction_bits=correction,
            output_scale=scale,
        ),
    )


def delay(rng: Rng, b: Builder) -> int:
    """Delays shorter and longer than a frame, and none."""
    shape = tuple(int(v) for v in rng.integers(1, 7, int(rng.integers(1, 4))))
    x = _input(rng, b, shape, "int16")
    length = int(rng.integers(0, 3 * shape[-1]))
    return _output(b, _signal(b, "Delay", [x], b.tensor(shape, "int16"), delay_length=length))


def framer(rng: Rng, b: Builder) -> int:
    """Frames that overlap, after zeros; that touch each other; that leave samples out."""
    size, hop, n = (int(v) for v in rng.integers(1, (12, 6, 5)))
    outer = tuple(int(v) for v in rng.integers(1, 4, int(rng.integers(0, 3))))
    x = _input(rng, b, (*outer, n * hop), "int16")
    y, valid = b.tensor((*outer, n, size), "int16"), b.tensor((), "bool")
    prefill = size > hop or (size == hop and bool(rng.integers(0, 2)))
    _signal(b, "Framer", [x], [y, valid], frame_size=size, frame_step=hop, prefill=prefill)
    return _output(b, y)


def stacker(rng: Rng, b: Builder) -> int:
    """Frames to the left, or none."""
    channels, left = (int(v) for v in rng.integers((1, 0), (7, 5)))
    x = _input(rng, b, (channels,), "int16")
    y, valid = b.tensor((channels * (left + 1),), "int16"), b.tensor((), "bool")
    _signal(
        b, "Stacker", [x], [y, valid], num_channels=channels, stacker_left_context=left,
        stacker_right_context=0, stacker_step=1,
    )  # fmt: skip
    return _output(b, y)


def overlap_add(rng: Rng, b: Builder) -> int:
    """Frames that overlap much, little, or not at all."""
    n, size = (int(v) for v in rng.integers(1, (5, 10)))
    hop = int(rng.integers(1, size + 1))
    outer = tuple(int(v) for v in rng.integers(1, 4, int(rng.integers(0, 3))))
    x = _input(rng, b, (*outer, n, size), "int16")
    return _output(
        b, _signal(b, "OverlapAdd", [x], b.tensor((*outer, n * hop), "int16"), T=7, frame_step=hop)
    )


ONE_OP: dict[str, Callable[[Rng, Builder], int]] = {
    "SignalDelay": delay,
    "SignalEnergy": energy,
    "SignalFftAutoScale": auto_scale,
    "SignalFilterBank": filter_bank,
    "SignalFilterBankLog": logarithm,
    "SignalFilterBankSpectralSubtraction": subtraction,
    "SignalFilterBankSquareRoot": square_root,
    "SignalFramer": framer,
    "SignalIrfft": irfft,
    "SignalOverlapAdd": overlap_add,
    "SignalPCAN": gain,
    "SignalRfft": rfft,
    "SignalStacker": stacker,
    "SignalWindow": window,
}


def one_op(name: str, seed: int) -> bytes:
    """A model around one operator, as a pure function of its name and seed."""
    rng = np.random.default_rng([seed, *name.encode()])
    b = Builder()
    return b.finish(ONE_OP[name](rng, b))


def samples(seed: int, reference, n: int) -> np.ndarray:
    """n inputs: of the whole range, of any magnitude, at the ends of the type, and all zeros."""
    rng = np.random.default_rng([seed, 3])
    limits, shape = np.iinfo(reference.input.dtype), (n, *reference.input.shape)
    x = rng.integers(limits.min, limits.max, shape, reference.input.dtype, endpoint=True)
    x >>= rng.integers(0, limits.bits, shape).astype(x.dtype) * rng.integers(
        0, 2, (n, *[1] * (x.ndim - 1)), x.dtype
    )
    x[rng.random(shape) < 0.1 * rng.integers(0, 2)] = limits.max
    x[rng.random(shape) < 0.1 * rng.integers(0, 2)] = limits.min
    x[-1:] = x[-1:] * (rng.random() < 0.5)
    return x
