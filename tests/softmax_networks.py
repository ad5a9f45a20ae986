"""Small networks that end in a softmax whose outputs tie, and TFLM's outputs on all of a region."""

import itertools

import numpy as np

from coverify.verify.query import Robustness
from model_builder import Builder
from oracle import Tflm

N = 4


def network(seed: int) -> bytes:
    """Two inputs, four classes; the logits' scale is small in every other one, so that many of them tie."""
    rng, b = np.random.default_rng(seed), Builder()
    scale = (0.12, 0.004)[seed % 2]
    x = b.fully_connected(b.input((1, 2), 0.05, 0), rng.integers(-90, 91, (3, 2)), rng.integers(-300, 300, 3),
                          0.01, 0.06, -20, activation=1)  # fmt: skip
    y = b.fully_connected(x, rng.integers(-90, 91, (N, 3)), rng.integers(-300, 300, N), 0.01, scale, 0)
    return b.finish(b.softmax(y))


def box(rng: np.random.Generator, content: bytes, most: int = 8) -> tuple[Robustness, np.ndarray, np.ndarray]:
    """A region, its points and the interpreter's outputs there."""
    x0, width = rng.integers(-100, 100, 2), int(rng.integers(2, most + 1))
    query = Robustness.around(x0.astype(np.int16), 0, width, None, -128, 127)
    axes = [range(lo, hi + 1) for lo, hi in zip(query.lo.tolist(), query.hi.tolist(), strict=True)]
    every, tflm = np.array(list(itertools.product(*axes)), np.int8), Tflm(content)
    return query, every, np.stack([tflm.run(x[None]).reshape(-1) for x in every])
