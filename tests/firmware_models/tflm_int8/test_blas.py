"""A matrix product that does not keep integers is found before it computes a network."""

import numpy as np
import pytest

from model_builder import Builder
from tflm_int8 import Model, Reference
from tflm_int8.errors import WrongArithmetic
from tflm_int8.kernels import blas


def test_the_product_of_this_machine_keeps_integers():
    assert blas.keeps_integers(np.matmul)
    assert blas.keeps_integers(lambda a, b: np.einsum("ij,jk->ik", a, b))


def forgetful(a, b):
    """Sums in float32 rounded to 23 bits on the way, as of a short accumulator."""
    total = np.matmul(a, b)
    return np.rint(total / 4) * 4


def single(a, b):
    """float64 taken in float32."""
    return np.matmul(a.astype(np.float32), b.astype(np.float32)).astype(a.dtype)


def one_wrong(a, b):
    """One element of a wide product is off by one."""
    got = np.matmul(a, b)
    if got.shape[1] > 10:
        got[-1, -1] += 1
    return got


@pytest.mark.parametrize("product", [forgetful, single, one_wrong])
def test_a_product_that_loses_integers_is_found(product):
    assert not blas.keeps_integers(product)


def test_no_network_is_run_where_products_are_wrong(monkeypatch):
    b = Builder()
    x = b.input((1, 4), 0.5, 0)
    content = b.finish(b.fully_connected(x, np.ones((2, 4)), None, 0.5, 1.0, 0))
    blas.check_products.cache_clear()
    monkeypatch.setattr("tflm_int8.kernels.blas.keeps_integers", lambda _: False)
    with pytest.raises(WrongArithmetic, match=r"not exact.*OPENBLAS_CORETYPE"):
        Reference(Model.from_bytes(content))
    monkeypatch.undo()
    Reference(Model.from_bytes(content))
