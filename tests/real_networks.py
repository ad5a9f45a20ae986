"""Float networks over the reals by other means than those under test: fractions, and Z3 on rationals."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import z3

from coverify.study.float_network import FloatLayer, FloatNetwork


def random_network(seed: int, sizes: tuple[int, ...], spread: float = 1.0) -> FloatNetwork:
    """Weights normal, `spread` / √n; float32 in every second one."""
    rng = np.random.default_rng(seed)
    dtype = (np.float64, np.float32)[seed % 2]
    layers = tuple(
        FloatLayer(
            rng.normal(0, spread / np.sqrt(n), (m, n)).astype(dtype).astype(np.float64),
            rng.normal(0, 0.1 * spread, m).astype(dtype).astype(np.float64),
        )
        for n, m in itertools.pairwise(sizes)
    )
    return FloatNetwork("random", layers)


def outputs(network: FloatNetwork, x, lo: float = 0.0, hi: float = 1.0) -> list[Fraction]:
    """The outputs at codes x, in fractions."""
    width = Fraction(hi) - Fraction(lo)
    value = [Fraction(lo) + Fraction(float(code)) * width / 255 for code in x]
    for i, layer in enumerate(network.layers):
        rows = zip(layer.weights, layer.bias, strict=True)
        value = [
            sum((Fraction(w) * v for w, v in zip(row, value, strict=True)), Fraction(b)) for row, b in rows
        ]
        if i + 1 < len(network.layers):
            value = [max(v, Fraction(0)) for v in value]
    return value


def holds(network: FloatNetwork, x0, eps: int, label: int, lo: float = 0.0, hi: float = 1.0) -> bool:
    """Does every real point of the box get the label?  Z3 decides, on rationals."""
    solver = z3.Solver()
    codes = [z3.Real(f"x{i}") for i in range(network.n_input)]
    for code, base in zip(codes, map(int, x0), strict=True):
        solver.add(code >= max(0, base - eps), code <= min(255, base + eps))
    width = Fraction(hi) - Fraction(lo)
    value = [_q(Fraction(lo)) + code * _q(width / 255) for code in codes]
    for i, layer in enumerate(network.layers):
        rows = zip(layer.weights, layer.bias, strict=True)
        value = [
            z3.Sum([_q(Fraction(w)) * v for w, v in zip(row, value, strict=True)]) + _q(Fraction(b))
            for row, b in rows
        ]
        if i + 1 < len(network.layers):
            value = [z3.If(v > 0, v, z3.RealVal(0)) for v in value]
    rivals = [(j, v) for j, v in enumerate(value) if j != label]
    solver.add(z3.Or([v >= value[label] if j < label else v > value[label] for j, v in rivals]))
    said = solver.check()
    assert said != z3.unknown
    return bool(said == z3.unsat)


def _q(value: Fraction):
    return z3.Q(value.numerator, value.denominator)
