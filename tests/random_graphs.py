"""Random valid int8 graphs as real .tflite files: one operator, or a small network of several.

A case is a pure function of its seed, so a failure is replayed by its number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from model_builder import Builder
from random_numbers import Rng, typical_scale, weights, zero_point


def _scale(rng: Rng, low=-6.0, high=0.0) -> float:
    return float(np.float32(10.0 ** rng.uniform(low, high)))


def _bias(rng: Rng, n: int, depth: int) -> np.ndarray | None:
    if rng.random() < 0.2:
        return None
    return rng.integers(-40 * depth - 1, 40 * depth + 1, n) * int(rng.integers(1, 100))


def _w_scale(rng: Rng, n: int) -> np.ndarray:
    size = n if n > 1 and rng.random() < 0.7 else 1
    return (10.0 ** rng.uniform(-3, -1, size)).astype(np.float32)


def _activation(rng: Rng) -> int:
    return int(rng.integers(0, 4))


def fully_connected(rng: Rng, b: Builder, x: int) -> int:
    spec = b.tensors[x]
    n_in = spec.shape[-1]
    n_out = int(rng.integers(1, 12))
    w = weights(rng, (n_out, n_in))
    w_scale = _w_scale(rng, n_out)
    w_zero = int(rng.integers(-20, 20)) if len(w_scale) == 1 and rng.random() < 0.2 else 0
    out_scale = typical_scale(rng, spec.scales[0], w_scale, n_in)
    bias = _bias(rng, n_out, n_in)
    act = _activation(rng)
    return b.fully_connected(x, w, bias, w_scale, out_scale, zero_point(rng), act, w_zero)


def _window(rng: Rng, b: Builder, x: int, dilate=True) -> dict:
    height, width = b.tensors[x].shape[1:3]
    padding = int(rng.integers(0, 2))
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    kernel, dilation = [], []
    for size in (height, width):
        d = int(rng.integers(1, 4)) if dilate and (stride == (1, 1) or rng.random() < 0.2) else 1
        most = size if padding == 0 else (size - 1) // d + 1
        kernel.append(int(rng.integers(1, min(most, 4) + 1)))
        dilation.append(d)
    return {"padding": padding, "stride": stride, "dilation": tuple(dilation), "kernel": tuple(kernel)}


def conv(rng: Rng, b: Builder, x: int) -> int:
    spec = b.tensors[x]
    channels = spec.shape[3]
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    n_out = groups * int(rng.integers(1, 5))
    window = _window(rng, b, x)
    w = weights(rng, (n_out, *window.pop("kernel"), channels // groups))
    w_scale = _w_scale(rng, n_out)
    depth = w[0].size
    out_scale = typical_scale(rng, spec.scales[0], w_scale, depth)
    bias = _bias(rng, n_out, depth)
    act = _activation(rng)
    return b.conv(x, w, bias, w_scale, out_scale, zero_point(rng), activation=act, **window)


def padded(rng: Rng, b: Builder, x: int, most=1) -> int:
    """PAD: up to so many elements on each side of height and width."""
    sides = np.pad(rng.integers(0, most + 1, (2, 2)), [(1, 1), (0, 0)])
    shape = tuple(int(n) for n in b.tensors[x].shape + sides.sum(axis=1))
    return b.op("PAD", [x, b.integers(sides)], b.like(x, shape))


def padded_convolution(seed: int) -> bytes:
    """A convolution of a padded image, which a dense layer may read, too, before it or after it."""
    rng = np.random.default_rng([seed, 7])
    b, joined = Builder(), rng.random() < 0.5
    x = padded(rng, b, _image(rng, b, 1 if joined else int(rng.integers(1, 3))), 4)
    layer = (conv, depthwise)[int(rng.integers(2))]
    if not joined:
        x = padded(rng, b, x, 2) if rng.random() < 0.2 else x
        return b.finish(layer(rng, b, x) if rng.random() < 0.9 else x)

    def dense(part: int) -> int:
        flat = reshape(rng, b, part)
        w = weights(rng, (3, b.tensors[flat].shape[1]))
        out_scale = typical_scale(rng, b.tensors[flat].scales[0], np.array([0.01]), w.shape[1])
        return b.fully_connected(flat, w, _bias(rng, 3, w.shape[1]), 0.01, out_scale, zero_point(rng))

    readers = [lambda: dense(layer(rng, b, x)), lambda: dense(x)]
    one, other = (reader() for reader in (readers if rng.random() < 0.5 else reversed(readers)))
    return b.finish(b.add(one, other, 2 * b.tensors[one].scales[0], zero_point(rng)))


def depthwise(rng: Rng, b: Builder, x: int) -> int:
    spec = b.tensors[x]
    n_out = spec.shape[3] * int(rng.integers(1, 4))
    window = _window(rng, b, x)
    w = weights(rng, (1, *window.pop("kernel"), n_out))
    w_scale = _w_scale(rng, n_out)
    depth = w[..., 0].size
    out_scale = typical_scale(rng, spec.scales[0], w_scale, depth)
    bias = _bias(rng, n_out, depth)
    act = _activation(rng)
    return b.depthwise(x, w, bias, w_scale, out_scale, zero_point(rng), activation=act, **window)


def pool(rng: Rng, b: Builder, x: int) -> int:
    window = _window(rng, b, x, dilate=False)
    window.pop("dilation")
    kind = "MAX" if rng.random() < 0.5 else "AVERAGE"
    return b.pool(x, kind, window["kernel"], window["stride"], window["padding"], _activation(rng))


def add(rng: Rng, b: Builder, x: int) -> int:
    """A tensor and itself, a constant of the same or of a broadcast shape, or a branch of the same shape."""
    spec = b.tensors[x]
    kind = int(rng.integers(0, 3))
    if kind == 0:
        other = x
    else:
        shape = spec.shape if kind == 1 else (1,) * (len(spec.shape) - 1) + spec.shape[-1:]
        other = b.constant(rng.integers(-128, 128, shape), _scale(rng, -3, 0), zero_point(rng))
    largest = max(spec.scales[0], b.tensors[other].scales[0])
    out_scale = float(np.float32(largest * 2 * 10.0 ** rng.uniform(-0.5, 0.5)))
    pair = (x, other) if rng.random() < 0.5 else (other, x)
    return b.add(*pair, out_scale, zero_point(rng), _activation(rng))


def reshape(rng: Rng, b: Builder, x: int) -> int:
    return b.reshape(x, (1, int(np.prod(b.tensors[x].shape))))


def softmax(rng: Rng, b: Builder, x: int) -> int:
    return b.softmax(x, float(np.float32(rng.choice([1.0, 0.5, 2.0]))))


ONE_OP: dict[str, Callable[[Rng, Builder, int], int]] = {
    "FULLY_CONNECTED": fully_connected,
    "CONV_2D": conv,
    "DEPTHWISE_CONV_2D": depthwise,
    "POOL_2D": pool,
    "ADD": add,
    "RESHAPE": reshape,
    "SOFTMAX": softmax,
}


def _image(rng: Rng, b: Builder, batch=1) -> int:
    shape = (batch, int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 7)))
    return b.input(shape, _scale(rng, -3, 0), zero_point(rng))


def one_op(name: str, seed: int) -> bytes:
    """A model of one operator of random shape, scales, zero points, padding, stride, activation."""
    rng = np.random.default_rng([seed, *name.encode()])
    b = Builder()
    if name in ("FULLY_CONNECTED", "SOFTMAX", "ADD") and rng.random() < 0.5:
        shape = (int(rng.integers(1, 4)) if name != "ADD" else 1, int(rng.integers(1, 40)))
        x = b.input(shape, _scale(rng, -4, 0.5), zero_point(rng))
    else:
        x = _image(rng, b, int(rng.choice([1, 1, 2, 3])))
    return b.finish(ONE_OP[name](rng, b, x))


def network(seed: int) -> bytes:
    """A small network: image operators with a residual branch, then dense layers, perhaps a softmax."""
    rng = np.random.default_rng([seed, 7])
    b = Builder()
    x = _image(rng, b)
    for _ in range(int(rng.integers(0, 3))):
        x = (conv, depthwise, pool, add)[int(rng.integers(0, 4))](rng, b, x)
    if rng.random() < 0.4:
        x = _residual(rng, b, x)
    x = reshape(rng, b, x)
    for _ in range(int(rng.integers(1, 3))):
        x = fully_connected(rng, b, x)
    if rng.random() < 0.4:
        x = softmax(rng, b, x)
    return b.finish(x)


def _residual(rng: Rng, b: Builder, x: int) -> int:
    """x + conv(x) with a shape-preserving convolution."""
    spec = b.tensors[x]
    channels = spec.shape[3]
    w = weights(rng, (channels, 3, 3, channels))
    w_scale = _w_scale(rng, channels)
    out_scale = typical_scale(rng, spec.scales[0], w_scale, w[0].size)
    y = b.conv(x, w, _bias(rng, channels, w[0].size), w_scale, out_scale, zero_point(rng))
    return b.add(x, y, max(spec.scales[0], out_scale) * 1.5, zero_point(rng), _activation(rng))


def images(content_seed: int, shape: tuple[int, ...], n: int) -> np.ndarray:
    """int8 [n, shape]: random values, one image of each extreme, one in few levels."""
    rng = np.random.default_rng([content_seed, 99])
    x = rng.integers(-128, 128, (n, *shape)).astype(np.int8)
    if n >= 4:
        x[0], x[1] = -128, 127
        x[2] = rng.choice([-128, 127], shape)
    return x
