"""Firmware with one defect each: a text of a copied source is replaced, the copy is built in a temporary
folder.

Each mutant names the operator that is wrong because of it and the variant that describes the defect.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from flatbuffers import flexbuffers

import random_state
from coverify.boards import build
from model_builder import Builder

HARNESS = Path(__file__).resolve().parent.parent / "device_harness"

KERNELS = "engines/kernels"


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` becomes `new`; `op`, which the network `net` has, is then wrong as `variant` says."""

    variant: str
    op: str
    file: str
    old: str
    new: str
    net: str = "layers"

    @property
    def name(self) -> str:
        return f"{self.op}-{self.variant}"


REQUANTIZE = "return k_round_shr(k_high_mul(k_wrap_shl(x, left), multiplier), right);"
ACCUMULATE = "int32_t acc = accumulate(p, image, at_y, at_x, c) + ch->bias;"
SCALED = "k_requantize(acc, ch->multiplier, ch->shift)"

MUTANTS = (
    Mutant("single-rounding", "CONV_2D", "fixedpoint.h", REQUANTIZE,
           "(void)left; (void)right; int64_t p = (int64_t)x * multiplier + ((int64_t)1 << (30 - shift));"
           " return (int32_t)(p >> (31 - shift));"),
    Mutant("truncation", "CONV_2D", "fixedpoint.h", REQUANTIZE,
           "(void)left; (void)right;"
           " return (int32_t)((int64_t)x * multiplier / ((int64_t)1 << (31 - shift)));"),
    Mutant("second-rounding-ties-up", "DEPTHWISE_CONV_2D", "fixedpoint.h",
           "(mask >> 1) + (x < 0 ? 1 : 0)", "(mask >> 1)"),
    Mutant("second-rounding-missing", "CONV_2D", "fixedpoint.h", REQUANTIZE,
           "return k_shr(k_high_mul(k_wrap_shl(x, left), multiplier), right);"),
    Mutant("first-rounding-missing", "CONV_2D", "fixedpoint.h", "((ab + nudge) /", "((ab + 0 * nudge) /"),
    Mutant("per-tensor-scale-first", "CONV_2D", "convolution.c", SCALED,
           "k_requantize(acc, p->channels[0].multiplier, p->channels[0].shift)"),
    Mutant("scale-of-next-channel", "CONV_2D", "convolution.c", SCALED,
           "k_requantize(acc, p->channels[(c + 1) % p->out_depth].multiplier,"
           " p->channels[(c + 1) % p->out_depth].shift)"),
    Mutant("bias-missing", "CONV_2D", "convolution.c", ACCUMULATE, ACCUMULATE.replace("ch->bias", "0")),
    Mutant("accumulator-wraps-int16", "CONV_2D", "convolution.c", ACCUMULATE,
           "int32_t acc = (int16_t)(accumulate(p, image, at_y, at_x, c) + ch->bias);"),
    Mutant("accumulator-saturates-int16", "CONV_2D", "convolution.c", ACCUMULATE,
           ACCUMULATE + " acc = acc > 32767 ? 32767 : acc < -32768 ? -32768 : acc;"),
    Mutant("activation-missing", "CONV_2D", "convolution.c", "k_clamp(scaled, p->limits.lo, p->limits.hi)",
           "k_clamp(scaled, -128, 127)"),
    Mutant("output-wraps", "CONV_2D", "convolution.c", "k_clamp(scaled, p->limits.lo, p->limits.hi)",
           "(int8_t)(uint8_t)((uint32_t)scaled & 0xFFu)"),
    Mutant("activation-at-code-zero", "CONV_2D", "quantize.c", "limits->lo = zero;", "limits->lo = 0;"),
    Mutant("padding-swapped", "CONV_2D", "window.c", "total / 2 : 0", "total - total / 2 : 0"),
    Mutant("input-zero-point-missing", "CONV_2D", "op_conv_2d.c", "(x[i] - z_in)", "(x[i] - 0 * z_in)"),
    Mutant("weights-of-next-channel", "CONV_2D", "op_conv_2d.c", "p->weights + channel * taps",
           "p->weights + (channel + 1) % p->out_depth * taps"),
    Mutant("input-channels-remainder-4", "CONV_2D", "op_conv_2d.c", "for (int32_t i = 0; i < n; i++)",
           "for (int32_t i = 0; i < n - n % 4; i++)"),
    Mutant("filter-flipped", "DEPTHWISE_CONV_2D", "op_depthwise_conv_2d.c", "(fy * p->x.filter + fx)",
           "((p->y.filter - 1 - fy) * p->x.filter + p->x.filter - 1 - fx)"),
    Mutant("filter-zero-point-missing", "FULLY_CONNECTED", "op_fully_connected.c", "(w[i] - z_w)",
           "(w[i] - 0 * z_w)"),
    Mutant("average-without-rounding", "AVERAGE_POOL_2D", "op_average_pool_2d.c",
           "sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n", "sum / n"),
    Mutant("average-half-added", "AVERAGE_POOL_2D", "op_average_pool_2d.c",
           "(sum - n / 2) / n", "(sum + n / 2) / n"),
    Mutant("maximum-starts-at-zero", "MAX_POOL_2D", "op_max_pool_2d.c",
           "int8_t max = INT8_MIN;", "int8_t max = 0;"),
    Mutant("input-zero-points-missing", "ADD", "sum.c", "(x - t->zero_point)", "(x - 0 * t->zero_point)"),
    Mutant("sign-of-second-input", "ADD", "sum.c", "+ p->sign *", "- p->sign *"),
    Mutant("output-zero-point-missing", "SOFTMAX", "op_softmax.c",
           "value < 2 * half ? value - half : half - 1", "value < half ? value : half - 1"),
    Mutant("index-unsigned", "LOGISTIC", "lookup.c", "values[x[i] + 128]", "values[(uint8_t)x[i]]"),
    Mutant("padding-with-zero", "PAD", "op_pad.c",
           "fill[0] = (uint8_t)k_zero_point(g, op->output);", "fill[0] = 0;"),
    Mutant("inputs-reversed", "CONCATENATION", "joining.c",
           "uint32_t n = g->tensors[op->inputs[i]].n_bytes / p->rows;\n"
           "            memcpy(out, k_read(g, op->inputs[i]) + row * n, n);",
           "uint32_t k = op->n_inputs - 1u - i;\n"
           "            uint32_t n = g->tensors[op->inputs[k]].n_bytes / p->rows;\n"
           "            memcpy(out, k_read(g, op->inputs[k]) + row * n, n);"),
    Mutant("output-zero-point-missing", "MEAN", "op_mean.c",
           "k_wrap_add(k_requantize(acc, p->multiplier, p->shift), p->z_out)",
           "k_requantize(acc, p->multiplier, p->shift)"),
    Mutant("copy-of-input-0", "TRANSPOSE", "op_transpose.c", "copy->grid.stride[0][i] = from[axis];",
           "copy->grid.stride[0][i] = copy->grid.stride[1][i];"),
)  # fmt: skip


PARTS = """for (uint32_t i = 0; i < op->n_outputs; i++) {
            uint32_t n = g->tensors[op->outputs[i]].n_bytes / p->rows;
            memcpy(k_write(g, op->outputs[i]) + row * n, from, n);"""
SIDES = """? k_requantize(value, p->above.multiplier, p->above.shift)
                         : k_requantize(value * (alpha - p->z_alpha), p->below.multiplier, p->below.shift);"""
PUSHED = "!push_feature(p, f, x, state + f * row_bytes)"
ADDED = "!add_over_time(p, f, state + f * row_bytes, &total)"
MUTANTS += tuple(Mutant(*words, net="images") for words in (
    ("other-extreme", "MINIMUM", "op_maximum.c",
     "return prepare(l, op, false);", "return prepare(l, op, true);"),
    ("compared-unsigned", "MAXIMUM", "op_maximum.c", "(left > right)", "((uint8_t)left > (uint8_t)right)"),
    ("input-1-repeated-end-to-end", "MAXIMUM", "op_maximum.c", "b[at.offset[1]]",
     "b[i % g->tensors[op->inputs[1]].n_elements]"),
    ("multipliers-exchanged", "PRELU", "op_prelu.c", SIDES,
     SIDES.replace("above", "side").replace("below", "above").replace("side", "below")),
    ("zero-point-of-input-1-missing", "PRELU", "op_prelu.c", "(alpha - p->z_alpha)", "alpha"),
    ("input-1-one-element", "PRELU", "op_prelu.c", "alpha[at.offset[1]]", "alpha[0 * at.offset[1]]"),
    ("half-pixel-centers-ignored", "RESIZE_BILINEAR", "op_resize_bilinear.c",
     "half ? scale / 2 - ONE / 2 : 0", "half ? 0 : 0"),
    ("half-added", "RESIZE_BILINEAR", "op_resize_bilinear.c", "-ONE * ONE / 2", "ONE * ONE / 2"),
    ("align-corners-ignored", "RESIZE_NEAREST_NEIGHBOR", "op_resize_nearest_neighbor.c",
     "bool align = fb_u8(fb, op->options, NEAREST_ALIGN_CORNERS, 0) != 0;", "bool align = false;"),
    ("position-floored", "RESIZE_NEAREST_NEIGHBOR", "op_resize_nearest_neighbor.c", "(double)at + 0.5", "at"),
    ("axis-ignored", "SPLIT", "parting.c", "k_elements(in, 0, axis)", "k_elements(in, 0, 0 * axis)"),
    ("parts-reversed", "UNPACK", "parting.c", PARTS,
     PARTS.replace("outputs[i]", "outputs[op->n_outputs - 1u - i]")),
    ("filter-flipped", "TRANSPOSE_CONV", "op_transpose_conv.c",
     "at + a->before - tap", "at + a->before - (a->filter - 1 - tap)"),
    ("padding-swapped", "TRANSPOSE_CONV", "op_transpose_conv.c",
     "total > 0 ? total / 2 : 0", "total - total / 2"),
    ("input-zero-point-missing", "TRANSPOSE_CONV", "op_transpose_conv.c",
     "(x[i] - z_in)", "(x[i] - 0 * z_in)"),
    ("per-tensor-scale-first", "TRANSPOSE_CONV", "op_transpose_conv.c", SCALED,
     "k_requantize(acc, p->channels[0].multiplier, p->channels[0].shift)"),
))  # fmt: skip


BRANCHES = (
    ("stride-of-height", "CONV_2D", "op_conv_2d.c", "k_axis_position(&p->x, at_x, fx)",
     "(at_x * p->y.stride - p->x.before + fx * p->x.dilation)"),
    ("image-last-column-outside", "CONV_2D", "op_conv_2d.c", "if (x >= 0 && x < p->x.in)",
     "if (x >= 0 && x < p->x.in - 1)"),
    ("column-end-not-checked", "CONV_2D", "op_conv_2d.c", "if (x >= 0 && x < p->x.in)",
     "if (x >= 0 && (x < p->x.in || y + 1 < p->y.in))"),
    ("scale-modulo-4", "CONV_2D", "convolution.c", SCALED,
     "k_requantize(acc, p->channels[c % 4].multiplier, p->channels[c % 4].shift)"),
    ("bias-missing-last-channel", "CONV_2D", "convolution.c", ACCUMULATE,
     ACCUMULATE.replace("ch->bias", "(c + 1 < p->out_depth ? ch->bias : 0)")),
    ("clamp-before-and-after-zero-point", "CONV_2D", "convolution.c",
     "k_clamp(scaled, p->limits.lo, p->limits.hi)",
     "k_clamp(k_clamp(scaled - p->z_out, p->limits.lo, p->limits.hi) + p->z_out, -128, 127)"),
    ("multiplier-in-16-bits", "CONV_2D", "channels.c",
     "        if (status == CV_OK)\n            status = check_accumulator",
     "        all[c].multiplier = (all[c].multiplier + 0x8000) & ~0xFFFF;\n"
     "        if (status == CV_OK)\n            status = check_accumulator"),
    ("groups-interleaved", "DEPTHWISE_CONV_2D", "op_depthwise_conv_2d.c", "channel / p->filters_per_group",
     "channel % p->in_depth"),
    ("first-of-batch-everywhere", "FULLY_CONNECTED", "op_fully_connected.c", "x += p->n_in)", "x += 0)"),
    ("last-element-not-summed", "SOFTMAX", "op_softmax.c",
     "for (uint32_t i = 0; i < p->depth; i++)\n        if (x[i] - max >= p->diff_min)\n            sum",
     "for (uint32_t i = 0; i + 1 < p->depth; i++)\n        if (x[i] - max >= p->diff_min)\n            sum"),
    ("slope-ignored", "LEAKY_RELU", "op_leaky_relu.c", "x < z_in ? &below : &above",
     "x < z_in ? &above : &above"),
    ("operands-exchanged", "SUB", "sum.c",
     "scaled(&p->a, a, p->left_shift) + p->sign * scaled(&p->b, b, p->left_shift)",
     "p->sign * scaled(&p->a, a, p->left_shift) + scaled(&p->b, b, p->left_shift)"),
    ("zero-point-of-input-1-sign", "MUL", "op_mul.c", "(b[at.offset[1]] - p->z_b)",
     "(b[at.offset[1]] + p->z_b)"),
    ("begin-off-by-plus-1-axis-1", "SLICE", "op_slice.c", "copy->start[0] += (int32_t)begin",
     "copy->start[0] += ((int32_t)begin + (i == 1))"),
    ("direction-ignored-axis-1", "STRIDED_SLICE", "op_strided_slice.c",
     "struct slice s = {first, n, stride};",
     "struct slice s = {stride < 0 ? first + (n - 1) * stride : first, n, stride < 0 ? -stride : stride};"),
)  # fmt: skip
MUTANTS += tuple(Mutant(*words, net="branches") for words in BRANCHES)
MUTANTS += (
    Mutant("sums-saturate-int16", "FULLY_CONNECTED", "op_fully_connected.c",
           "acc += (w[i] - z_w) * (x[i] - z_in);",
           "{ acc += (w[i] - z_w) * (x[i] - z_in);"
           " acc = acc > 32767 ? 32767 : acc < -32768 ? -32768 : acc; }"),
    Mutant("average-counts-columns-outside", "AVERAGE_POOL_2D", "op_average_pool_2d.c",
           "return rounded_mean(sum, n);",
           "return rounded_mean(sum, (k_pool_end(&p->y, at_y) - k_pool_begin(&p->y, at_y)) * p->x.filter);"),
    Mutant("division-first-cut", "MEAN", "op_mean.c",
           "int32_t acc = sum(p, x + at.offset[0]) - p->zero_sum;",
           "int32_t n = (int32_t)k_grid_size(&p->reduced);"
           " int32_t acc = (sum(p, x + at.offset[0]) - p->zero_sum) / n * n;"),
    Mutant("joined-along-axis-2", "CONCATENATION", "op_concatenation.c", "d < axis; d++)\n        *rows",
           "d + 1 < axis; d++)\n        *rows"),
)  # fmt: skip
MUTANTS += tuple(Mutant(*words, net="state") for words in (
    ("state-not-reset", "SVDF", "kernels.c", "(void)why;\n    k_state_reset(&graph);", "(void)why;"),
    ("state-starts-at-code-0", "SVDF", "state.c", "int32_t zero = t->type == K_INT8",
     "int32_t zero = t->type == K_FLOAT32"),
    ("state-shifted-backwards", "SVDF", "op_svdf.c",
     "memmove(row, row + width, (p->n_memory - 1u) * width);\n    row += (p->n_memory - 1u) * width;",
     "memmove(row + width, row, (p->n_memory - 1u) * width);"),
    ("state-lost", "SVDF", "op_svdf.c", "memmove(row, row + width, (p->n_memory - 1u) * width);", ""),
    ("state-updated-twice", "SVDF", "op_svdf.c", f"if ({PUSHED} ||", f"if ({PUSHED} || {PUSHED} ||"),
    ("state-updated-late", "SVDF", "op_svdf.c",
     f"({PUSHED} ||\n            {ADDED})", f"({ADDED} || {PUSHED})"),
    ("state-zero-point-missing", "SVDF", "op_svdf.c",
     "(element(row, j, p->wide) - p->z_s)", "element(row, j, p->wide)"),
    ("filters-interleaved", "SVDF", "op_svdf.c",
     "for (uint32_t f = unit * p->rank; f < (unit + 1u) * p->rank; f++)",
     "for (uint32_t f = unit; f < p->n_filters; f += p->n_filters / p->rank)"),
    # the plan of the arena then has tensor 13, the output, where the first SVDF's state (7) begins
    ("state-overwritten-by-tensor-13", "SVDF", "state.c",
     "t->first = -1;\n    t->last = K_FOREVER;", "t->first = -1;\n    t->last = (int32_t)l->op;"),
    ("state-shifted-backwards", "CUSTOM:CIRCULAR_BUFFER", "op_circular_buffer.c",
     "memmove(y, y + p->slot, p->kept);\n    memcpy(y + p->kept,",
     "memmove(y + p->slot, y, p->kept);\n    memcpy(y,"),
    ("state-not-reset", "CUSTOM:CIRCULAR_BUFFER", "kernels.c", "(void)why;\n    k_state_reset(&graph);",
     "(void)why;"),
))  # fmt: skip
LSTM_STEPS = "for (uint32_t t = 0; t < p->times; t++) {"
MUTANTS += tuple(Mutant(variant, "UNIDIRECTIONAL_SEQUENCE_LSTM", *words, net="lstm") for variant, *words in (
    ("hidden-state-lost", "op_unidirectional_sequence_lstm.c", LSTM_STEPS,
     "memset(hidden, p->lstm.z_h, p->lstm.n_units);\n        " + LSTM_STEPS),
    ("gates-exchanged-input-forget", "lstm_cell.c", "hidden, &gates[gate])",
     "hidden, &gates[gate < 2u ? 1u - gate : gate])"),
    ("hidden-zero-point-missing", "lstm_cell.c", "p->z_h, &of_hidden", "0, &of_hidden"),
    ("cell-shift-plus-1", "lstm_cell.c", "tanh_argument(c, p->cell_left)",
     "tanh_argument(c, p->cell_left + 1)"),
    ("clip-missing", "lstm_cell.c", "if (p->clip > 0)", "if (p->clip > INT16_MAX)"),
))  # fmt: skip
MUTANTS += tuple(Mutant(variant, "READ_VARIABLE", *words, net="variables") for variant, *words in (
    ("state-lost", "op_assign_variable.c", "memcpy(r->data, k_read(g, op->inputs[1]), r->n_bytes);",
     "(void)r;"),
    ("state-not-reset", "kernels.c", "(void)why;\n    k_state_reset(&graph);\n    k_resources_reset(&graph);",
     "(void)why;"),
    ("state-starts-at-code-0", "resource.c", "memset(r->data, r->zero,", "memset(r->data, 0,"),
))  # fmt: skip
MUTANTS += tuple(Mutant(variant, "QUANTIZE", "op_quantize.c", *words, net="unsigned") for variant, *words in (
    ("output-signed", "code > INT8_MAX ? code - 256 : code", "code - 128"),
    ("output-off-by-plus-1", "k_clamp32(y, 0, UINT8_MAX);",
     "y < 0 ? 1 : y >= UINT8_MAX ? UINT8_MAX : y + 1;"),
))  # fmt: skip
MUTANTS += (
    Mutant("input-1-repeated-end-to-end", "SQUARED_DIFFERENCE", "sum.c", "(uint32_t)at.offset[1];",
           "i % g->tensors[op->inputs[1]].n_elements;", net="errors"),
    Mutant("input-1-repeated-end-to-end", "GREATER", "op_comparison.c", "value(p, &p->b, b, at.offset[1])",
           "value(p, &p->b, b, (int32_t)(i % g->tensors[op->inputs[1]].n_elements))", net="choices"),
    Mutant("input-2-repeated-end-to-end", "SELECT_V2", "op_select_v2.c", "(uint32_t)at.offset[first ? 0 : 1]",
           "(first ? (uint32_t)at.offset[0] : i % g->tensors[op->inputs[2]].n_elements)", net="choices"),
)  # fmt: skip


def mutated(mutant: Mutant, folder: Path) -> Path:
    """A copy of the firmware's sources with the defect."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "device_harness"
    shutil.copytree(HARNESS, source, ignore=shutil.ignore_patterns("build"))
    path = source / KERNELS / mutant.file
    text = path.read_text("utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.name}: {mutant.file} has no such place, or several"
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
    return source


def remade(source: Path, machine: str, folder: Path, *changed: str) -> Path:
    """The image for one of QEMU's machines, from a copy of the sources whose files `changed` differ.

    Objects that need none of these are those of the firmware itself.  folder: where it is made.
    """
    target = build.machine_target(machine)
    shutil.copytree(build.build(target).parent, folder)
    objects = {made: made.with_suffix(".d").read_text() for made in folder.rglob("*.o")}
    same = [made for made, needs in objects.items() if not any(f"/{name}" in needs for name in changed)]
    assert 0 < len(same) < len(objects)
    command = ["make", "-s", "-C", str(source), *target.make_variables, f"BUILD={folder}"]
    (image,) = folder.glob("*.elf")
    image.unlink()
    subprocess.run([*command, *(f"--old-file={made}" for made in same)], check=True, timeout=300)
    return image


class Workshop:
    """The native firmware's objects, compiled once; a mutant needs its own file, or those that include it."""

    FLAGS = ("gcc", "-std=c99", "-O1", '-DCV_BUILD_ID="mutant"')

    def __init__(self, folder: Path) -> None:
        """folder: what `prepare` has filled."""
        self.objects = {
            source.relative_to(HARNESS): folder / f"{source.stem}.o" for source in self._all(HARNESS)
        }

    @classmethod
    def prepare(cls, folder: Path) -> None:
        for source in cls._all(HARNESS):
            cls._compiled(HARNESS, source, folder)

    @staticmethod
    def _all(harness: Path) -> list[Path]:
        return [p for d in ("agent", KERNELS, "ports/native") for p in sorted((harness / d).glob("*.c"))]

    @classmethod
    def _compiled(cls, harness: Path, source: Path, folder: Path) -> Path:
        made = folder / f"{source.stem}.o"
        includes = [f"-I{harness / d}" for d in ("agent", KERNELS, "ports/native")]
        subprocess.run([*cls.FLAGS, *includes, "-MMD", "-c", str(source), "-o", str(made)], check=True)
        return made

    def build(self, mutant: Mutant, folder: Path) -> Path:
        """The mutant's program."""
        harness = mutated(mutant, folder)
        objects = dict(self.objects)
        for source in self._all(harness):
            made = self.objects[source.relative_to(harness)]
            if f"/{mutant.file}" in made.with_suffix(".d").read_text():
                objects[source.relative_to(harness)] = self._compiled(harness, source, folder)
        program = folder / "mutant"
        subprocess.run(["gcc", *map(str, objects.values()), "-o", str(program)], check=True)
        return program


def layers() -> bytes:
    """All kinds of operators on a 7 x 6 image of five channels, with odd paddings and per-channel scales."""
    rng = np.random.default_rng(5)
    b = Builder()
    x = b.input((1, 7, 6, 5), 0.05, -5)
    p = b.op("PAD", [x, b.integers([[0, 0], [0, 1], [1, 0], [0, 0]])], b.like(x, (1, 8, 7, 5)))
    w = rng.integers(-127, 128, (6, 3, 2, 5))
    c = b.conv(
        p, w, rng.integers(-3000, 3000, 6), rng.uniform(0.001, 0.03, 6), 0.11, -20, (2, 2), activation=1
    )
    assert b.tensors[c].shape == (1, 4, 4, 6)
    d = b.depthwise(c, rng.integers(-127, 128, (1, 2, 3, 6)), rng.integers(-900, 900, 6),
                    rng.uniform(0.002, 0.02, 6), 0.13, 11)  # fmt: skip
    a = b.add(d, c, 0.2, 7)
    j = b.op(
        "CONCATENATION",
        [a, b.constant(rng.integers(-128, 128, (1, 4, 4, 3)), 0.2, 7)],
        b.like(a, (1, 4, 4, 9)),
        10,
        Axis=3,
    )
    t = b.op("TRANSPOSE", [j, b.integers([0, 2, 1, 3])], b.like(j, (1, 4, 4, 9)))
    v = b.pool(t, "AVERAGE", (2, 3), (1, 1))
    m = b.pool(v, "MAX", (2, 2), (2, 1))
    s = b.op("LOGISTIC", [m], b.activation(b.tensors[m].shape, 1 / 256, -128))
    g = b.op("MEAN", [s, b.integers([1])], b.activation((1, 4, 9), 1 / 300, -100), 27, KeepDims=False)
    f = b.fully_connected(
        b.reshape(g, (1, 36)),
        rng.integers(-127, 128, (7, 36)),
        rng.integers(-900, 900, 7),
        0.02,
        0.04,
        3,
        w_zero_point=9,
    )
    return b.finish(b.softmax(f))


def images() -> bytes:
    """Operators that choose, resize, part and enlarge an image of 7 x 6 and six channels."""
    rng = np.random.default_rng(8)
    b = Builder()
    x = b.input((1, 7, 6, 6), 0.05, -5)
    rows = b.constant(rng.integers(-60, 60, (1, 7, 1, 1)), 0.05, -5)
    m = b.op("MAXIMUM", [x, rows], b.like(x, (1, 7, 6, 6)))
    m = b.op("MINIMUM", [m, b.constant(rng.integers(-20, 120, (6, 1)), 0.05, -5)], b.like(x, (1, 7, 6, 6)))
    slope = b.constant(rng.integers(-128, 128, (1, 1, 6)), 0.011, 7)
    p = b.op("PRELU", [m, slope], b.activation((1, 7, 6, 6), 0.04, -40))
    r = b.op("RESIZE_BILINEAR", [p, b.integers([9, 11])], b.like(p, (1, 9, 11, 6)), 15, HalfPixelCenters=True)
    q = b.op(
        "RESIZE_NEAREST_NEIGHBOR", [r, b.integers([13, 8])], b.like(p, (1, 13, 8, 6)), 74, AlignCorners=True
    )
    halves = [b.like(p, (1, 13, 4, 6)) for _ in range(2)]
    b.op("SPLIT", [b.integers(2), q], halves, 35, NumSplits=2)
    parts = [b.like(p, (1, n, 4, 6)) for n in (6, 7)]
    b.op("SPLIT_V", [halves[0], b.integers([6, 7]), b.integers(1)], parts, 79, NumSplits=2)
    b.op("UNPACK", [parts[0]], [b.like(p, (1, 6, 6)) for _ in range(4)], 64, Num=4, Axis=2)
    w, scales = rng.integers(-127, 128, (3, 4, 3, 6)), rng.uniform(0.001, 0.01, 3)
    _, weights, bias = b.layer_inputs(halves[1], w, rng.integers(-3000, 3000, 3), scales, 0)
    y = b.activation((1, 25, 11, 3), 0.09, -20)
    operands = [b.integers([1, 25, 11, 3]), weights, halves[1], bias]
    return b.finish(b.op("TRANSPOSE_CONV", operands, y, 49, Padding=0, StrideH=2, StrideW=3))


def branches() -> bytes:
    """Dilations, unequal strides, a depth multiplier, functions, differences, slices of a 9 x 8 image."""
    rng = np.random.default_rng(11)
    b = Builder()

    def filters(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape)

    def biases(n: int) -> np.ndarray:
        return rng.integers(-3000, 3000, n)

    x = b.input((1, 9, 8, 4), 0.05, -9)
    c = b.conv(
        x,
        filters(10, 3, 3, 4),
        biases(10),
        rng.uniform(0.001, 0.02, 10),
        0.12,
        -20,
        (1, 1),
        (2, 1),
        activation=3,
    )
    d = b.depthwise(
        c, filters(1, 3, 2, 20), biases(20), rng.uniform(0.002, 0.02, 20), 0.13, 11, dilation=(1, 2)
    )
    c = b.conv(d, filters(6, 3, 3, 20), biases(6), rng.uniform(0.001, 0.01, 6), 0.12, 5, (2, 1))
    shape = b.tensors[c].shape
    assert shape == (1, 5, 8, 6)
    leaky = b.op("LEAKY_RELU", [c], b.activation(shape, 0.1, -3), 75, Alpha=0.3)
    swish = b.op("HARD_SWISH", [leaky], b.activation(shape, 0.08, 4))
    s = b.op("SUB", [swish, leaky], b.activation(shape, 0.2, 4), 28)
    factor = b.constant(rng.integers(-128, 128, (8, 6)), 0.02, -7)
    m = b.op("MUL", [s, factor], b.activation(shape, 0.15, 9), 21, FusedActivationFunction=1)
    q = b.op("QUANTIZE", [m], b.activation(shape, 0.11, -30), 89)
    r = b.op("RELU", [q], b.activation(shape, 0.1, -25))
    part = b.op("SLICE", [r, b.integers([0, 0, 2, 1]), b.integers([1, 4, 5, 4])], b.like(r, (1, 4, 5, 4)), 48)
    ends = [b.integers(v) for v in ([0, 3, 0, 0], [1, -5, 5, 4], [1, -1, 2, 1])]
    turned = b.op("STRIDED_SLICE", [part, *ends], b.like(r, (1, 4, 3, 4)), 32)
    pair = b.op("PACK", [turned, turned], b.like(r, (1, 4, 2, 3, 4)), 59, ValuesCount=2, Axis=2)
    f = b.fully_connected(b.reshape(pair, (4, 24)), filters(6, 24), biases(6), 0.01, 0.05, 3, w_zero_point=-7)
    return b.finish(b.softmax(f))


def errors() -> bytes:
    """The mean of squared differences from one row's values."""
    rng = np.random.default_rng(13)
    b = Builder()
    x = b.input((1, 5, 7), 0.05, -5)
    rows = b.constant(rng.integers(-128, 128, (5, 1)), 0.03, 9)
    y = b.op("SQUARED_DIFFERENCE", [x, rows], b.activation((1, 5, 7), 0.3, -100), 76)
    return b.finish(b.op("MEAN", [y, b.integers([1])], b.activation((1, 7), 0.2, -120), 27, KeepDims=False))


def choices() -> bytes:
    """What exceeds its row's threshold, elsewhere the row's replacement."""
    rng = np.random.default_rng(15)
    b = Builder()
    x = b.input((1, 5, 7), 0.05, -5)
    rows = b.constant(rng.integers(-128, 128, (5, 1)), 0.05, -5)
    above = b.op("GREATER", [x, rows], b.tensor((1, 5, 7), "bool"), 44)
    return b.finish(b.op("SELECT_V2", [above, x, rows], b.like(x, (1, 5, 7)), 98))


def state() -> bytes:
    """Three slots of the last inputs, on which an SVDF of int16 state works, then one of int8 state."""
    rng = np.random.default_rng(21)
    b = Builder()
    x = b.input((1, 1, 1, 6), 0.05, -5)
    kept = b.variable((1, 3, 1, 6), 0.05, -5)
    options = bytes(flexbuffers.Dumps({"cycles_max": 1}))
    y = b.reshape(b.op("CUSTOM:CIRCULAR_BUFFER", [x], kept, custom=options), (1, 18))
    for n_in, units, rank, memory, dtype, zero in ((18, 5, 2, 4, "int16", 0), (5, 4, 1, 3, "int8", -9)):
        n, limit, spread = units * rank, *((9000, 9000.0) if dtype == "int16" else (100, 30.0))
        features = b.constant(rng.integers(-127, 128, (n, n_in)), 0.01, 0)
        state_scale = float(np.float32(b.tensors[y].scales[0] * 0.01 * 74 * 70 * np.sqrt(n_in) / spread))
        t_scale = float(np.float32(0.7 / limit))
        data = rng.integers(-limit, limit + 1, (n, memory)).astype(dtype)
        times = b.tensor((n, memory), dtype, [t_scale], [0], data=data)
        total = spread * limit / 2 * np.sqrt(rank * memory)
        biases = (rng.normal(0, 0.4, units) * total).astype(np.int32)
        bias = b.tensor((units,), "int32", [state_scale * t_scale], [0], data=biases)
        remembered = b.variable((1, n * memory), state_scale, zero, dtype)
        out = b.activation((1, units), float(np.float32(state_scale * t_scale * total / 45)), 11)
        y = b.op("SVDF", [y, features, times, bias, remembered], out, 6, Rank=rank)
    return b.finish(y)


def lstm() -> bytes:
    """Two LSTMs in a row, three steps an invocation, the first of two batches with a clipped cell."""
    rng = np.random.default_rng(34)
    b = Builder()
    y = b.input((2, 3, 5), 0.04, -9)
    for units, clip in ((6, 0.5), (4, 0.0)):
        n_in, scale = b.tensors[y].shape[2], b.tensors[y].scales[0]
        inputs = [y] + [-1] * 23
        for first, of, depth in ((1, scale, n_in), (5, 0.008, units)):
            for gate in range(4):
                s = float(np.float32(2 / (of * 70 * 74 * np.sqrt(depth))))
                inputs[first + gate] = b.constant(rng.integers(-127, 128, (units, depth)), s, 0)
                if first == 1:
                    biases = (rng.normal(0, 1, units) / (s * of)).astype(np.int32)
                    inputs[12 + gate] = b.tensor((units,), "int32", [s * of], [0], data=biases)
        inputs[18] = b.variable((2, units), 0.008, 5)
        inputs[19] = b.variable((2, units), 2.0**-12, 0, "int16")
        out = b.activation((2, 3, units), 0.008, 5)
        y = b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, out, 71, FusedActivationFunction=4, CellClip=clip)
    return b.finish(y)


def variables() -> bytes:
    """Two windows over time in variables that begin with the zero point -57, as CALL_ONCE says too."""
    return random_state.one_op("variables", 1)


def unsigned() -> bytes:
    """int8 to uint8, as networks for spoken words end."""
    b = Builder()
    x = b.input((1, 16), 0.5, 7)
    return b.finish(b.op("QUANTIZE", [x], b.tensor((1, 16), "uint8", [0.31], [131])))


NETS = {
    "branches": branches,
    "choices": choices,
    "errors": errors,
    "images": images,
    "layers": layers,
    "lstm": lstm,
    "state": state,
    "unsigned": unsigned,
    "variables": variables,
}
