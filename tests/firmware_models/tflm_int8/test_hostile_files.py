"""Truncated and mutated .tflite files: a typed error or a model, never a crash, a hang or a blow-up."""

import os
import resource
import time

import numpy as np
import pytest

import random_elementwise
import random_graphs
import random_movement
import random_operands
import random_state
from model_builder import Builder
from oracle import NETWORKS
from tflm_int8 import MalformedModel, Model, Reference, TflmError, lower, sample_shape

MUTATIONS = int(os.environ.get("COVERIFY_FUZZ_CASES", "1500"))
CONTENT = (NETWORKS / "digits_cnn.tflite").read_bytes()
BASES = [
    *(CONTENT for _ in range(20)),
    *(random_graphs.network(seed) for seed in range(20)),
    *(random_elementwise.one_op(name, seed) for name in random_elementwise.ONE_OP for seed in range(2)),
    *(random_movement.one_op(name, seed) for name in random_movement.ONE_OP for seed in range(2)),
    *(random_operands.one_op(name, seed) for name in random_operands.ONE_OP for seed in range(2)),
    *(random_state.one_op(name, seed) for name in random_state.ONE_OP for seed in range(6)),
]


def read_and_prepare(content: bytes) -> bool:
    """True when the file was accepted."""
    try:
        reference = Reference(Model.from_bytes(content))
        lower(reference.model)
        reference.run(np.zeros((1, *sample_shape(reference.input)), reference.input.dtype))
    except TflmError:
        return False
    return True


@pytest.mark.parametrize("length", [0, 1, 3, 4, 7, 8, 20, *range(30, len(CONTENT), 97)])
def test_a_truncated_file_is_refused(length):
    with pytest.raises(TflmError):
        Reference(Model.from_bytes(CONTENT[:length]))


def mutated(rng: np.random.Generator, content: bytes) -> bytes:
    """One of: some bytes replaced, an aligned word replaced by an extreme, a span copied elsewhere."""
    raw = bytearray(content)
    kind = rng.integers(0, 3)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, len(raw) - 8))
        if kind == 0:
            raw[at] = int(rng.integers(0, 256))
        elif kind == 1:
            word = rng.choice(np.array([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 4, 0x10000], np.uint32))
            raw[at & ~3 : (at & ~3) + 4] = word.tobytes()
        else:
            source, n = int(rng.integers(0, len(raw) - 64)), int(rng.integers(1, 64))
            raw[at : at + n] = raw[source : source + n]
    return bytes(raw)


def test_mutated_files_are_refused_or_run_within_bounded_time_and_memory():
    rng = np.random.default_rng(11)
    accepted = 0
    for i in range(MUTATIONS):
        base = BASES[i % len(BASES)]
        content = mutated(rng, base)
        start = time.monotonic()
        accepted += read_and_prepare(content)
        assert time.monotonic() - start < 10, f"mutation {i} took too long"
    assert 0 < accepted < MUTATIONS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20, "more than 4 GiB were used"


def test_a_vector_that_every_tensor_shares_does_not_make_reading_slow():
    content = bytearray(b"\0" * 400_000)
    content[0:4] = (8).to_bytes(4, "little")
    with pytest.raises(MalformedModel):
        Model.from_bytes(bytes(content))


def test_a_model_whose_output_is_a_constant_gives_it_for_every_sample():
    b = Builder()
    b.input((1, 2))
    constant = b.constant(np.array([[3, -4, 5]]), 1.0, 0)
    reference = Reference(Model.from_bytes(b.finish(constant)))
    assert reference.run(np.zeros((2, 2), np.int8)).tolist() == [[3, -4, 5], [3, -4, 5]]
