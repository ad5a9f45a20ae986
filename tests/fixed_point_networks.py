"""Fixed-point networks for tests: what one computes, written down independently, and random small ones."""

from __future__ import annotations

import io
import itertools

import numpy as np

Arrays = dict[str, np.ndarray]


def layers_of(weights, biases, shifts, ranges) -> Arrays:
    """The arrays of a network file."""
    arrays: Arrays = {"n_layers": np.array(len(weights), np.int32)}
    for i, (w, b, s, (lo, hi)) in enumerate(zip(weights, biases, shifts, ranges, strict=True)):
        arrays |= {
            f"w{i}": np.asarray(w, np.int16),
            f"b{i}": np.asarray(b, np.int64),
            f"shift{i}": np.array(s, np.int32),
            f"lo{i}": np.array(lo, np.int32),
            f"hi{i}": np.array(hi, np.int32),
        }
    return arrays


def content(arrays: Arrays) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def outputs(arrays: Arrays, x: np.ndarray) -> np.ndarray:
    """x: int [N, n] → int64 [N, n_out], with floor division instead of shifts."""
    a = np.asarray(x, np.int64)
    for i in range(int(arrays["n_layers"])):
        weights = np.asarray(arrays[f"w{i}"], np.float64).T
        assert np.abs(weights).sum(axis=0).max() * max(1, np.abs(a).max()) < 2.0**53  # float64 sums are exact
        acc = (a.astype(np.float64) @ weights).astype(np.int64) + arrays[f"b{i}"]
        step = 2 ** int(arrays[f"shift{i}"])
        rounded = (2 * acc + step) // (2 * step)  # floor(acc / step + 1/2)
        a = np.clip(rounded, int(arrays[f"lo{i}"]), int(arrays[f"hi{i}"]))
    return a


def random_network(rng: np.random.Generator) -> Arrays:
    """One to three layers of a few neurons, from barely used to heavily saturated, shift 0 included."""
    sizes = [int(rng.integers(1, 5)), *rng.integers(1, 6, int(rng.integers(0, 3))), int(rng.integers(2, 5))]
    weights, biases, shifts, ranges = [], [], [], []
    reach = 255
    for n_in, n_out in itertools.pairwise(sizes):
        big = int(rng.choice([1, 3, 20, 120]))
        weights.append(rng.integers(-big, big + 1, (n_out, n_in)))
        biases.append(rng.integers(-big * reach // 2, big * reach // 2 + 1, n_out))
        top = int(rng.choice([1, 7, 63, 255, 1023]))
        total = max(1, reach * big * n_in)
        ideal = int(np.log2(max(1, total / top)))
        shifts.append(0 if rng.random() < 0.15 else int(np.clip(ideal + rng.integers(-3, 2), 0, 30)))
        ranges.append((0, top) if rng.random() < 0.6 else (-(top + 1) // 2, top // 2))
        reach = max(abs(ranges[-1][0]), ranges[-1][1], 1)
    return layers_of(weights, biases, shifts, ranges)


def region(arrays: Arrays, rng: np.random.Generator, max_points: int) -> tuple[np.ndarray, int]:
    """An input, often near a change of the class or at an end of the pixels' range, and a radius."""
    n = arrays["w0"].shape[1]
    x = rng.integers(0, 256, (100, n))
    labels = outputs(arrays, x).argmax(axis=1)
    a, others = x[0], np.flatnonzero(labels != labels[0])
    if len(others) and rng.random() < 0.8:
        b = x[others[0]]
        for _ in range(int(rng.integers(2, 9))):
            middle = (a + b) // 2
            same = outputs(arrays, middle[None])[0].argmax() == labels[0]
            a, b = (middle, b) if same else (a, middle)
    elif rng.random() < 0.5:
        a = rng.choice([0, 1, 254, 255], n)
    most = max(1, int((max_points ** (1 / n) - 1) / 2))
    return a, int(rng.integers(1, most + 1))


def points(x0: np.ndarray, eps: int) -> np.ndarray:
    """Every input of the region, int64 [N, n]."""
    ranges = [range(max(0, v - eps), min(255, v + eps) + 1) for v in x0.tolist()]
    return np.array(list(itertools.product(*ranges)), np.int64)
