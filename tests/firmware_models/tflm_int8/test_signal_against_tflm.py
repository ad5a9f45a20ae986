"""The signal library's operators: one by one and as a preprocessor, equal to TFLM's; what is refused."""

import os

import numpy as np
import pytest
from flatbuffers import flexbuffers

import random_signal
from model_builder import Builder
from oracle import Tflm
from preprocessor import frames, preprocessor, signal
from tflm_int8 import AccumulatorOverflow, Model, Reference, UnsupportedOp
from tflm_int8.flatbuffer import Damaged
from tflm_int8.flexbuffer import Options
from tflm_int8.kernels.signal.fixed_fft import MAX_LENGTH, RealTransform, factors

CASES = int(os.environ.get("COVERIFY_FUZZ_CASES", "30"))


def assert_equals_tflm(content: bytes, x: np.ndarray) -> Reference:
    """Every tensor of successive invocations, twice, with a reset between; but for what nobody writes."""
    reference, tflm = Reference(Model.from_bytes(content)), Tflm(content)
    trace = reference.trace(x)
    for _ in range(2):
        for i, one in enumerate(x):
            tflm.run(one.reshape(reference.input.shape))
            for tensor, values in trace.items():
                expected = np.asarray(tflm.tensor(tensor))
                assert expected.dtype == values.dtype
                written = ~reference.unwritten.get(tensor, np.zeros(values[i].shape, bool))
                message = f"sample {i}, tensor {tensor}"
                np.testing.assert_array_equal(values[i][written], expected[written], message)
        tflm.reset()
    return reference


@pytest.mark.parametrize("name", random_signal.ONE_OP)
def test_one_random_operator_equals_tflm(name):
    checked = 0
    for seed in range(CASES):
        content = random_signal.one_op(name, seed)
        reference = Reference(Model.from_bytes(content, f"{name}-{seed}"))
        x = random_signal.samples(seed, reference, 5)
        try:
            reference.run(x)
        except AccumulatorOverflow:
            continue
        assert_equals_tflm(content, x)
        checked += 1
    assert checked >= 0.8 * CASES


def test_a_preprocessor_equals_tflm_frame_after_frame():
    for n, length in ((60, 64), (400, 500)):
        x = frames(150, n)
        reference = assert_equals_tflm(preprocessor(n, length), x)
        assert len(np.unique(reference.run(x))) > 20
        assert reference.stateful


def test_the_order_in_which_the_least_int16_comes_decides_the_scale():
    """TFLM negates −32768 in 16 bits, which makes it the maximum so far, below all others."""
    b = Builder()
    x = b.tensor((4,), "int16")
    b.inputs.append(x)
    y, bits = b.tensor((4,), "int16"), b.tensor((), "int32")
    content = b.finish(b.op("CUSTOM:SignalFftAutoScale", [x], [y, bits]))
    least = -(1 << 15)
    rows = [
        [5, 9, least, -3], [least, -3, 0, 0], [least, 40, -300, 2], [5, least, -7, -9], [least] * 4,
        [least, least, -1, least], [0, 0, 0, 0], [32767, least, 1, 0], [-32767, 0, 0, 0], [1, 0, 0, -1],
    ]  # fmt: skip
    assert_equals_tflm(content, np.array(rows, np.int16))


def test_roots_next_to_squares_and_to_the_ends_of_32_and_64_bits_equal_tflm():
    rng = np.random.default_rng(2)
    roots = [0, 1, 2, 3, 46340, 65534, 65535, 65536, 65537, (1 << 31) - 1, (1 << 32) - 2, (1 << 32) - 1]
    roots += [int(v) for v in (2.0 ** rng.uniform(0, 32, 40))]
    ends = [v * v + d for v in roots for d in (-1, 0, 1, v - 1, v, v + 1, 2 * v)]
    values = np.array([v for v in [*ends, (1 << 64) - 1] if 0 <= v < 1 << 64], np.uint64)
    b = Builder()
    x = b.tensor(values.shape, "uint64")
    b.inputs.append(x)
    y = b.op("CUSTOM:SignalFilterBankSquareRoot", [x, b.integers(0)], b.tensor(values.shape, "uint32"))
    assert_equals_tflm(b.finish(y), values[None])


def test_every_length_of_radices_2_4_and_5_has_twiddle_factors_that_no_c_library_decides():
    lengths = [n for n in range(4, MAX_LENGTH + 1, 2) if factors(n // 2)]
    assert len(lengths) > 40
    assert all(RealTransform.of(n) and RealTransform.of(n, inverse=True) for n in lengths)
    assert RealTransform.of(2 * MAX_LENGTH) is None


def one(name: str, dtype: str, n: int, out: str, n_out: int, *, raw: bytes | None = None, **options) -> bytes:
    b = Builder()
    x = b.tensor((n,), dtype)
    b.inputs.append(x)
    custom = bytes(flexbuffers.Dumps(options)) if raw is None else raw
    return b.finish(b.op(f"CUSTOM:Signal{name}", [x], b.tensor((n_out,), out), custom=custom))


def test_what_nobody_defines_is_refused():
    log = {"input_correction_bits": 3, "output_scale": 1600}
    for content, why in (
        (one("Rfft", "int16", 12, "int16", 14, T=7, fft_length=12), "a transform of 12 points"),
        (one("Rfft", "int16", 14, "int16", 16, T=7, fft_length=14), "a transform of 14 points"),
        (one("Rfft", "int16", 7, "int16", 9, T=7, fft_length=7), "a transform of 7 points"),
        (one("Rfft", "int16", 2, "int16", 4, T=7, fft_length=2), "fft_length is 2"),
        (one("Rfft", "int16", 9, "int16", 10, T=7, fft_length=8), "8 points of"),
        (one("Rfft", "int16", 8, "int16", 12, T=7, fft_length=8), "8 points of"),
        (one("Rfft", "int16", 8, "int16", 10, T=2, fft_length=8), "its option T is 2"),
        (one("Rfft", "int16", 8, "int16", 10, T=7, fft_len=8), "not T and fft_length"),
        (one("Rfft", "int32", 8, "int32", 10, T=7, fft_length=8), "int16 is needed"),
        (one("Irfft", "int16", 8, "int16", 8, T=7, fft_length=8), "8 points of"),
        (one("Energy", "int16", 8, "uint32", 4, start_index=0, end_index=5), "end_index is 5"),
        (one("Energy", "int16", 8, "uint32", 4, start_index=3, end_index=2), "start_index is 3"),
        (one("Energy", "int16", 8, "uint32", 4, end_index=4), "start_index: .*has 1 elements"),
        (one("FilterBankLog", "uint32", 4, "int16", 4, **{**log, "input_correction_bits": 32}), "is 32"),
        (one("FilterBankLog", "uint32", 4, "int16", 5, **log), "not the same"),
        (one("FilterBankLog", "uint32", 4, "int16", 4, raw=b"\1\2"), "not a FlexBuffer"),
    ):
        with pytest.raises(UnsupportedOp, match=why):
            Reference(Model.from_bytes(content))


def streaming(name: str, shape, out, *, valid: bool = True, **options) -> bytes:
    b = Builder()
    x = b.tensor(shape, "int16")
    b.inputs.append(x)
    outputs = [b.tensor(out, "int16"), *([b.tensor((), "bool")] if valid else [])]
    return b.finish(signal(b, name, [x], outputs, **options))


def test_a_stream_whose_output_is_not_written_in_every_invocation_is_refused():
    frames = {"frame_size": 5, "frame_step": 3, "prefill": True}
    stack = {"num_channels": 2, "stacker_left_context": 1, "stacker_right_context": 0, "stacker_step": 1}
    adds = {"T": 7, "frame_step": 2}
    for name, shape, out, options, why in (
        ("Framer", (6,), (2, 5), {**frames, "prefill": False}, "are not all valid"),
        ("Framer", (6,), (2, 2), {**frames, "frame_size": 2}, "are not all valid"),
        ("Framer", (7,), (2, 5), frames, "samples → .* frames of 5"),
        ("Framer", (6,), (2, 6), frames, "samples → .* frames of 5"),
        ("Stacker", (2,), (4,), {**stack, "stacker_right_context": 1}, "not every output is valid"),
        ("Stacker", (2,), (4,), {**stack, "stacker_step": 2}, "not every output is valid"),
        ("Stacker", (2,), (4,), {**stack, "stacker_step": 0}, "not every output is valid"),
        ("Stacker", (2,), (6,), stack, "2 frames of 2 → 6"),
        ("Delay", (4,), (4,), {"delay_length": -1}, "delay_length is -1"),
        ("OverlapAdd", (2, 4), (4,), {**adds, "T": 0}, "its option T is 0"),
        ("OverlapAdd", (2, 4), (10,), {**adds, "frame_step": 5}, "frame_step is 5"),
        ("OverlapAdd", (2, 4), (5,), adds, "with a frame every 2"),
    ):
        content = streaming(name, shape, out, valid=name in ("Framer", "Stacker"), **options)
        with pytest.raises(UnsupportedOp, match=why):
            Reference(Model.from_bytes(content))


def test_an_energy_that_leaves_int32_is_refused_when_it_occurs():
    reference = Reference(
        Model.from_bytes(one("Energy", "int16", 2, "uint32", 1, start_index=0, end_index=1))
    )
    least = -(1 << 15)
    assert reference.run(np.array([[least, least + 1]], np.int16)) == [[(1 << 30) + ((1 << 15) - 1) ** 2]]
    with pytest.raises(AccumulatorOverflow, match="an energy leaves int32"):
        reference.run(np.array([[least, least]], np.int16))


def partial_energy(*, cut: bool, then: str = "") -> bytes:
    """The energies 1..3 of four numbers; cut: to those; then: an operator on what is left."""
    b = Builder()
    x = b.tensor((8,), "int16")
    b.inputs.append(x)
    y = signal(b, "Energy", [x], b.tensor((4,), "uint32"), start_index=1, end_index=3)
    y, n = b.op("CAST", [y], b.tensor((4,), "int32"), 37), 4
    if cut:
        y, n = b.op("SLICE", [y, b.integers([1]), b.integers([2])], b.tensor((2,), "int32")), 2
    if then == "CAST":
        y = b.op("CAST", [y], b.tensor((n,), "float32"), 37)
    elif then:
        y = b.op(then, [y, b.integers(0)], b.tensor((n,), "int32"), 11 if then == "ADD" else 39)
    return b.finish(y)


def test_elements_that_nobody_writes_reach_no_operator_and_no_output():
    x = np.arange(8, dtype=np.int16)[None]
    for then in ("", "ADD", "CAST", "MAXIMUM"):
        assert_equals_tflm(partial_energy(cut=True, then=then), x)
        with pytest.raises(UnsupportedOp, match="that no operator writes"):
            Reference(Model.from_bytes(partial_energy(cut=False, then=then)))


def test_options_are_read_as_tflm_reads_them_and_never_outside_their_bytes():
    rng = np.random.default_rng(3)
    for value in (0, 1, -1, 127, 128, -129, 40000, -(1 << 31), (1 << 31) - 1, (1 << 40) + 5):
        options = Options(bytes(flexbuffers.Dumps({"a": value, "b": True})))
        assert options.integer(0) == int(np.int64(value).astype(np.int32))
        assert options.boolean(1)
        assert options.keys() == [b"a", b"b"]
    good = bytes(flexbuffers.Dumps({"T": 7, "fft_length": 512}))
    for _ in range(3000):
        raw = bytearray(good)
        for _ in range(int(rng.integers(1, 4))):
            raw[int(rng.integers(0, len(raw)))] = int(rng.integers(0, 256))
        try:
            options = Options(
                bytes(raw[: int(rng.integers(0, len(raw) + 1))]) if rng.random() < 0.2 else bytes(raw)
            )
            assert -(1 << 31) <= options.integer(1) < 1 << 31
            options.keys()
        except Damaged:
            continue
