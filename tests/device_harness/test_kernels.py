"""Every tensor that the C kernels write against TFLM's own interpreter, through the link, op by op."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from coverify.errors import DeviceRefused
from coverify.link.client import Client
from coverify.link.requests import Status
from model_builder import Builder
from oracle import NETWORKS, SHARED, Tflm, shared
from random_graphs import ONE_OP, images, network, one_op
from tflm_int8 import Model, Reference

INT8_MODELS = [
    "hello_world_int8.tflite",
    "micro_speech_quantized.tflite",
    "kws_ref_model.tflite",
    "pretrainedResnet_quant.tflite",
]


def assert_every_tensor_equal(client: Client, content: bytes, shape: tuple[int, ...], n: int, seed=0) -> None:
    """n inputs through TFLM and, stepped and at once, through the device."""
    plan = client.ensure_model(content)
    oracle = Tflm(content)
    for i, x in enumerate(images(seed, shape, n)):
        want = oracle.run(x)
        client.set_input(0, x.tobytes())
        client.invoke(stepped=True)
        for op in range(plan.n_operators):
            for output in client.step(op).outputs:
                tensor = oracle.tensor(output.tensor)
                assert output.data == tensor.tobytes(), f"input {i}, op {op}, tensor {output.tensor}"
        client.set_input(0, x.tobytes())
        client.invoke()
        assert client.outputs()[0].data == want.tobytes(), f"input {i}, run at once"


def input_shape(content: bytes) -> tuple[int, ...]:
    import tflite

    graph = tflite.Model.GetRootAs(content).Subgraphs(0)
    return tuple(int(d) for d in graph.Tensors(graph.Inputs(0)).ShapeAsNumpy())


@pytest.mark.parametrize("name", INT8_MODELS)
def test_published_models_agree_on_every_tensor(client, name):
    content = shared(f"models/{name}").read_bytes()
    assert_every_tensor_equal(client, content, input_shape(content), 12)


def test_the_keyword_network_agrees_on_real_inputs(client):
    content = shared("models/kws_ref_model.tflite").read_bytes()
    x = np.load(SHARED / "kws/kws01_first500.npz", allow_pickle=False)["x"][:40]
    client.ensure_model(content)
    oracle = Tflm(content)
    for sample in x.reshape(-1, 1, *input_shape(content)[1:]):
        client.set_input(0, sample.tobytes())
        client.invoke()
        assert client.outputs()[0].data == oracle.run(sample).tobytes()


@pytest.mark.parametrize(
    "path",
    sorted(path for path in NETWORKS.glob("*.tflite") if not path.stem.endswith("_float")),
    ids=lambda path: Path(path).stem,
)
def test_our_networks_agree_on_every_tensor(client, path):
    content = path.read_bytes()
    assert_every_tensor_equal(client, content, input_shape(content), 20)


def agree_or_refuse(client: Client, models: list[bytes]) -> int:
    """The number of models that the device ran; a refusal must be that of an operator's option or scale."""
    ran = 0
    for seed, content in enumerate(models):
        try:
            client.ensure_model(content)
        except DeviceRefused as refused:
            assert refused.status == Status.UNSUPPORTED, (seed, refused)
            continue
        assert_every_tensor_equal(client, content, input_shape(content), 5, seed)
        ran += 1
    return ran


@pytest.mark.parametrize("name", ONE_OP)
def test_random_models_of_one_operator_agree(client, name):
    assert agree_or_refuse(client, [one_op(name, seed) for seed in range(1000, 1060)]) >= 50


def test_random_networks_agree_on_every_tensor(client):
    assert agree_or_refuse(client, [network(seed) for seed in range(2000, 2060)]) >= 50


# -- where random inputs do not look: accumulators at the edges between two outputs --------------------


def at_the_edges(effective: float, n: int) -> np.ndarray:
    """Accumulators around which acc · effective crosses k + ½, for output steps k on both sides of 0."""
    steps = np.array([k for k in range(-120, 120, max(1, 240 * 33 // n))])
    centres = np.floor((steps + 0.5) / effective).astype(np.int64)
    acc = (centres[:, None] + np.arange(-16, 17)[None, :]).ravel()
    return acc[np.abs(acc) < 2**31 - 1]


def dense_sweeps() -> list[tuple[bytes, np.ndarray, float, float]]:
    """Dense layers whose every accumulator is its bias (the input is its zero point), at the edges between
    two outputs: (model, biases, effective scale by a float32 product of s_in and s_w, by a double one)."""
    rng = np.random.default_rng(3)
    sweeps = []
    for _ in range(8):
        s_in, s_w = (np.float32(v) for v in rng.uniform(0.001, 0.1, 2))
        s_out = np.float32(float(s_in * s_w) * 2.0 ** float(rng.uniform(21, 23.5)))
        single, double = float(s_in * s_w) / float(s_out), float(s_in) * float(s_w) / float(s_out)
        bias = at_the_edges(single, 2000)
        b = Builder()
        x = b.input((1, 1), float(s_in), 7)
        y = b.fully_connected(x, np.zeros((len(bias), 1)), bias, float(s_w), float(s_out), 0)
        sweeps.append((b.finish(y), bias, single, double))
    return sweeps


SEVEN = np.full((1, 1), 7, np.int8)


def swept(client: Client, content: bytes) -> np.ndarray:
    client.ensure_model(content)
    client.set_input(0, SEVEN.tobytes())
    client.invoke()
    return np.frombuffer(client.outputs()[0].data, np.int8)


def test_the_dense_sweep_tells_a_float32_product_of_scales_from_a_double_one():
    differs = sum(
        int(np.sum(np.floor(bias * single + 0.5) != np.floor(bias * double + 0.5)))
        for _, bias, single, double in dense_sweeps()
    )
    assert differs > 1000


def test_a_dense_layer_requantizes_as_tflm_at_every_edge(client):
    """The effective scale is a double product, as in the interpreter of 2026-10; TFLM of 2026-08 and
    TFLite 2.14 multiply s_in * s_w in float32, which this sweep would tell apart."""
    for content, *_ in dense_sweeps():
        want = Tflm(content).run(SEVEN)
        assert np.array_equal(swept(client, content), want[0])
        assert np.array_equal(Reference(Model.from_bytes(content)).run(SEVEN), want)


@pytest.mark.parametrize("kind", ["conv", "depthwise", "per_channel_dense"])
@pytest.mark.parametrize("log_scale", [2.3, 0.7, -0.5, -1.2, -2.5, -5.0, -9.0, -15.0, -22.0])
def test_per_channel_layers_requantize_as_tflm_at_every_edge(client, kind, log_scale):
    """The input is its zero point, so every accumulator is its bias: one near an edge of its own channel."""
    rng = np.random.default_rng([4, int(log_scale * 10) + 1000])
    n = 400
    s_in, s_out = np.float32(0.0217), np.float32(0.5)
    s_w = (2.0**log_scale * float(s_out) / float(s_in) * rng.uniform(0.6, 1.4, n)).astype(np.float32)
    effective = float(s_in) * s_w.astype(np.float64) / float(s_out)
    steps = rng.integers(-120, 120, n)
    bias = np.floor((steps + 0.5) / effective).astype(np.int64) + rng.integers(-12, 13, n)
    bias = np.clip(bias, -(2**31) + 1, 2**31 - 1)
    b = Builder()
    if kind == "conv":
        x = b.input((1, 1, 1, 1), float(s_in), 3)
        y = b.conv(x, np.zeros((n, 1, 1, 1)), bias, s_w, float(s_out), -4)
    elif kind == "depthwise":
        x = b.input((1, 1, 1, n), float(s_in), 3)
        y = b.depthwise(x, np.zeros((1, 1, 1, n)), bias, s_w, float(s_out), -4)
    else:
        x = b.input((1, 1), float(s_in), 3)
        y = b.fully_connected(x, np.zeros((n, 1)), bias, s_w, float(s_out), -4)
    content = b.finish(y)
    client.ensure_model(content)
    data = np.full(b.tensors[x].shape, 3, np.int8)
    client.set_input(0, data.tobytes())
    client.invoke()
    assert client.outputs()[0].data == Tflm(content).run(data).tobytes()


def test_softmax_agrees_on_all_pairs_of_values_and_many_scales(client):
    """Rows of two: every difference from 0 to 255, at scales from far below to far above 1 / 256."""
    low = np.arange(-128, 128, dtype=np.int8)
    rows = np.stack([low, np.full(256, 127, np.int8)], axis=1)
    for exponent in (-20, -12, -8, -6, -4.3, -3, -2, -1, 0, 1.7, 3, 5):
        b = Builder()
        x = b.input((256, 2), float(np.float32(2.0**exponent)), 5)
        content = b.finish(b.softmax(x))
        client.ensure_model(content)
        client.set_input(0, rows.tobytes())
        client.invoke()
        assert client.outputs()[0].data == Tflm(content).run(rows).tobytes(), exponent


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 17, 255, 511])
def test_softmax_agrees_at_any_depth_up_to_511(client, depth):
    rng = np.random.default_rng(depth)
    for scale in (1 / 64, 0.1, 0.9):
        b = Builder()
        x = b.input((4, depth), float(np.float32(scale)), 0)
        content = b.finish(b.softmax(x))
        rows = rng.integers(-128, 128, (4, depth)).astype(np.int8)
        rows[0] = 9
        client.ensure_model(content)
        client.set_input(0, rows.tobytes())
        client.invoke()
        assert client.outputs()[0].data == Tflm(content).run(rows).tobytes(), scale


def test_softmax_over_512_entries_is_refused(client):
    b = Builder()
    content = b.finish(b.softmax(b.input((1, 512), 0.1, 0)))
    with pytest.raises(DeviceRefused, match="op 0 SOFTMAX: more than 511 entries"):
        client.ensure_model(content)


def test_addition_agrees_on_all_pairs_of_values(client):
    rng = np.random.default_rng(8)
    a, b_ = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    for activation in range(4):
        s_a, s_b, s_y = (float(np.float32(v)) for v in rng.uniform(0.01, 0.2, 3))
        b = Builder()
        x = b.input((1, 256, 256), s_a, int(rng.integers(-128, 128)))
        other = b.constant(b_.astype(np.int8)[None], s_b, int(rng.integers(-128, 128)))
        content = b.finish(b.add(x, other, s_y, int(rng.integers(-128, 128)), activation))
        client.ensure_model(content)
        data = a.astype(np.int8)[None]
        client.set_input(0, data.tobytes())
        client.invoke()
        assert client.outputs()[0].data == Tflm(content).run(data).tobytes()


@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (4,)), ((2, 3, 4), (3, 1)), ((4,), (2, 3, 4)), ((2, 1, 4), (1, 3, 1))]
)
def test_addition_broadcasts_as_tflm(client, shapes):
    rng = np.random.default_rng(9)
    b = Builder()
    x = b.input(shapes[0], 0.1, -3)
    other = b.constant(rng.integers(-128, 128, shapes[1]), 0.07, 11)
    content = b.finish(b.add(x, other, 0.15, 2))
    assert_every_tensor_equal(client, content, shapes[0], 6)


def test_buffers_are_reused_yet_every_tensor_is_right_when_it_is_read(client):
    """A chain of 24 additions of 4 KiB tensors, each also with the first: at most four live at a time."""
    b = Builder()
    x = b.input((1, 4096), 0.5, 0)
    first = b.add(x, x, 1.0, 0)
    y = first
    for i in range(23):
        y = b.add(y, first, 1.0 + i / 2, i)
    content = b.finish(y)
    plan = client.ensure_model(content)
    assert plan.arena_used < 4 * 4096 + 24 * 400
    assert_every_tensor_equal(client, content, (1, 4096), 5)


def test_fused_limits_are_those_of_tflm(client):
    """Output scales at which 6 / scale or 1 / scale lies next to a half, in float32."""
    scales = [np.float32(6 / (k + 0.5)) for k in (0, 3, 50, 126)] + [
        np.float32(1 / (k + 0.5)) for k in (0, 9)
    ]
    scales += [np.nextafter(s, np.float32(d)) for s in scales for d in (0, 10)]
    for scale in scales:
        for activation in (1, 2, 3):
            b = Builder()
            x = b.input((1, 256), float(scale), -20)
            content = b.finish(b.add(x, x, float(scale), -20, activation))
            data = np.arange(-128, 128).astype(np.int8)[None]
            client.ensure_model(content)
            client.set_input(0, data.tobytes())
            client.invoke()
            assert client.outputs()[0].data == Tflm(content).run(data).tobytes(), (scale, activation)


def test_edges_are_computed_where_they_are_claimed_to_be():
    """The sweep above is only worth its name if acc · effective really straddles k + ½."""
    effective = 2.0**-22.3
    fraction = (at_the_edges(effective, 2000) * effective) % 1.0
    assert np.all(np.abs(fraction - 0.5) < 17 * effective + 1e-12)
    assert math.isclose(float(np.mean(fraction > 0.5)), 0.5, abs_tol=0.05)
