"""Every tensor of every operator equals TFLM's own interpreter, and the lowered program equals both."""

import gzip
import os

import numpy as np
import pytest

import random_graphs
from model_builder import Builder
from oracle import NETWORKS, Tflm, shared
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedOp, lower, sample_shape
from tflm_int8.program.concrete import run as run_program

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "60"))


def assert_equal_everywhere(content: bytes, x: np.ndarray, lowered: bool = True) -> int:
    """Compare all tensors for all samples; returns the number of bytes compared."""
    model = Model.from_bytes(content)
    reference = Reference(model)
    trace, tflm, n_bytes = reference.trace(x), Tflm(content), 0
    for i, one in enumerate(x):
        tflm.run(one.reshape(reference.input.shape))
        for tensor, values in trace.items():
            expected = tflm.tensor(tensor)
            np.testing.assert_array_equal(values[i], expected, f"sample {i}, tensor {tensor}")
            n_bytes += expected.size
    if lowered:
        program = lower(model)
        some = x[:8]
        wires = run_program(program, some.reshape(len(some), -1))
        for wire, tensor in program.tensors.items():
            if tensor in trace:
                np.testing.assert_array_equal(
                    wires[wire].reshape(-1), trace[tensor][: len(some)].reshape(-1), f"wire {wire}"
                )
    return n_bytes


@pytest.mark.parametrize("name", random_graphs.ONE_OP)
def test_one_random_operator_equals_tflm(name):
    checked = 0
    for seed in range(CASES):
        content = random_graphs.one_op(name, seed)
        model = Model.from_bytes(content, f"{name}-{seed}")
        try:
            reference = Reference(model)
        except UnsupportedOp as refusal:
            # TFLM refuses or aborts on these as well; what is not modelled must not be common.
            assert "not below one" in str(refusal) or "leaves no value" in str(refusal), refusal
            continue
        x = random_graphs.images(seed, sample_shape(reference.input), 6)
        assert_equal_everywhere(content, x)
        checked += 1
    assert checked >= 0.8 * CASES


def test_random_networks_equal_tflm():
    checked = 0
    for seed in range(CASES):
        content = random_graphs.network(seed)
        try:
            reference = Reference(Model.from_bytes(content, f"network-{seed}"))
        except UnsupportedOp as refusal:
            assert "not below one" in str(refusal) or "leaves no value" in str(refusal), refusal
            continue
        assert_equal_everywhere(content, random_graphs.images(seed, sample_shape(reference.input), 6))
        checked += 1
    assert checked >= 0.8 * CASES


def real_inputs(name: str, shape: tuple[int, ...], n: int) -> np.ndarray:
    """n real inputs for a shared model: labelled keywords, or handwritten digits laid over its input."""
    if name == "kws_ref_model":
        with np.load(shared("kws/kws01_first500.npz"), allow_pickle=False) as file:
            return file["x"][:n]
    raw = gzip.decompress(shared("mnist/mnist-t10k-images-idx3-ubyte.gz").read_bytes())[16:]
    pixels = np.frombuffer(raw, np.uint8).astype(np.int16) - 128
    size = int(np.prod(shape))
    return np.resize(pixels, n * size).astype(np.int8).reshape(n, *shape)


@pytest.mark.parametrize(
    "name", ["hello_world_int8", "micro_speech_quantized", "kws_ref_model", "pretrainedResnet_quant"]
)
def test_published_models_equal_tflm_on_200_random_and_200_real_inputs(name):
    content = shared(f"models/{name}.tflite").read_bytes()
    shape = sample_shape(Reference(Model.from_bytes(content)).input)
    assert_equal_everywhere(content, random_graphs.images(5, shape, 200), lowered=False)
    assert_equal_everywhere(content, real_inputs(name, shape, 200))


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn"])
def test_our_networks_equal_tflm_on_200_random_and_200_real_inputs(name):
    content = (NETWORKS / f"{name}.tflite").read_bytes()
    with np.load(NETWORKS / f"{name}.npz", allow_pickle=False) as file:
        real = file["x"][:200]
    assert len(real) == 200
    assert_equal_everywhere(content, random_graphs.images(6, real.shape[1:], 200))
    assert_equal_everywhere(content, real)


def test_a_float_model_is_refused_by_the_name_of_its_first_operator():
    content = shared("models/pretrainedResnet.tflite").read_bytes()
    with pytest.raises(UnsupportedOp, match=r"op 0 CONV_2D in model.tflite: tensor \d+ is float32"):
        Reference(Model.from_bytes(content))


@pytest.mark.parametrize("depth", [511, 512, 1000])
def test_a_long_softmax_equals_tflm_and_is_refused_where_tflm_aborts(depth):
    b = Builder()
    x = b.input((1, depth), 0.1, 0)
    content = b.finish(b.softmax(x))
    random = random_graphs.images(depth, (depth,), 8)[4:]
    assert_equal_everywhere(content, random, lowered=depth == 511)
    level = np.zeros((1, depth), np.int8)
    if depth == 511:
        assert_equal_everywhere(content, level)
    else:  # a sum of 512 exponentials: the interpreter ends the process there
        with pytest.raises(AccumulatorOverflow, match="TFLM aborts"):
            Reference(Model.from_bytes(content)).run(level)
