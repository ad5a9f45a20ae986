"""Files that say themselves where tensors lie: TFLM heeds them, so that both models refuse them."""

import numpy as np
import pytest

from coverify.check import Rejected
from coverify.check.certificate import network
from model_builder import Builder
from oracle import Tflm
from tflm_int8 import Model, Reference, UnsupportedModel

X = np.array([[70, -9, 100, 3]], np.int8)


def two_layers() -> tuple[Builder, int]:
    b = Builder()
    weights = np.random.default_rng(4).integers(-127, 128, (2, 4, 4))
    hidden = b.fully_connected(b.input((1, 4), 0.1, 0), weights[0], None, 0.01, 0.2, 3)
    return b, b.fully_connected(hidden, weights[1], None, 0.01, 0.4, -3)


def refused_by_both(content: bytes, why: str) -> None:
    with pytest.raises(UnsupportedModel, match=why):
        Model.from_bytes(content)
    with pytest.raises(Rejected, match=why):
        network(content, "tflm")


def plain() -> list[list[int]]:
    """What the two layers give, by TFLM and by the reference."""
    b, y = two_layers()
    content = b.finish(y)
    expected = Tflm(content).run(X)
    np.testing.assert_array_equal(Reference(Model.from_bytes(content)).run(X), expected)
    network(content, "tflm")
    return expected.tolist()


def test_a_buffer_0_that_is_not_empty_is_refused():
    """All tensors that are no constants lie in it: the second layer writes what it reads."""
    b, y = two_layers()
    b.first_buffer = np.zeros(4, np.int8)
    content = b.finish(y)
    assert Tflm(content).run(X).tolist() != plain()
    refused_by_both(content, "buffer 0 .*not empty")


def test_a_plan_of_memory_is_refused():
    """Version, subgraph, tensors and their places: the two layers' outputs overlap."""
    b, y = two_layers()
    places = [-1] * len(b.tensors)
    places[b.inputs[0]] = places[y] = places[b.ops[0].outputs[0]] = 0
    b.metadata = [("OfflineMemoryAllocation", np.array([1, 0, len(places), *places], np.int32))]
    content = b.finish(y)
    assert Tflm(content, preserve=False).run(X).tolist() != plain()
    refused_by_both(content, "OfflineMemoryAllocation")


def test_packed_constants_are_refused(capfd):
    """TFLM reads metadata of this name; here they are damaged, and it says so."""
    b, y = two_layers()
    b.metadata = [("COMPRESSION_METADATA", np.zeros(64, np.uint8))]
    content = b.finish(y)
    Tflm(content)
    assert "Compression" in capfd.readouterr().err
    refused_by_both(content, "COMPRESSION_METADATA")


@pytest.mark.parametrize("name", ["min_runtime_version", "OfflineMemoryAllocation2", ""])
def test_other_metadata_change_nothing(name):
    b, y = two_layers()
    b.metadata = [(name, np.zeros(64, np.uint8))]
    content = b.finish(y)
    assert Tflm(content).run(X).tolist() == plain()
    assert Reference(Model.from_bytes(content)).run(X).tolist() == plain()
    network(content, "tflm")
