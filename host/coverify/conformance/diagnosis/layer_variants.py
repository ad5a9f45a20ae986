"""What may be wrong in a layer: rounding, scales, zero points, bias, limits, accumulator, window, weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from coverify.conformance.diagnosis.candidate import Candidate, I64Array
from coverify.conformance.diagnosis.channel_variants import wrong_places
from coverify.conformance.diagnosis.layer import Layer, StampedLayer
from coverify.conformance.diagnosis.narrow import cut, saturated
from coverify.conformance.diagnosis.remainder_variants import remainders
from coverify.conformance.diagnosis.rounding import RULES, shifted
from tflm_int8 import Model
from tflm_int8.fixedpoint import quantize_multiplier


def layer_variants(layer: Layer, model: Model) -> Iterator[Candidate]:
    """Every variant of a layer, those that cannot differ from it left out."""
    for name, says, wrong in _changed(layer, model):
        yield Candidate(name, says, wrong.run)


def _changed(layer: Layer, model: Model) -> Iterator[tuple[str, str, Layer]]:
    for rule in RULES:
        yield rule.name, rule.says, replace(layer, scale=rule.scale)
    for by in (1, -1):
        yield (
            f"shift-off-by-{'plus' if by > 0 else 'minus'}-1",
            f"every shift is off by {by}",
            replace(layer, scale=shifted(by)),
        )
    yield from _scales(layer)
    yield from _zero_points(layer)
    yield from _biases(layer)
    yield from _limits(layer)
    yield from _accumulators(layer)
    yield from wrong_places(layer)
    yield from _orders(layer)
    yield from remainders(layer)
    yield from _foreign_weights(layer, model)


def _scales(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    m, s = layer.multiplier, layer.shift
    if len({*zip(m.tolist(), s.tolist(), strict=True)}) > 1:
        for name, at in (("first", 0), ("last", -1)):
            yield (
                f"per-tensor-scale-{name}",
                f"the {name} channel's scale serves all (per tensor instead of per channel)",
                replace(layer, multiplier=np.full_like(m, m[at]), shift=np.full_like(s, s[at])),
            )
        for by in (1, -1):
            yield (
                f"scale-of-{'next' if by < 0 else 'previous'}-channel",
                "multiplier and shift of the neighbouring channel",
                replace(layer, multiplier=np.roll(m, by), shift=np.roll(s, by)),
            )
    single = float32_scales(layer)
    if single is not None:
        yield "float32-scales", "the product of the scales is taken in float32", single


def float32_scales(layer: Layer) -> Layer | None:
    """The layer of multipliers from float32 products; None where they are the same ones."""
    node = layer.kernel.node
    x, w, out = (t.quantization for t in (node.input(layer.x), node.input(1), node.output))
    if x is None or w is None or out is None:
        return None
    products = np.float32(x.scale) * w.scales.astype(np.float32)
    multipliers = [quantize_multiplier(float(p) / float(out.scale)) for p in products]
    m = np.resize(np.array([q.value for q in multipliers], np.int64), len(layer.bias))
    s = np.resize(np.array([q.shift for q in multipliers], np.int64), len(layer.bias))
    if np.array_equal(m, layer.multiplier) and np.array_equal(s, layer.shift):
        return None
    return replace(layer, multiplier=m, shift=s)


def _zero_points(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    yield from _input_zero_points(layer)
    yield from _output_zero_points(layer)
    yield from _exchanged_zero_points(layer)
    yield from _filter_zero_points(layer)


def _input_zero_points(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """x with another zero point, in the image or outside of it."""
    if layer.z_in:
        yield "input-zero-point-missing", "x instead of x − zero point", replace(layer, z_in=0, border=0)
        yield (
            "input-zero-point-sign",
            "x + zero point instead of x − zero point",
            replace(layer, z_in=-layer.z_in, border=-layer.z_in),
        )
        yield (
            "padding-with-zero",
            "taps outside the image read the code 0, not the zero point",
            replace(layer, border=0),
        )
        yield (
            "padding-with-negated-zero-point",
            "taps outside the image read minus the zero point",
            replace(layer, border=-layer.z_in),
        )
    for by in (1, -1):
        yield (
            f"input-zero-point-off-by-{'plus' if by > 0 else 'minus'}-1",
            f"the input's zero point is off by {by}",
            replace(layer, z_in=layer.z_in + by, border=layer.z_in + by),
        )
    if layer.z_in != -128:
        yield (
            "input-zero-point-least",
            "x + 128, whatever the zero point",
            replace(layer, z_in=-128, border=-128),
        )
        yield "padding-with-least", "taps outside the image read −128", replace(layer, border=-128)


def _output_zero_points(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    if layer.z_out:
        yield "output-zero-point-missing", "the output's zero point is not added", replace(layer, z_out=0)
        yield (
            "output-zero-point-sign",
            "the output's zero point is subtracted",
            replace(layer, z_out=-layer.z_out),
        )
        yield (
            "output-zero-point-twice",
            "the output's zero point is added twice",
            replace(layer, z_out=2 * layer.z_out),
        )


def _exchanged_zero_points(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """One tensor's zero point for another's."""
    if layer.z_in != layer.z_out:
        yield (
            "output-zero-point-of-input",
            "the input's zero point is added to the output",
            replace(layer, z_out=layer.z_in),
        )
        yield (
            "input-zero-point-of-output",
            "the output's zero point is subtracted from the input",
            replace(layer, z_in=layer.z_out, border=layer.z_out),
        )
    zero = _filter_zero_point(layer)
    if zero and zero != layer.z_in:
        yield (
            "input-zero-point-of-filter",
            "the filter's zero point is subtracted from the input, too",
            replace(layer, z_in=zero, border=zero),
        )


def _filter_zero_points(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """Of a filter that has one: it is subtracted from the weights."""
    zero = _filter_zero_point(layer)
    if zero:
        yield (
            "filter-zero-point-missing",
            "w instead of w − zero point",
            replace(layer, weights=layer.weights + zero),
        )
        yield (
            "filter-zero-point-sign",
            "w + zero point instead of w − zero point",
            replace(layer, weights=layer.weights + 2 * zero),
        )
        product = layer.weights[0].size * zero * layer.z_in
        if product:
            yield (
                "product-of-zero-points-missing",
                "the product of both zero points is left out of the sum",
                replace(layer, bias=layer.bias - product),
            )


def _filter_zero_point(layer: Layer) -> int:
    quantization = layer.kernel.node.input(1).quantization
    return 0 if quantization is None else quantization.zero_point


def _biases(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    if not np.any(layer.bias):
        return
    yield "bias-missing", "no bias is added", replace(layer, bias=np.zeros_like(layer.bias))
    yield "bias-sign", "the bias is subtracted", replace(layer, bias=-layer.bias)
    for by in (1, -1):
        yield (
            f"bias-of-{'next' if by < 0 else 'previous'}-channel",
            "the bias of the neighbouring channel",
            replace(layer, bias=np.roll(layer.bias, by)),
        )
    for bits in (16, 8):
        low = cut(bits, layer.bias)
        if not np.array_equal(low, layer.bias):
            yield f"bias-in-int{bits}", f"the bias is cut to {bits} bits", replace(layer, bias=low)


def _wrapped_int8(values: I64Array, _: Layer) -> I64Array:
    return ((values + 128) & 0xFF) - 128


def _clamped_before(layer: Layer, wraps: bool) -> Layer:
    """The clamp comes before the zero point is added, and the sum wraps or is clamped to int8."""
    zero = layer.z_out

    def finish(values: I64Array, inner: Layer) -> I64Array:
        early = np.clip(values - zero, inner.lo, inner.hi) + zero
        return ((early + 128) & 0xFF) - 128 if wraps else np.clip(early, -128, 127)

    return replace(layer, finish=finish)


def _limits(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    if (layer.lo, layer.hi) != (-128, 127):
        yield "activation-missing", "the fused activation is not applied", replace(layer, lo=-128, hi=127)
    if layer.lo > -128:
        yield (
            "activation-lower-bound-missing",
            "only the upper bound of the activation holds",
            replace(layer, lo=-128),
        )
        yield (
            "activation-at-code-zero",
            "the lower bound is the code 0, not the output's zero point",
            replace(layer, lo=min(0, layer.hi)),
        )
    if layer.hi < 127:
        yield (
            "activation-upper-bound-missing",
            "only the lower bound of the activation holds",
            replace(layer, hi=127),
        )
    for name, changed in (
        ("activation-lower-bound-off-by-one", replace(layer, lo=layer.lo + 1)),
        ("activation-upper-bound-off-by-one", replace(layer, hi=layer.hi - 1)),
    ):
        if changed.lo <= changed.hi:
            yield name, "a bound of the clamp is off by one", changed
    yield (
        "output-wraps",
        "the result is cut to 8 bits instead of clamped",
        replace(layer, finish=_wrapped_int8),
    )
    if layer.z_out:
        for name, wraps in (("clamp-before-zero-point", True), ("clamp-before-and-after-zero-point", False)):
            yield name, "clamped before the zero point is added", _clamped_before(layer, wraps)


def _accumulators(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    for bits in (16, 24, 32):
        yield (
            f"accumulator-saturates-int{bits}",
            f"the accumulator saturates at {bits} bits",
            replace(layer, accumulate=partial(saturated, bits)),
        )
        yield (
            f"accumulator-wraps-int{bits}",
            f"the accumulator wraps at {bits} bits",
            replace(layer, accumulate=partial(cut, bits)),
        )
    if not isinstance(layer, StampedLayer):
        yield (
            "sums-saturate-int16",
            "the sum saturates at 16 bits after every product",
            replace(layer, each_sum=partial(saturated, 16)),
        )
    yield (
        "difference-wraps-int8",
        "x − zero point is cut to 8 bits",
        replace(layer, centred=partial(cut, 8)),
    )
    yield (
        "difference-saturates-int8",
        "x − zero point is saturated to 8 bits",
        replace(layer, centred=partial(saturated, 8)),
    )
    yield (
        "input-unsigned",
        "the input's bytes are read as uint8",
        replace(layer, read=lambda values: values & 0xFF),
    )
    yield (
        "weights-unsigned",
        "the weights' bytes are read as uint8",
        replace(layer, weights=layer.weights & 0xFF),
    )


def _orders(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    out, height, width, _ = layer.weights.shape
    for by in (1, -1):
        if out > 1:
            yield (
                f"weights-of-{'next' if by < 0 else 'previous'}-channel",
                "the weights of the neighbouring output channel",
                replace(layer, weights=np.roll(layer.weights, by, axis=0)),
            )
    if height * width > 1:
        yield (
            "filter-flipped",
            "the filter is turned by 180° (a true convolution)",
            replace(layer, weights=layer.weights[:, ::-1, ::-1]),
        )
    if height * width > 1 and height == width:
        yield (
            "filter-transposed",
            "height and width of the filter are exchanged",
            replace(layer, weights=layer.weights.transpose(0, 2, 1, 3)),
        )
    if out > 1 and layer.weights[0].size > 1:
        shape = layer.weights.shape
        by_input = layer.weights.reshape(-1, out).T.reshape(shape)
        yield (
            "weights-input-major",
            "the weights are read with the output channel last",
            replace(layer, weights=by_input),
        )
        by_output = layer.weights.reshape(out, -1).T.reshape(shape)
        yield (
            "weights-output-major",
            "the weights are read with the output channel first",
            replace(layer, weights=by_output),
        )
    if layer.n_pixels > 1 and layer.in_depth > 1:
        yield (
            "input-nchw",
            "the input is read channel by channel (NCHW)",
            replace(
                layer,
                read=lambda x: np.swapaxes(x.reshape(-1, layer.in_depth, layer.n_pixels), 1, 2),
            ),
        )
    yield from _exchanged_channels(layer)


def _exchanged_channels(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """Input channels in reverse, all of them or within words of 2 or 4."""
    depth = layer.in_depth
    if depth > 1:
        yield (
            "input-channels-swapped",
            "the input's channels are read in reverse",
            replace(layer, read=partial(_in_order, np.arange(depth)[::-1])),
        )
    for word in (2, 4):
        if depth % word == 0 and depth > word:
            turned = np.arange(depth).reshape(-1, word)[:, ::-1].reshape(-1)
            yield (
                f"input-channels-swapped-in-{word}",
                f"every {word} input channels are read in reverse (the order of bytes in a word)",
                replace(layer, read=partial(_in_order, turned)),
            )


def _in_order(channels: I64Array, x: I64Array) -> I64Array:
    return x.reshape(len(x), -1, len(channels))[..., channels]


def _foreign_weights(layer: Layer, model: Model) -> Iterator[tuple[str, str, Layer]]:
    """The weights (or bias) of another operator of the same kind and shape: stale memory."""
    node = layer.kernel.node
    for op in model.operators:
        if op.name != node.op.name or op.index == node.op.index or len(op.inputs) < 2:
            continue
        other, own = model.tensors[op.inputs[1]], node.input(1)
        if other.data is not None and other.shape == own.shape and own.data is not None:
            foreign = other.data.astype(np.int64)
            if op.name == "DEPTHWISE_CONV_2D":
                foreign = foreign.transpose(3, 1, 2, 0)
            yield (
                f"weights-of-op-{op.index}",
                f"stale weights: those of op {op.index}",
                replace(layer, weights=foreign.reshape(layer.weights.shape)),
            )
