"""A small preprocessor of sound, as an example of TFLM has one, with weights of our own; and frames."""

from __future__ import annotations

import numpy as np
from flatbuffers import flexbuffers

from model_builder import Builder


def signal(b: Builder, name: str, inputs, output, **options) -> int:
    """An operator of the signal library."""
    return b.op(f"CUSTOM:Signal{name}", inputs, output, custom=bytes(flexbuffers.Dumps(options)))


def gains() -> np.ndarray:
    """A gain that falls with the noise, in straight lines from one power of two to the next."""
    ends = 32600 / (1 + 2.0 ** np.arange(34) / 2**13) ** 0.95
    table = np.zeros(125)
    table[:2] = ends[0]
    table[2::4], table[3::4] = ends[1:32], np.diff(ends)[1:32]
    return np.round(table)


def preprocessor(n: int = 60, length: int = 64, channels: int = 5, *, narrow: bool = False) -> bytes:
    """All nine operators as an example of TFLM chains them: a frame of int16 → features of int8.

    narrow: the frame is int8, of the high halves of the samples.
    """
    rng, b, bins = np.random.default_rng(1), Builder(), length // 2 + 1
    x = b.tensor((1, n), "int8" if narrow else "int16")
    b.inputs.append(x)
    if narrow:
        x = b.op("CAST", [x], b.tensor((1, n), "int32"), 37)
        x = b.op("MUL", [x, b.integers(256)], b.tensor((1, n), "int32"), 21)
        x = b.op("CAST", [x], b.tensor((1, n), "int16"), 37)
    bell = np.round(4095 * np.hanning(n + 2)[1:-1]).astype(np.int16)
    y = signal(b, "Window", [x, b.integers(bell, "int16")], b.tensor((1, n), "int16"), shift=12)
    y = b.op("RESHAPE", [y, b.integers([n])], b.tensor((n,), "int16"), 17)
    scaled, bits = b.tensor((n,), "int16"), b.tensor((), "int32")
    b.op("CUSTOM:SignalFftAutoScale", [y], [scaled, bits])
    y = signal(b, "Rfft", [scaled], b.tensor((2 * bins,), "int16"), T=7, fft_length=length)
    y = signal(b, "Energy", [y], b.tensor((bins,), "uint32"), start_index=2, end_index=bins - 3)
    y = b.op("CAST", [y], b.tensor((bins,), "int32"), 37)
    y = b.op(
        "STRIDED_SLICE", [y, *(b.integers([v]) for v in (2, bins - 3, 1))], b.tensor((bins - 5,), "int32"), 32
    )
    parts = [b.integers([0] * 2), y, b.integers([0] * 3)]
    y = b.op("CONCATENATION", parts, b.tensor((bins,), "int32"), 10, Axis=0)
    y = b.op("CAST", [y], b.tensor((bins,), "uint32"), 37)
    widths = np.full(channels + 1, 4)
    weights = rng.integers(0, 4097, 4 * (channels + 1))
    firsts = 2 + 4 * np.arange(channels + 1)
    operands = [
        b.integers(v, "int16") for v in (weights, 4096 - weights, firsts, 4 * np.arange(channels + 1), widths)
    ]
    y = signal(b, "FilterBank", [y, *operands], b.tensor((channels,), "uint64"), num_channels=channels)
    y = b.op("CUSTOM:SignalFilterBankSquareRoot", [y, bits], b.tensor((channels,), "uint32"))
    signals, noise = b.tensor((channels,), "uint32"), b.tensor((channels,), "uint32")
    signal(
        b, "FilterBankSpectralSubtraction", [y], [signals, noise], alternate_one_minus_smoothing=15401,
        alternate_smoothing=983, clamping=False, min_signal_remaining=819, num_channels=channels,
        one_minus_smoothing=15974, smoothing=410, smoothing_bits=10, spectral_subtraction_bits=14,
    )  # fmt: skip
    y = signal(
        b, "PCAN", [signals, noise, b.integers(gains(), "int16")],
        b.tensor((channels,), "uint32"), snr_shift=6,
    )  # fmt: skip
    y = signal(
        b, "FilterBankLog", [y], b.tensor((channels,), "int16"), input_correction_bits=3, output_scale=64
    )
    y = b.op("CAST", [y], b.tensor((channels,), "int32"), 37)
    for name, operand, union in (
        ("MUL", 256, 21), ("ADD", 333, 11), ("DIV", 666, 29), ("ADD", -128, 11), ("MINIMUM", 127, 39),
        ("MAXIMUM", -128, 39),
    ):  # fmt: skip
        y = b.op(name, [y, b.integers(operand)], b.tensor((channels,), "int32"), union)
    return b.finish(b.op("CAST", [y], b.tensor((channels,), "int8"), 37))


def frames(n_frames: int, n: int) -> np.ndarray:
    """Silence, noise of any loudness, tones, full scale, ramps: [n_frames, n] of int16."""
    rng, t = np.random.default_rng(7), np.arange(n)
    kinds = (
        lambda: rng.integers(-(1 << 15), 1 << 15, n),
        lambda: rng.normal(0, 10.0 ** rng.uniform(0, 4), n),
        lambda: 20000 * np.sin(t * rng.uniform(0, 3.1)) + rng.normal(0, 50, n),
        lambda: rng.choice([-(1 << 15), (1 << 15) - 1], n),
        lambda: np.zeros(n),
        lambda: np.cumsum(rng.normal(0, 100, n)),
    )
    return np.array([np.clip(kinds[i % 6](), -(1 << 15), (1 << 15) - 1) for i in range(n_frames)]).astype(
        np.int16
    )
