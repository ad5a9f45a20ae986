"""The quick forms of the kernels: taken where they must be, refused where not proved, equal at the edges.

Expected bytes are TFLM's. What is expected of the paths is written here by hand: a change that makes a
network fall back to a slow form fails a test, not a benchmark that nobody reads.
"""

import os
import tracemalloc

import numpy as np
import pytest

from model_builder import Builder
from oracle import NETWORKS, Tflm, shared
from tflm_int8 import Model, Reference, sample_shape
from tflm_int8.kernels.convolution import Convolution2D
from tflm_int8.kernels.fully_connected import FullyConnected

CASES = max(80, int(os.environ.get("COVERIFY_FUZZ_CASES", "80")))
WAYS = {
    "models/pretrainedResnet_quant.tflite": (
        "ByColumns ByRows ByRows ByColumns ByRows Pointwise ByColumns ByRows Pointwise"
    ),
    "models/kws_ref_model.tflite": (
        "ByColumns ByTap Pointwise ByTap Pointwise ByTap Pointwise ByTap Pointwise"
    ),
    "digits_cnn.tflite": "ByColumns ByColumns ByColumns",
}


def reference(name: str) -> Reference:
    path = shared(name) if "/" in name else NETWORKS / name
    return Reference(Model.read(path))


@pytest.mark.parametrize("name", WAYS)
def test_the_benchmark_networks_run_in_float32_from_the_sums_to_the_codes(name):
    found = []
    for kernel in reference(name).kernels:
        if isinstance(kernel, Convolution2D):
            found.append(type(kernel._sums).__name__)
            assert kernel._sums.dtype == np.float32
        if isinstance(kernel, Convolution2D | FullyConnected):
            assert kernel._stage is not None and kernel._stage.dtype == np.float32, kernel.node.op
            assert kernel._stage.codes == np.int16
    assert " ".join(found) == WAYS[name]


@pytest.mark.parametrize(
    "name", ["digits_mlp.tflite", "models/micro_speech_quantized.tflite", "models/hello_world_int8.tflite"]
)
def test_other_networks_have_a_float_form_for_every_sum(name):
    for kernel in reference(name).kernels:
        if isinstance(kernel, Convolution2D | FullyConnected):
            assert kernel._stage is not None, kernel.node.op


def dense(weights, bias, zero_points=(0, 0), w_scale=1e-4, out_scale=1.0, activation=0) -> bytes:
    b = Builder()
    x = b.input((1, weights.shape[1]), 1.0, zero_points[0])
    return b.finish(b.fully_connected(x, weights, bias, w_scale, out_scale, zero_points[1], activation))


def extremes(n: int, seed: int) -> np.ndarray:
    """int8 [24, n]: all at one end, every other, and rows that add up to nearly nothing or to either end."""
    rng = np.random.default_rng(seed)
    rows = [np.full(n, -128), np.full(n, 127), np.where(np.arange(n) % 2, 127, -128)]
    rows += [np.where(rng.random(n) < p, 127, -128) for p in np.linspace(0.02, 0.98, 15)]
    return np.array(rows + [rng.integers(-128, 128, n) for _ in range(6)]).astype(np.int8)


def assert_equals_tflm(content: bytes, x: np.ndarray) -> Reference:
    made, tflm = Reference(Model.from_bytes(content)), Tflm(content)
    expected = [tflm.run(one.reshape(made.input.shape)) for one in x]
    got = made.run(x.reshape(-1, *sample_shape(made.input)))
    np.testing.assert_array_equal(got.reshape(len(x), -1), np.array(expected).reshape(len(x), -1))
    for one, y in zip(x[:4], got[:4], strict=True):
        np.testing.assert_array_equal(made.run(one.reshape(1, *sample_shape(made.input)))[0], y)
    return made


@pytest.mark.parametrize("zero_points", [(-128, -128), (127, 127), (-128, 127), (0, -1)])
@pytest.mark.parametrize(("n", "dtype"), [(1032, np.float32), (1033, np.float64)])
def test_sums_on_both_sides_of_2_to_the_24_equal_tflm(n, dtype, zero_points):
    """1032 · 127 · 128 < 2^24 < 1033 · 127 · 128: the last reach that float32 holds and the next."""
    rng = np.random.default_rng(n)
    weights = np.full((6, n), 127)
    weights[1], weights[2] = -127, np.where(rng.random(n) < 0.5, 127, -127)
    weights[3:] = rng.integers(-127, 128, (3, n))
    bias = np.array([0, 5, -5, 1 << 20, -(1 << 20), 12345])
    content = dense(weights, bias, zero_points, w_scale=3.3e-5)
    made = assert_equals_tflm(content, extremes(n, n))
    assert made.kernels[0]._matrix.dtype == dtype


@pytest.mark.parametrize("lowest", [-127, -128])
@pytest.mark.parametrize("activation", [0, 1, 3])
def test_weights_at_the_ends_equal_tflm(lowest, activation):
    rng = np.random.default_rng(7)
    weights = np.where(rng.random((16, 200)) < 0.5, 127, lowest)
    bias = rng.integers(-(1 << 16), 1 << 16, 16)
    for zero_point in (-128, -3, 127):
        content = dense(weights, bias, (-128, zero_point), 1e-3, 17.0, activation)
        made = assert_equals_tflm(content, extremes(200, 3))
        assert made.kernels[0]._stage.dtype == np.float32


def test_a_bias_that_float32_does_not_hold_equals_tflm():
    """Offsets beyond 2^24 are even in float32: the search must find others or leave the type."""
    rng = np.random.default_rng(11)
    weights = rng.integers(-127, 128, (8, 64))
    bias = np.array([(1 << 24) + 1, -(1 << 24) - 1, (1 << 28) + 77, -(1 << 30) + 1, (1 << 30) - 1, 3, -3, 0])
    for w_scale in (2e-4, 1e-6, 1e-7):
        assert_equals_tflm(dense(weights, bias, (3, -4), w_scale), extremes(64, 1))


def test_a_multiplier_above_one_has_no_float_form_and_equals_tflm():
    rng = np.random.default_rng(13)
    weights = rng.integers(-2, 3, (8, 16))
    made = assert_equals_tflm(dense(weights, rng.integers(-9, 9, 8), (5, 7), 1.75), extremes(16, 2))
    assert made.kernels[0]._stage is None


def test_a_line_that_was_not_found_costs_only_time(monkeypatch):
    """Without a float form the integer rule runs, on the same sums."""
    rng = np.random.default_rng(17)
    content = dense(rng.integers(-127, 128, (8, 64)), rng.integers(-999, 999, 8), (5, 7), 0.01)
    monkeypatch.setattr("tflm_int8.kernels.requantize.prove", lambda *_: None)
    made = assert_equals_tflm(content, extremes(64, 2))
    assert made.kernels[0]._stage is None


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
@pytest.mark.parametrize("zero_point", [-128, 127])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)])
def test_convolutions_with_weights_and_zero_points_at_the_ends_equal_tflm(kind, zero_point, stride):
    rng = np.random.default_rng(19)
    b = Builder()
    x = b.input((1, 8, 8, 40), 0.5, zero_point)
    shape, n_out = ((12, 3, 3, 40), 12) if kind == "conv" else ((1, 3, 3, 40), 40)
    weights = np.where(rng.random(shape) < 0.5, 127, -128)
    scales = rng.uniform(0.001, 0.1, n_out)
    y = getattr(b, kind)(
        x, weights, rng.integers(-(1 << 18), 1 << 18, n_out), scales, 9.0, zero_point, stride=stride
    )
    assert_equals_tflm(b.finish(y), extremes(8 * 8 * 40, 5))


def random_convolution(seed: int) -> bytes:
    """A convolution large enough for every way: up to 24 x 24 pixels, 48 channels and 5 x 5 taps."""
    rng = np.random.default_rng(seed)
    height, width, kernel = int(rng.integers(5, 25)), int(rng.integers(5, 25)), rng.integers(1, 6, 2)
    n_in, n_out = int(rng.integers(1, 49)), int(rng.integers(1, 49))
    stride, dilation = ((int(rng.integers(1, 4)),) * 2, (1, 1)) if rng.random() < 0.5 else ((1, 1), (1, 1))
    if stride == (1, 1) and rng.random() < 0.3:
        dilation = (2, 2)
    padding = int(max((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)) <= min(height, width))
    b = Builder()
    x = b.input((1, height, width, n_in), float(rng.uniform(0.01, 1)), int(rng.integers(-128, 128)))
    if depthwise := rng.random() < 0.4:
        n_out = n_in * int(rng.integers(1, 3))
    shape = (1, *kernel, n_out) if depthwise else (n_out, *kernel, n_in)
    weights = rng.integers(-127, 128, shape)
    scales = rng.uniform(0.3, 1.0, n_out) / 500
    reach = float(np.sqrt(weights.size / n_out)) * 5000 * 1e-3 * b.tensors[x].scales[0]
    y = (b.depthwise if depthwise else b.conv)(
        x, weights, rng.integers(-9999, 9999, n_out), scales, reach / 100, int(rng.integers(-128, 128)),
        stride, dilation, padding & int(rng.integers(0, 2)), int(rng.choice([0, 1, 3])),
    )  # fmt: skip
    return b.finish(y)


def test_random_convolutions_run_in_every_way_and_equal_tflm():
    seen, stages = set(), []
    for seed in range(CASES):
        content = random_convolution(seed)
        size = Reference(Model.from_bytes(content)).input.size
        kernel = assert_equals_tflm(content, extremes(size, seed)[::3]).kernels[0]
        abreast = getattr(kernel._sums, "abreast", 1)
        seen.add(type(kernel._sums).__name__ + ("" if abreast == 1 else " abreast"))
        stages.append(kernel._stage is not None and kernel._stage.dtype == np.float32)
    assert seen == {"ByColumns", "ByColumns abreast", "ByRows", "ByRows abreast", "ByTap", "Pointwise"}
    assert sum(stages) > 0.7 * CASES


@pytest.mark.parametrize("zero_point", [-128, 127])
def test_a_transposed_convolution_is_proved_and_equals_tflm(zero_point):
    rng = np.random.default_rng(29)
    b = Builder()
    x = b.input((1, 5, 6, 7), 0.5, zero_point)
    weights = np.where(rng.random((4, 3, 3, 7)) < 0.5, 127, -127).astype(np.int8)
    w = b.tensor(weights.shape, "int8", [0.02], [0], 0, weights)
    bias = b.tensor((4,), "int32", [0.01], [0], 0, rng.integers(-(1 << 14), 1 << 14, 4).astype(np.int32))
    y = b.activation((1, 10, 12, 4), 7.0, zero_point)
    inputs = [b.integers([1, 10, 12, 4]), w, x, bias]
    content = b.finish(b.op("TRANSPOSE_CONV", inputs, y, 49, Padding=0, StrideH=2, StrideW=2))
    made = assert_equals_tflm(content, extremes(5 * 6 * 7, 4))
    assert made.kernels[0]._stage.dtype == np.float32


@pytest.mark.parametrize("kind", ["MAX", "AVERAGE"])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((3, 2), (2, 1), 0), ((2, 2), (2, 2), 1), ((9, 9), (1, 1), 1)]
)
def test_pools_of_codes_at_the_ends_equal_tflm(kind, kernel, stride, padding):
    for activation, zero_point in ((0, 0), (1, -5), (3, 127)):
        b = Builder()
        x = b.input((1, 9, 9, 5), 0.07, zero_point)
        content = b.finish(b.pool(x, kind, kernel, stride, padding, activation))
        assert_equals_tflm(content, extremes(9 * 9 * 5, 6))


def test_a_pool_over_more_taps_than_16_bits_sum_equals_tflm():
    b = Builder()
    x = b.input((1, 16, 17, 3), 0.07, 0)
    assert_equals_tflm(b.finish(b.pool(x, "AVERAGE", (16, 17), (1, 1), 1)), extremes(16 * 17 * 3, 8))


def test_memory_does_not_grow_with_the_batch():
    """Beyond the input and the output themselves, six blocks need no more than two."""
    made = reference("digits_cnn.tflite")
    made.run(np.zeros((made._step, 8, 8, 1), np.int8))
    peaks = []
    for blocks in (2, 6):
        x = np.zeros((blocks * made._step, 8, 8, 1), np.int8)
        tracemalloc.start()
        y = made.run(x)
        peaks.append(tracemalloc.get_traced_memory()[1] - 2 * y.nbytes)
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


def test_a_batch_is_cut_where_it_pleases_without_a_change():
    """Whatever is run together: blocks of the batch, rows and single samples give the same bytes."""
    made = reference("digits_cnn.tflite")
    x = np.random.default_rng(23).integers(-128, 128, (700, 8, 8, 1)).astype(np.int8)
    whole = made.run(x)
    for size in (1, 2, 7, 333):
        parts = [made.run(x[i : i + size]) for i in range(0, 350, size)]
        np.testing.assert_array_equal(np.concatenate(parts)[:350], whole[:350])
