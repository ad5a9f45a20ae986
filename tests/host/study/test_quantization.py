"""Float networks in few bits: what is read, what the quantized ones compute, by which numbers."""

from __future__ import annotations

import io
import itertools
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from coverify.study.affine_scheme import affine
from coverify.study.errors import BadFloatNetwork, NotQuantizable
from coverify.study.fixed_scheme import fixed_point
from coverify.study.float_network import FloatLayer, FloatNetwork, is_float
from coverify.study.ranges import Ranges
from fixed_point_networks import outputs
from float_twin import twin
from model_builder import Builder
from oracle import NETWORKS, Tflm
from tflm_int8 import Model, Reference
from tflm_int8.program.concrete import run


def random_network(seed: int, sizes=(6, 5, 4, 3)) -> tuple[FloatNetwork, np.ndarray]:
    rng = np.random.default_rng(seed)
    layers = tuple(
        FloatLayer(rng.normal(0, 1 / np.sqrt(n), (m, n)), rng.normal(0, 0.2, m))
        for n, m in itertools.pairwise(sizes)
    )
    return FloatNetwork("random", layers).taking(0, 1), rng.integers(0, 256, (300, sizes[0]))


@pytest.mark.parametrize("bits", range(2, 15))
def test_a_fixed_point_network_computes_its_integers_and_stays_in_its_bits(bits):
    network, x = random_network(bits)
    found = fixed_point(network, Ranges.of(network, x), bits)
    arrays = dict(np.load(io.BytesIO(found.content)))
    got = run(found.program, x.astype(np.int16))[found.program.output]
    assert np.array_equal(got, outputs(arrays, x))
    for i in range(3):
        assert -(2 ** (bits - 1)) <= arrays[f"w{i}"].min() <= arrays[f"w{i}"].max() < 2 ** (bits - 1)
        assert int(arrays[f"hi{i}"]) - int(arrays[f"lo{i}"]) + 1 == 2**bits


def test_a_layer_worked_by_hand_gives_these_integers():
    # weights 3/8 and −1/2 of pixel/256, 4 signed bits that hold ±1/2: sixteenths, 6 and −8; outputs of up to
    # 1/2 are sixteenths as well, so that the 8 bits of the pixel are shifted out; bias 1/4 is 4 sixteenths
    network = FloatNetwork("hand", (FloatLayer(np.array([[0.375, -0.5]]) / 256, np.array([0.25])),))
    arrays = dict(np.load(io.BytesIO(fixed_point(network, Ranges((), 0.5), 4).content)))
    assert arrays["w0"].tolist() == [[6, -8]]
    assert (int(arrays["shift0"]), arrays["b0"].tolist()) == (8, [4 * 256])
    assert (int(arrays["lo0"]), int(arrays["hi0"])) == (-8, 7)


@pytest.mark.parametrize("seed", range(4))
def test_fourteen_bits_are_near_the_real_numbers(seed):
    network, x = random_network(seed)
    ranges = Ranges.of(network, x)
    found = fixed_point(network, ranges, 14)
    got = run(found.program, x.astype(np.int16))[found.program.output]
    real = network.activations(x)[-1]
    unit = Fraction(2) ** int(np.ceil(np.log2(ranges.logits))) / 2**13
    assert np.abs(got * float(unit) - real).max() < 0.02 * ranges.logits


@pytest.mark.parametrize("bits", range(2, 9))
def test_an_int8_file_of_few_bits_runs_in_tflm_as_in_the_reference_and_stays_in_its_bits(bits):
    network, x = random_network(bits)
    content = affine(network, Ranges.of(network, x), bits)
    reference, tflm = Reference(Model.from_bytes(content, "few")), Tflm(content)
    codes = (x[:40] - 128).astype(np.int8)
    trace = reference.trace(codes.reshape(40, *reference.input.shape[1:]))
    last = reference.output.index
    for sample, want in zip(codes, trace[last], strict=True):
        assert np.array_equal(tflm.run(sample.reshape(reference.input.shape)).reshape(-1), want.reshape(-1))
    for tensor, values in trace.items():
        lo, hi = (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1) if tensor == last else (-128, 2**bits - 129)
        assert lo <= values.min() and values.max() <= hi
    for tensor in reference.model.tensors:
        if tensor.data is not None and tensor.dtype == "int8":
            assert np.abs(tensor.data.astype(int)).max() == 2 ** (bits - 1) - 1


@pytest.mark.parametrize("seed", range(4))
def test_eight_bits_of_the_affine_scheme_are_near_the_real_numbers(seed):
    network, x = random_network(seed)
    ranges = Ranges.of(network, x)
    reference = Reference(Model.from_bytes(affine(network, ranges, 8), "eight"))
    got = reference.run((x - 128).astype(np.int8).reshape(len(x), *reference.input.shape[1:]))
    real = network.activations(x)[-1] / ranges.logits
    assert np.abs(got.reshape(len(x), -1) / 127 - real).max() < 0.05


@pytest.mark.parametrize("name", ["digits_mlp", "digits_cnn"])
def test_a_float_tflite_file_is_read_as_the_network_that_tflite_runs(name):
    tflite_runtime = pytest.importorskip("tflite_runtime.interpreter")
    model = Model.read(NETWORKS / f"{name}.tflite")
    if not all(op.name in ("FULLY_CONNECTED", "CONV_2D", "RESHAPE", "SOFTMAX") for op in model.operators):
        pytest.skip(f"{name} has other operators")
    content = twin(model)
    _compare(content, tflite_runtime)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 3)])
def test_a_float_convolution_is_unrolled_as_tflite_runs_it(padding, stride):
    tflite_runtime = pytest.importorskip("tflite_runtime.interpreter")
    rng = np.random.default_rng(7)
    b = Builder()
    x = b.input((1, 6, 5, 2), scale=0.01)
    y = b.conv(
        x, rng.integers(-90, 90, (3, 3, 2, 2)), rng.integers(-300, 300, 3), 0.02, 0.05, -128,
        stride=stride, padding=padding, activation=1,
    )  # fmt: skip
    n = int(np.prod(b.tensors[y].shape))
    flat = b.reshape(y, (1, n))
    z = b.fully_connected(flat, rng.integers(-90, 90, (4, n)), rng.integers(-9, 9, 4), 0.01, 0.1, 0)
    _compare(twin(Model.from_bytes(b.finish(z), "conv")), tflite_runtime)


@pytest.mark.parametrize("pool", [(2, 2), (1, 4)])
@pytest.mark.parametrize("multiplier", [1, 2])
def test_what_keras_makes_of_depthwise_pooling_and_flatten_is_read_as_tflite_runs_it(multiplier, pool):
    tflite_runtime = pytest.importorskip("tflite_runtime.interpreter")
    rng = np.random.default_rng(8)
    b = Builder()
    x = b.input((1, 8, 8, 2), scale=0.01)
    c = 2 * multiplier
    y = b.depthwise(
        x, rng.integers(-90, 90, (1, 3, 3, c)), rng.integers(-300, 300, c), 0.02, 0.05, -128,
        padding=0, activation=1,
    )  # fmt: skip
    y = b.pool(y, "AVERAGE", pool, stride=pool)
    y = b.conv(
        y, rng.integers(-90, 90, (3, 2, 2, c)), rng.integers(-300, 300, 3), 0.02, 0.05, -128,
        padding=1, activation=1,
    )  # fmt: skip
    n = int(np.prod(b.tensors[y].shape))
    whole = b.op("SHAPE", [y], b.tensor((4,), "int32"), 55, OutType=2)
    ends = [b.integers([v]) for v in (0, 1, 1)]
    first = b.op("STRIDED_SLICE", [whole, *ends], b.tensor((), "int32"), 32, ShrinkAxisMask=1)
    rows = b.op("PACK", [first, b.integers(n)], b.tensor((2,), "int32"), 59, ValuesCount=2, Axis=0)
    flat = b.op("RESHAPE", [y, rows], b.like(y, (1, n)), 17)
    z = b.fully_connected(flat, rng.integers(-90, 90, (4, n)), rng.integers(-9, 9, 4), 0.01, 0.1, 0)
    _compare(twin(Model.from_bytes(b.finish(z), "keras")), tflite_runtime)


@pytest.mark.parametrize("axes", [[1, 2], [-3, -2], [2]])
def test_what_keras_makes_of_padding_and_a_mean_is_read_as_tflite_runs_it(axes):
    """A convolution with strides behind a PAD, a mean over the image, or over its columns."""
    tflite_runtime = pytest.importorskip("tflite_runtime.interpreter")
    rng = np.random.default_rng(9)
    b = Builder()
    x = b.input((1, 7, 7, 2), scale=0.01)
    p = b.op("PAD", [x, b.integers([[0, 0], [0, 1], [1, 0], [0, 0]])], b.like(x, (1, 8, 8, 2)))
    y = b.conv(
        p, rng.integers(-90, 90, (3, 2, 2, 2)), rng.integers(-300, 300, 3), 0.02, 0.05, -128,
        stride=(2, 2), padding=1, activation=1,
    )  # fmt: skip
    y = b.op("PAD", [y, b.integers([[0, 0], [0, 0], [2, 2], [0, 0]])], b.like(y, (1, 4, 8, 3)))
    shape = (1, 3) if len(axes) == 2 else (1, 4, 3)
    y = b.op("MEAN", [y, b.integers(axes)], b.like(y, shape), 27, KeepDims=False)
    n = int(np.prod(shape))
    z = b.fully_connected(
        b.reshape(y, (1, n)), rng.integers(-90, 90, (4, n)), rng.integers(-9, 9, 4), 0.01, 0.1, 0
    )
    _compare(twin(Model.from_bytes(b.finish(z), "keras")), tflite_runtime)


def test_what_keras_makes_of_a_convolution_over_time_is_read_as_tflite_runs_it():
    tflite_runtime = pytest.importorskip("tflite_runtime.interpreter")
    rng = np.random.default_rng(10)
    b = Builder()
    x = b.input((1, 12, 3), scale=0.01)
    rows = b.op("EXPAND_DIMS", [x, b.integers([1])], b.like(x, (1, 1, 12, 3)), 52)
    y = b.conv(
        rows, rng.integers(-90, 90, (4, 1, 5, 3)), rng.integers(-300, 300, 4), 0.02, 0.05, -128,
        padding=1, activation=1,
    )  # fmt: skip
    y = b.op("RESHAPE", [y, b.integers([1, 8, 4])], b.like(y, (1, 8, 4)), 17)
    y = b.op("MEAN", [y, b.integers([1])], b.like(y, (1, 1, 4)), 27, KeepDims=True)
    y = b.op("SQUEEZE", [y], b.like(y, (4,)), 30)
    y = b.op("EXPAND_DIMS", [y, b.integers([-2])], b.like(y, (1, 4)), 52)
    z = b.fully_connected(y, rng.integers(-90, 90, (4, 4)), rng.integers(-9, 9, 4), 0.01, 0.1, 0)
    _compare(twin(Model.from_bytes(b.finish(z), "keras")), tflite_runtime)


@pytest.mark.parametrize("seed", range(40))
def test_random_chains_are_read_as_tflite_runs_them(seed):
    tflite_runtime = pytest.importorskip("tflite_runtime.interpreter")
    rng = np.random.default_rng([seed, 11])
    b = Builder()
    b.inputs = [
        b.tensor((1, int(rng.integers(2, 9)), int(rng.integers(2, 9)), int(rng.integers(1, 4))), "float32")
    ]
    y = b.inputs[0]
    for name in rng.choice(["PAD", "POOL", "CONV", "AXIS"], 4):
        y = _moved(b, rng, y, name)
    shape = b.tensors[y].shape
    axes = sorted(rng.choice([1, 2, 3], int(rng.integers(0, 3)), replace=False).tolist())
    if axes and int(np.prod([shape[k] for k in axes])) in (1, 2, 4, 8, 16):
        kept = tuple(n for k, n in enumerate(shape) if k not in axes)
        signed = [k - 4 * int(rng.integers(0, 2)) for k in axes]
        y = b.op("MEAN", [y, b.integers(signed)], b.tensor(kept, "float32"), 27, KeepDims=False)
    n = int(np.prod(b.tensors[y].shape))
    flat = b.op("RESHAPE", [y, b.integers([1, n])], b.tensor((1, n), "float32"), 17)
    weights = [_numbers(b, rng, (3, n)), _numbers(b, rng, (3,))]
    _compare(
        b.finish(b.op("FULLY_CONNECTED", [flat, *weights], b.tensor((1, 3), "float32"), 8)), tflite_runtime
    )


def _numbers(b: Builder, rng: np.random.Generator, shape: tuple[int, ...]) -> int:
    return b.tensor(shape, "float32", data=rng.normal(0, 0.5, shape).astype(np.float32))


def _moved(b: Builder, rng: np.random.Generator, y: int, name: str) -> int:
    """The operator behind y, where it fits; pools of 1, 2 and 4 pixels."""
    shape = b.tensors[y].shape
    size, stride, padding = rng.integers(1, 4, 2), rng.integers(1, 3, 2), int(rng.integers(0, 2))
    if name == "PAD":
        around = rng.integers(0, 3, (4, 2)) * np.array([[0], [1], [1], [1]])
        out = tuple(int(n) for n in around.sum(1) + shape)
        return b.op("PAD", [y, b.integers(around.tolist())], b.tensor(out, "float32"), 22)
    if name == "AXIS":
        at = int(rng.integers(0, 5))
        wide = b.tensor((*shape[:at], 1, *shape[at:]), "float32")
        wide = b.op("EXPAND_DIMS", [y, b.integers([at])], wide, 52)
        return b.op("RESHAPE", [wide, b.integers(list(shape))], b.tensor(shape, "float32"), 17)
    if name == "POOL":
        size = stride
        padding = 1
    rooms = [n - k + 1 if padding else n for n, k in zip(shape[1:3], size, strict=True)]
    rows, columns = (-(-int(room) // int(s)) for room, s in zip(rooms, stride, strict=True))
    if min(rows, columns) < 1:
        return y
    moves = {"Padding": padding, "StrideH": int(stride[0]), "StrideW": int(stride[1])}
    if name == "POOL":
        pool = {"FilterHeight": int(size[0]), "FilterWidth": int(size[1]), **moves}
        return b.op("AVERAGE_POOL_2D", [y], b.tensor((1, rows, columns, shape[3]), "float32"), 5, **pool)
    weights = [_numbers(b, rng, (2, int(size[0]), int(size[1]), shape[3])), _numbers(b, rng, (2,))]
    out = b.tensor((1, rows, columns, 2), "float32")
    return b.op("CONV_2D", [y, *weights], out, 1, FusedActivationFunction=1, **moves)


def _compare(content: bytes, tflite_runtime) -> None:
    """The layers that are read, against the float interpreter's plain kernels (its delegate adds a PAD to a
    convolution that pads, too, and computes others).
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.tflite"
        path.write_bytes(content)
        assert is_float(path)
        network = FloatNetwork.read(path)
    interpreter = tflite_runtime.Interpreter(
        model_content=content, experimental_op_resolver_type=tflite_runtime.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    where, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rng = np.random.default_rng(3)
    for _ in range(10):
        x = rng.normal(0, 1, where["shape"]).astype(np.float32)
        interpreter.set_tensor(where["index"], x)
        interpreter.invoke()
        want = interpreter.get_tensor(out["index"]).reshape(-1)
        got = network.activations(x.reshape(1, -1))[-1][0]
        if abs(want.sum() - 1) < 1e-3 and want.min() >= 0:
            got = np.exp(got - got.max()) / np.exp(got - got.max()).sum()
        assert np.abs(got - want).max() < 1e-4 * max(1, np.abs(want).max())


def test_codes_stand_for_the_range_of_real_inputs_that_is_given():
    _, x = random_network(5)
    plain = FloatNetwork("plain", tuple(random_network(5)[0].layers))
    ranged = plain.taking(-1, 3)
    real = -1 + x * 4 / 255
    assert np.allclose(ranged.activations(x)[-1], plain.activations(real)[-1])


BAD = {
    "names": {"w0": np.ones((2, 2)), "c0": np.ones(2)},
    "a gap": {"w0": np.ones((2, 2)), "b0": np.ones(2), "w2": np.ones((2, 2)), "b2": np.ones(2)},
    "integers": {"w0": np.ones((2, 2), int), "b0": np.ones(2)},
    "rank": {"w0": np.ones(2), "b0": np.ones(2)},
    "sizes": {"w0": np.ones((2, 2)), "b0": np.ones(3)},
    "chain": {"w0": np.ones((2, 2)), "b0": np.ones(2), "w1": np.ones((2, 3)), "b1": np.ones(2)},
    "not finite": {"w0": np.full((2, 2), np.nan), "b0": np.ones(2)},
    "huge": {"w0": np.full((2, 2), 1e9), "b0": np.ones(2)},
    "empty": {"w0": np.ones((0, 2)), "b0": np.ones(0)},
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_float_network_is_refused(what, tmp_path):
    np.savez(tmp_path / "bad.npz", **BAD[what])
    with pytest.raises(BadFloatNetwork):
        FloatNetwork.read(tmp_path / "bad.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(BadFloatNetwork):
        FloatNetwork.read(tmp_path / "bad.npz")


def test_widths_and_weights_that_do_not_fit_are_refused():
    network, x = random_network(1)
    ranges = Ranges.of(network, x)
    for bits in (1, 15):
        with pytest.raises(NotQuantizable):
            fixed_point(network, ranges, bits)
    for bits in (1, 9):
        with pytest.raises(NotQuantizable):
            affine(network, ranges, bits)
    far = FloatNetwork("far", (FloatLayer(np.full((2, 2), 1e-4), np.array([0.0, 1e5])),))
    with pytest.raises(NotQuantizable):
        affine(far, Ranges((), 1e5), 8)
