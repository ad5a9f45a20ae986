"""AVERAGE_POOL_2D as a sum and a division, MAX_POOL_2D as windows of indices."""

from __future__ import annotations

import numpy as np

from tflm_int8.kernels.pooling import AveragePool, MaxPool
from tflm_int8.program import primitives as p
from tflm_int8.program.linear import Convolution, repeated
from tflm_int8.program.lowering.builder import Builder


def average_pool(b: Builder, k: AveragePool) -> None:
    """A sum over the window (all weights 1), then a rounding division by the taps that count."""
    shape = k.node.input(0).shape
    ones = np.ones((shape[3], k.window.rows.kernel, k.window.columns.kernel, 1), np.int64)
    linear = repeated(Convolution(k.window, ones, shape[3]), shape[0])
    acc = b.emit(p.Affine((p.Term(b.source(k, 0), linear, 0),), np.zeros(linear.n_out, np.int64)))
    channel = np.tile(np.repeat(np.arange(k.window.n_positions), shape[3]), shape[0])
    b.requantized(acc, k.rule(), channel, k.node.output.index)


def max_pool(b: Builder, k: MaxPool) -> None:
    """Windows of indices; a tap outside the image repeats one that is inside."""
    shape = k.node.input(0).shape
    taps = k.taps()
    inside = taps < k.window.n_pixels
    first = taps[np.arange(len(taps)), inside.argmax(axis=1)]
    taps = np.where(inside, taps, first[:, None])
    windows = taps[:, None, :] * shape[3] + np.arange(shape[3])[None, :, None]
    first_pixels = np.arange(shape[0])[:, None, None] * (k.window.n_pixels * shape[3])
    windows = first_pixels + windows.reshape(-1, taps.shape[1])
    step = p.Max(b.source(k, 0), windows.reshape(-1, taps.shape[1]), k.lo, k.hi)
    b.wires[k.node.output.index] = b.emit(step)
