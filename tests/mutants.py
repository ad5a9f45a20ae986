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

from model_builder import Builder

HARNESS = Path(__file__).resolve().parent.parent / "device_harness"

KERNELS = "engines/kernels"


@dataclass(frozen=True)
class Mutant:
    """In `file`, `old` becomes `new`; `op` is then wrong as `variant` says."""

    variant: str
    op: str
    file: str
    old: str
    new: str

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
    Mutant("output-zero-point-missing", "SOFTMAX", "op_softmax.c", "k_clamp(value - 128,", "k_clamp(value,"),
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


class Workshop:
    """The native firmware's objects, compiled once; a mutant needs its own file (or, for a header, all)."""

    FLAGS = ("gcc", "-std=c99", "-O1", '-DCV_BUILD_ID="mutant"')

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = {
            source.relative_to(HARNESS): self._compiled(HARNESS, source, folder)
            for source in self._all(HARNESS)
        }

    @staticmethod
    def _all(harness: Path) -> list[Path]:
        return [p for d in ("agent", KERNELS, "ports/native") for p in sorted((harness / d).glob("*.c"))]

    def _compiled(self, harness: Path, source: Path, folder: Path) -> Path:
        made = folder / (source.stem + ".o")
        includes = [f"-I{harness / d}" for d in ("agent", KERNELS, "ports/native")]
        subprocess.run([*self.FLAGS, *includes, "-c", str(source), "-o", str(made)], check=True)
        return made

    def build(self, mutant: Mutant, folder: Path) -> Path:
        """The mutant's program."""
        harness = mutated(mutant, folder)
        objects = dict(self.objects)
        changed = harness / KERNELS / mutant.file
        again = self._all(harness) if changed.suffix == ".h" else [changed]
        for source in again:
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
