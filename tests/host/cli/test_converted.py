"""Networks as converters leave them: a RESHAPE whose shape is computed, floats or uint8 at the ends."""

import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from command import coverify
from coverify.verify.equivalence.distinction import Distinction
from coverify.verify.witness import Witness
from model_builder import Builder
from oracle import Tflm

DEVICES = [
    "native:",
    pytest.param(
        "qemu:mps2-an386",
        marks=[
            pytest.mark.cross,
            pytest.mark.skipif(
                not all(shutil.which(tool) for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
                reason="the cross compiler or the emulator is not installed (make tools)",
            ),
        ],
    ),
]


def flattened(b: Builder, x: int) -> int:
    """As Keras flattens a batch of any size: the batch is read from the shape at run time."""
    shape = b.tensors[x].shape
    found = b.op("SHAPE", [x], b.tensor((len(shape),), "int32"), 55, OutType=2)
    one = b.integers([1])
    batch = b.op(
        "STRIDED_SLICE", [found, b.integers([0]), one, one], b.tensor((), "int32"), 32, ShrinkAxisMask=1
    )
    n = int(np.prod(shape[1:]))
    both = b.op("PACK", [batch, b.integers(n)], b.tensor((2,), "int32"), 59, ValuesCount=2)
    return b.op("RESHAPE", [x, both], b.like(x, (shape[0], n)), 17)


def network(seed: int, end: str = "int8", computed: bool = False) -> bytes:
    """A convolution and a dense layer of four inputs, with that type at both ends."""
    rng, b = np.random.default_rng(seed), Builder()
    x = b.input((1, 2, 2, 1), 0.05, 131 if end == "uint8" else 3, end)
    if end != "int8":
        x = b.op("QUANTIZE", [x], b.activation((1, 2, 2, 1), 0.05, 3))
    x = b.conv(
        x, rng.integers(-90, 91, (3, 2, 2, 1)), rng.integers(-900, 900, 3), 0.02, 0.06, -9, activation=1
    )
    x = flattened(b, x) if computed else b.reshape(x, (1, 12))
    y = b.fully_connected(x, rng.integers(-90, 91, (4, 12)), rng.integers(-500, 500, 4), 0.01, 0.05, 7)
    if end == "float32":
        y = b.op("DEQUANTIZE", [y], b.tensor((1, 4), "float32"))
    elif end == "uint8":
        y = b.op("QUANTIZE", [y], b.activation((1, 4), 0.05, 135, "uint8"))
    return b.finish(y)


@pytest.mark.parametrize("device", DEVICES)
def test_a_shape_that_is_computed_is_part_of_a_witness(tmp_path, device):
    """One of its tensors, the batch, has no dimensions."""
    path = tmp_path / "net.tflite"
    path.write_bytes(network(3, computed=True))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2, 2, 1), np.int8))
    done = coverify("verify", path, "--inputs", tmp_path / "x.npz", "--eps", 127, "--out", tmp_path)
    assert done.code == 1, done
    witness = Witness.read(tmp_path / "witness-0-eps127.zip")
    assert () in [values.shape for values in witness.tensors.values()]
    tflm = Tflm(network(3, computed=True))
    assert int(tflm.run(witness.x).argmax()) == witness.predicted
    done = coverify("replay", tmp_path, "--device", device, "--json", "-")
    assert done.code == 0 and [row["verdict"] for row in done.result["replays"]] == ["CONFIRMED"], done


def test_a_witness_of_other_types_than_int8_and_int32_is_read(tmp_path):
    """A network that computes in int16 in between."""
    rng, b = np.random.default_rng(0), Builder()
    x = b.input((1, 3), 0.05, 3)
    wide = b.op("QUANTIZE", [x], b.activation((1, 3), 0.0005, 0, "int16"))
    x = b.op("QUANTIZE", [wide], b.activation((1, 3), 0.06, -5))
    y = b.fully_connected(x, rng.integers(-90, 91, (3, 3)), np.zeros(3), 0.01, 0.05, 7)
    path = tmp_path / "net.tflite"
    path.write_bytes(b.finish(y))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 3), np.int8))
    done = coverify("verify", path, "--inputs", tmp_path / "x.npz", "--eps", 127, "--out", tmp_path)
    assert done.code == 1, done
    done = coverify("replay", tmp_path, "--device", "native:", "--json", "-")
    assert [row["verdict"] for row in done.result["replays"]] == ["CONFIRMED"], done


def test_an_expected_tensor_of_another_type_is_refused(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(network(3))
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2, 2, 1), np.int8))
    coverify("verify", path, "--inputs", tmp_path / "x.npz", "--eps", 127, "--out", tmp_path)
    witness = Witness.read(tmp_path / "witness-0-eps127.zip")
    tensors = {t: values.astype(np.int64) for t, values in witness.tensors.items()}
    forged = tmp_path / "forged.zip"
    Witness(**{**vars(witness), "tensors": tensors}).write(forged)
    done = coverify("replay", forged, "--device", "native:", "--json", "-")
    assert done.code == 2 and "it expects other bytes in tensor" in done.result["message"]
    with zipfile.ZipFile(forged) as archive:
        assert len(archive.namelist()) > 4


def values(end: str, codes: np.ndarray) -> np.ndarray:
    """Inputs of `network(end)` that its QUANTIZE turns into these codes."""
    if end == "uint8":
        return (codes.astype(int) + 128).astype(np.uint8)
    return (
        (np.float32(0.05) * (codes.astype(np.float32) - 3)).astype(np.float32) if end == "float32" else codes
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("end", ["float32", "uint8"])
def test_conversions_at_the_ends_change_nothing(tmp_path, end, device):
    """The queries are about the codes between; the device is given, and gives out, the network's own type."""
    codes = np.random.default_rng(1).integers(-128, 128, (6, 2, 2, 1)).astype(np.int8)
    rows = {}
    for kind in ("int8", end):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "net.tflite").write_bytes(network(3, kind))
        np.savez(folder / "x.npz", x=values(kind, codes))
        done = coverify("verify", folder / "net.tflite", "--inputs", folder / "x.npz", "--eps", "3,9",
                        "--engine", "enumerate", "--out", folder)  # fmt: skip
        rows[kind] = [(q["index"], q["eps"], q["verdict"], q["label"]) for q in done_rows(folder)]
        assert done.code == 1, done
    assert rows[end] == rows["int8"]
    assert {verdict for _, _, verdict, _ in rows[end]} == {"HOLDS", "VIOLATED"}

    tflm = Tflm(network(3, end))
    for path in (tmp_path / end).glob("witness-*.zip"):
        witness = Witness.read(path)
        y = tflm.run(values(end, witness.x))
        assert y.dtype == end and int(y.argmax()) == witness.predicted != witness.label
    done = coverify("replay", tmp_path / end, "--device", device, "--json", "-")
    assert done.code == 0 and {row["verdict"] for row in done.result["replays"]} == {"CONFIRMED"}, done
    operators = {row["op"] for row in done.result["replays"][0]["tensors"]}
    assert operators == {"QUANTIZE", "CONV_2D", "RESHAPE", "FULLY_CONNECTED"} | (
        {"DEQUANTIZE"} if end == "float32" else set()
    )


def done_rows(folder):
    return json.loads((folder / "verify.json").read_text())["queries"]


def test_inputs_of_a_network_of_floats_are_floats_or_codes(tmp_path):
    path, codes = tmp_path / "net.tflite", np.full((2, 2, 2, 1), 7, np.int8)
    path.write_bytes(network(3, "float32"))
    said = {}
    for dtype in ("float32", "int8", "float64", "uint8"):
        x = values("float32", codes) if dtype.startswith("float") else codes
        np.savez(tmp_path / f"{dtype}.npz", x=x.astype(dtype))
        done = coverify("verify", path, "--inputs", tmp_path / f"{dtype}.npz", "--eps", 1, "--json", "-")
        rows = [(q["index"], q["verdict"], q["label"]) for q in done.result.get("queries", [])]
        said[dtype] = (done.code, rows or done.result["message"])
    assert said["float32"] == said["int8"] and said["int8"][0] == 0
    for dtype in ("float64", "uint8"):
        assert said[dtype][0] == 2
        assert (
            "it must hold the input's int8 codes (or float32, of which the network makes codes)"
            in said[dtype][1]
        )
    x = np.zeros((4, 2, 2, 1), np.float32)
    x[2, 1, 0, 0] = 1e30
    np.savez(tmp_path / "far.npz", x=x)
    done = coverify("verify", path, "--inputs", tmp_path / "far.npz", "--eps", 1, "--json", "-")
    assert done.code == 2 and "far.npz: input 2: op 0 QUANTIZE" in done.result["message"]
    assert "not a number" in done.result["message"]


def test_real_units_of_a_property_are_those_of_the_network_s_floats(tmp_path):
    """0.05 · (code − 3) within −1..1: the codes −17..23."""
    path = tmp_path / "net.tflite"
    path.write_bytes(network(3, "float32"))
    (tmp_path / "p.toml").write_text(
        "[[region.range]]\nreal = [-1, 1]\n[claim]\nkind = 'output'\nindex = 0\nreal = [-5, 5.6]\n"
    )
    done = coverify("verify", path, "--property", tmp_path / "p.toml", "--out", tmp_path)
    grid = np.stack(np.meshgrid(*[np.arange(-17, 24, 8)] * 4, indexing="ij"), -1).reshape(-1, 2, 2, 1)
    tflm = Tflm(network(3, "float32"))
    most = max(float(tflm.run(values("float32", x[None].astype(np.int8)))[0, 0]) for x in grid)
    if done.code == 1:
        witness = Witness.read(next(tmp_path.glob("witness-*.zip")))
        assert witness.x.min() >= -17 and witness.x.max() <= 23
        assert not -5 <= tflm.run(values("float32", witness.x))[0, 0] <= 5.6
        assert coverify("replay", tmp_path, "--device", "native:").code == 0
    else:
        assert done.code == 0 and most <= 5.6


def test_two_networks_with_other_ends_are_compared_by_their_codes(tmp_path):
    for end in ("int8", "float32", "uint8"):
        (tmp_path / f"{end}.tflite").write_bytes(network(3, end))
    (tmp_path / "other.tflite").write_bytes(network(4, "uint8"))
    for end in ("int8", "uint8"):
        done = coverify(
            "distinguish", tmp_path / "float32.tflite", "--against-model", tmp_path / f"{end}.tflite"
        )
        assert done.code == 0, done
    out = tmp_path / "out"
    done = coverify("distinguish", tmp_path / "float32.tflite", "--against-model", tmp_path / "other.tflite",
                    "--out", out)  # fmt: skip
    assert done.code == 1, done
    done = coverify("replay", out, "--device", "native:", "--json", "-")
    assert done.code == 0 and [row["verdict"] for row in done.result["replays"]] == ["CONFIRMED"], done


def identity(scale: float = 0.1, out_scale: float = 0.1, zero: int = 0) -> bytes:
    """Two floats that become codes, which are given out as floats."""
    b = Builder()
    x = b.op("QUANTIZE", [b.input((1, 2), dtype="float32")], b.activation((1, 2), scale, zero))
    y = b.fully_connected(x, np.eye(2, dtype=int), np.zeros(2, int), 1.0, out_scale, zero)
    return b.finish(b.op("DEQUANTIZE", [y], b.tensor((1, 2), "float32")))


NOTHING = "none of its boxes holds an input of the network: nothing is asked"
EMPTY = f"{NOTHING} (in the first, X_0"
BEYOND = ", and its codes stand for -12.80000019 to 12.70000019"
"""The scale is a tenth as float32 has it."""
BOX = """(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)
(assert (<= X_0 {most}))(assert (>= X_0 -{most}))(assert (<= X_1 0.0))(assert (>= X_1 0.0))
(assert {unsafe})
"""


ONE = (
    "[[region.range]]\nreal=[0.3, 0.3]\n[claim]\nkind='relation'\noutputs=[0, 1]\nunits='real'\n"
    "coefficients={}\nat_most={}"
)
"""A relation of an output alone, where both are the float32 next to 0.3."""


@pytest.mark.parametrize(
    ("name", "text", "verdict"),
    [  # 0.06 is nearer to 0.1 than to 0, and 0.1 and 0.3 are no float32
        ("a.vnnlib", BOX.format(most=0.06, unsafe="(>= Y_0 0.09)"), "VIOLATED"),
        ("b.vnnlib", BOX.format(most=0.04, unsafe="(>= Y_0 0.09)"), "HOLDS"),
        ("c.vnnlib", BOX.format(most=0.3, unsafe="(> Y_0 0.30000001)"), "VIOLATED"),
        ("d.vnnlib", BOX.format(most=0.3, unsafe="(> Y_0 0.3000000119209289550781250)"), "HOLDS"),
        ("e.vnnlib", BOX.format(most=0.06, unsafe="(> Y_0 Y_1)"), "VIOLATED"),
        ("f.vnnlib", BOX.format(most=99, unsafe="(>= Y_0 12.6999998)"), "VIOLATED"),
        ("f.vnnlib", BOX.format(most=99, unsafe="(>= Y_0 12.7)"), "HOLDS"),
        (
            "g.toml",
            "[region]\neps_real = 0.06\n[claim]\nkind='output'\nindex=0\nreal=[-0.05, 0.05]",
            "VIOLATED",
        ),
        ("h.toml", "[region]\neps_real = 0.04\n[claim]\nkind='output'\nindex=0\nreal=[-0.05, 0.05]", "HOLDS"),
        (
            "i.toml",
            "[[region.range]]\nreal=[0.3, 0.3]\n[claim]\nkind='output'\nindex=0\nreal=[-5, 0.300000008]",
            "VIOLATED",
        ),
        ("j.toml", ONE.format("[2, 0]", "0.6000000238418579"), "VIOLATED"),
        ("k.toml", ONE.format("[2, 0]", "0.6000000238418580"), "HOLDS"),
        ("l.toml", ONE.format("[0, -1]", "-0.30000001192092896"), "VIOLATED"),
        ("m.toml", ONE.format("[0, -1]", "-0.30000001192092895"), "HOLDS"),
        ("n.toml", ONE.format("[0, 0]", "-0.1"), "VIOLATED"),
    ],
)
def test_real_numbers_are_floats_where_the_network_has_floats(tmp_path, name, text, verdict):
    (tmp_path / "net.tflite").write_bytes(identity())
    (tmp_path / name).write_text(text)
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2), np.float32))
    given = () if name.endswith(".vnnlib") else ("--inputs", tmp_path / "x.npz")
    done = coverify("verify", tmp_path / "net.tflite", "--property", tmp_path / name, *given, "--json", "-")
    assert done.result["verdict"] == verdict, done


@pytest.mark.parametrize(
    ("said", "answer"),
    [  # 0.29 and 0.31 are code 3, which is given out as 0.3; 0.33 is, too
        ("(assert (>= X_0 0.31))(assert (<= X_0 0.29))", f"{EMPTY} >= 0.31 and X_0 <= 0.29)"),
        ("(assert (> X_0 0.3))(assert (< X_0 0.3))", f"{EMPTY} > 0.3 and X_0 < 0.3)"),
        ("(assert (<= X_0 -1e39))", f"{EMPTY} <= -1E+39{BEYOND})"),
        ("(assert (< X_0 -3.4028234663852886e38))", f"{EMPTY} < -3.402823466E+38{BEYOND})"),
        ("(assert (or (<= X_0 0.0) (>= X_0 0.33)))(assert (<= X_0 0.31))", "HOLDS"),
        ("(assert (or (<= X_0 0.0) (>= X_0 0.30)))(assert (<= X_0 0.31))", "VIOLATED"),
        ("(assert (= X_0 0.3))", "VIOLATED"),  # no float is, but those around it become code 3
    ],
)
def test_a_box_without_a_real_number_is_not_asked_about(tmp_path, said, answer):
    (tmp_path / "net.tflite").write_bytes(identity())
    declared = BOX.partition("\n")[0]
    (tmp_path / "p.vnnlib").write_text(f"{declared}{said}(assert (= X_1 0))(assert (>= Y_0 0.2))")
    done = coverify("verify", tmp_path / "net.tflite", "--property", tmp_path / "p.vnnlib", "--json", "-")
    assert answer in (done.result.get("verdict"), (done.result.get("message") or "").partition(": ")[2]), done


@pytest.mark.parametrize(
    ("scale", "base", "eps", "stays", "code"),
    [  # halves are rounded away from 0: 3.5 becomes 4, 2.5 becomes 3, and −2.5 does −3
        (1.0, 3, 0.5, (3, 99), 0),
        (1.0, 3, 0.5, (4, 99), 1),
        (1.0, 3, 0.5, (-99, 3), 1),
        (1.0, -3, 0.5, (-99, -3), 0),
        (1.0, 3.4, 0.5, (3, 4), 0),  # given as 3.4, which is code 3
        (0.1, 0.3, 0.05, (0.25, 0.45), 0),
        (0.1, 0.3, 0.05, (0.25, 0.35), 1),
    ],
)
def test_eps_real_reaches_no_code_that_no_float_within_it_becomes(tmp_path, scale, base, eps, stays, code):
    (tmp_path / "net.tflite").write_bytes(identity(scale, scale))
    (tmp_path / "p.toml").write_text(
        f"[region]\neps_real = {eps}\n[claim]\nkind='output'\nindex=0\nreal={list(stays)}"
    )
    np.savez(tmp_path / "x.npz", x=np.full((1, 2), base, np.float32))
    given = ("--property", tmp_path / "p.toml", "--inputs", tmp_path / "x.npz")
    assert coverify("verify", tmp_path / "net.tflite", *given).code == code


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.vnnlib", BOX.format(most=3e8, unsafe="(<= Y_0 -1.0)")),
        ("b.toml", "[[region.range]]\nreal=[0, 1e9]\n[claim]\nkind='output'\nindex=0\nreal=[0, 99]"),
        ("c.toml", "[region]\neps_real=1e9\n[claim]\nkind='output'\nindex=0\nreal=[-99, 99]"),
    ],
)
def test_floats_that_tflm_has_no_code_for_are_not_asked_about(tmp_path, name, text):
    """Beyond int32 its cast is undefined: 2e8 / 0.1 is 2e9, and 3e8 / 0.1 becomes -128 on x86."""
    (tmp_path / "net.tflite").write_bytes(identity())
    (tmp_path / name).write_text(text)
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 2), np.float32))
    given = () if name[0] != "c" else ("--inputs", tmp_path / "x.npz")
    done = coverify("verify", tmp_path / "net.tflite", "--property", tmp_path / name, *given, "--json", "-")
    said = f"{tmp_path / name}: TFLM defines no code for floats beyond about -2.15e+08..2.15e+08"
    assert (done.code, done.result["message"]) == (2, said)


def test_a_relation_of_rounded_outputs_is_refused(tmp_path):
    (tmp_path / "net.tflite").write_bytes(identity())
    (tmp_path / "exact.tflite").write_bytes(identity(0.125, 0.125))
    (tmp_path / "p.vnnlib").write_text(BOX.format(most=0.25, unsafe="(>= (+ Y_0 Y_1) 0.3)"))
    said = "a relation of real values of outputs that DEQUANTIZE rounds to floats"
    (tmp_path / "p.toml").write_text(
        "[claim]\nkind='relation'\noutputs=[0, 1]\ncoefficients=[1, 1]\nat_most=0.3\nunits='real'"
    )
    for name in ("p.vnnlib", "p.toml"):
        asked = ("--property", tmp_path / name, "--json", "-")
        done = coverify("verify", tmp_path / "net.tflite", *asked)
        assert done.code == 2 and said in done.result["message"], done
        assert coverify("verify", tmp_path / "exact.tflite", *asked).code in (0, 1)


def test_networks_of_floats_of_other_scales_are_not_compared_by_codes(tmp_path):
    networks = {"a": identity(), "in": identity(0.05), "out": identity(0.1, 0.2), "zero": identity(zero=1)}
    for name, content in networks.items():
        (tmp_path / f"{name}.tflite").write_bytes(content)
    said = {}
    for name in ("in", "out", "zero"):
        pair = tmp_path / "a.tflite", "--against-model", tmp_path / f"{name}.tflite"
        for question in ("output", "class"):
            done = coverify("distinguish", *pair, "--question", question, "--json", "-")
            said[name, question] = (done.code, done.result.get("message") or "")
    of = "are floats of other scales: of equal ones the codes differ"
    for name, what in (("in", "inputs"), ("zero", "inputs"), ("out", "outputs")):
        assert said[name, "output"] == (2, f"the networks' {what} {of}")
    assert said["in", "class"][0] == said["zero", "class"][0] == 2
    assert said["out", "class"][0] in (0, 1)


@pytest.mark.parametrize(
    ("codes", "most", "verdict"),
    [([100, 110], 250, "HOLDS"), ([100, 110], 10, "VIOLATED"), ([0, 255], 254, "VIOLATED")],
)
def test_codes_of_a_network_of_uint8_are_its_own(tmp_path, codes, most, verdict):
    """0.05 · (code − 131), doubled: an output's code is what TFLM gives for it."""
    b, shape = Builder(), (1, 2)
    x = b.op("QUANTIZE", [b.input(shape, 0.05, 131, "uint8")], b.activation(shape, 0.05, 3))
    y = b.fully_connected(x, np.array([[2, 0], [0, 2]]), np.zeros(2, int), 1.0, 0.05, 3)
    content = b.finish(b.op("QUANTIZE", [y], b.activation(shape, 0.05, 131, "uint8")))
    (tmp_path / "net.tflite").write_bytes(content)
    tflm = Tflm(content)
    given = [int(tflm.run(np.array([[c, 131]], np.uint8))[0, 0]) for c in range(codes[0], codes[1] + 1)]
    assert (max(given) <= most) == (verdict == "HOLDS")
    region = (
        f"[[region.range]]\nfeatures=[0]\ncodes={codes}\n[[region.range]]\nfeatures=[1]\ncodes=[131, 131]\n"
    )
    claims = {
        "range": f"kind='output'\nindex=0\ncodes=[0, {most}]",
        "relation": f"kind='relation'\noutputs=[0]\ncoefficients=[1]\nat_most={most}\nunits='codes'",
    }
    box = (
        f"(assert (<= X_0 {codes[1]}))(assert (>= X_0 {codes[0]}))(assert (<= X_1 131))(assert (>= X_1 131))"
    )
    names = "".join(f"(declare-const {name}_{i} Real)" for name in "XY" for i in range(2))
    (tmp_path / "p.vnnlib").write_text(f"{names}{box}(assert (> Y_0 {most}))")
    asked = [("p.vnnlib", "--units", "codes")]
    for name, claim in claims.items():
        (tmp_path / f"{name}.toml").write_text(f"{region}[claim]\n{claim}")
        asked.append((f"{name}.toml",))
    for name, *more in asked:
        done = coverify(
            "verify", tmp_path / "net.tflite", "--property", tmp_path / name, *more, "--json", "-"
        )
        assert done.result["verdict"] == verdict, (name, done)
    (tmp_path / "far.toml").write_text("[[region.range]]\ncodes=[-3, 5]\n[claim]\nkind='never'\nclasses=[0]")
    done = coverify("verify", tmp_path / "net.tflite", "--property", tmp_path / "far.toml", "--json", "-")
    assert done.code == 2 and "[-3, 5] leave those of the input, 0..255" in done.result["message"]


def test_a_network_that_the_device_refuses_does_not_keep_others_from_it(tmp_path):
    """REVERSE_V2 is not in the firmware's own engine."""
    rng, b = np.random.default_rng(2), Builder()
    given = b.input((1, 4), 0.05, 3)
    x = b.op("REVERSE_V2", [given, b.integers([1])], b.like(given, (1, 4)))
    y = b.fully_connected(x, rng.integers(-90, 91, (4, 4)), rng.integers(-500, 500, 4), 0.01, 0.05, 7)
    for name, content, shape in (("a", b.finish(y), (4,)), ("b", network(3), (2, 2, 1))):
        (tmp_path / f"{name}.tflite").write_bytes(content)
        np.savez(tmp_path / f"{name}.npz", x=np.zeros((2, *shape), np.int8))
        coverify("verify", tmp_path / f"{name}.tflite", "--inputs", tmp_path / f"{name}.npz", "--eps", 127,
                 "--out", tmp_path / name)  # fmt: skip
    done = coverify("replay", tmp_path / "a", tmp_path / "b", "--device", "native:", "--json", "-")
    rows = [
        (row["verdict"], "op 0 REVERSE_V2: not in this engine" in row["note"])
        for row in done.result["replays"]
    ]
    assert rows == [("UNSUPPORTED", True)] * 2 + [("CONFIRMED", False)] * 2, done


def test_a_single_output_has_no_class(tmp_path):
    rng, b = np.random.default_rng(2), Builder()
    y = b.fully_connected(b.input((1, 4), 0.05, 3), rng.integers(-90, 91, (1, 4)), np.zeros(1), 0.01, 0.05, 7)
    (tmp_path / "net.tflite").write_bytes(b.finish(y))
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 4), np.int8), y=np.array([0, 1]))
    given = tmp_path / "net.tflite", "--inputs", tmp_path / "x.npz"
    done = coverify("run", *given, "-o", tmp_path / "y.npz", "--json", "-")
    assert done.code == 0 and "the labels y say nothing of an output of one element" in done.result["message"]
    done = coverify("verify", *given, "--eps", 1, "--json", "-")
    said = done.result["message"]
    assert (
        done.code == 2
        and "(kind = 'decision')" in said
        and "(kind = 'output')" in said
        and "--radius" in said
    )
    (tmp_path / "p.toml").write_text("[region]\neps = 1\n[claim]\nkind = 'label'")
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 4), np.int8), y=np.array([0, 0]))
    done = coverify("verify", *given, "--property", tmp_path / "p.toml", "--json", "-")
    said = "and so no class: kind = 'decision' and kind = 'output' are about it"
    assert done.code == 2 and said in done.result["message"]


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("run", ("-o", "out.npz")),
        ("conform", ("--device", "native:")),
        ("diagnose", ("--device", "native:")),
        ("verify", ("--eps", 0)),
        ("verify", ("--radius", 1, "--timeout", 1)),
        ("verify", ("--eps", 0, "--mask", "0-1")),
    ],
)
def test_floats_that_the_network_clamps_are_told(tmp_path, verb, options):
    """The scale is 0.05 and the zero point 3: codes stand for -6.55 to 6.2. 6.22 is rounded to 6.2."""
    net, file = tmp_path / "net.tflite", tmp_path / "x.npz"
    net.write_bytes(network(3, "float32"))
    x = np.zeros((2, 2, 2, 1), np.float32)
    x[1, 0, 1], x[1, 1, 0], x[0, 0, 0] = 350000, -6.6, 6.22
    np.savez(file, x=x)
    given = [tmp_path / o if o == "out.npz" else o for o in options]
    done = coverify(verb, net, "--inputs", file, *given, "--json", "-")
    assert done.code in (0, 1, 4), done
    assert done.result["message"].endswith(
        "note: 2 of 8 values of x lie outside -6.55 … 6.2, which the input can represent, and are clamped "
        "(first: sample 1, feature 1: 350000)"
    )
    np.savez(file, x=np.clip(x, -6.55, 6.2))
    done = coverify(verb, net, "--inputs", file, *given, "--json", "-")
    assert "note:" not in done.result.get("message", "")


@pytest.mark.parametrize(
    ("verb", "options", "said"),
    [
        ("run", ("--limit", 2, "-o", "out.npz"), "1 of 8 values"),
        ("run", ("--limit", 1, "-o", "out.npz"), None),
        ("conform", ("--limit", 2, "--device", "native:"), "1 of 8 values"),
        ("conform", ("--limit", 1, "--device", "native:"), None),
        ("verify", ("--eps", 0, "--index", "1,3"), "2 of 8 values"),
        ("verify", ("--eps", 0, "--index", "1", "--mask", "0-1"), "1 of 4 values"),
        ("verify", ("--eps", 0, "--index", "0,2"), None),
    ],
)
def test_only_inputs_that_are_taken_are_counted_among_the_clamped(tmp_path, verb, options, said):
    net, file = tmp_path / "net.tflite", tmp_path / "x.npz"
    net.write_bytes(network(3, "float32"))
    x = np.zeros((4, 2, 2, 1), np.float32)
    x[1, 0, 1], x[3, 1, 0] = 350000, -99
    np.savez(file, x=x)
    given = [tmp_path / o if o == "out.npz" else o for o in options]
    done = coverify(verb, net, "--inputs", file, *given, "--json", "-")
    assert done.code in (0, 1, 4), done
    message = done.result.get("message", "")
    if said is None:
        assert "note:" not in message
    else:
        assert f"note: {said} of x" in message
        assert message.endswith("(first: sample 1, feature 1: 350000)")


@pytest.mark.parametrize("end", ["int8", "float32", "uint8"])
def test_accumulators_are_looked_at_behind_conversions(tmp_path, end):
    (tmp_path / "net.tflite").write_bytes(network(3, end))
    done = coverify("inspect", tmp_path / "net.tflite", "--json", "-")
    judged = {row["op"]: row["overflow"] for row in done.result["operators"] if row.get("overflow")}
    assert judged.keys() == {"CONV_2D", "FULLY_CONNECTED"}
    assert set(judged.values()) == {"impossible"}


@pytest.mark.parametrize("end", ["int8", "float32"])
def test_a_distinction_of_a_profile_that_does_not_exist_is_refused_by_its_name(tmp_path, end):
    (tmp_path / "net.tflite").write_bytes(network(3, end))
    (tmp_path / "other.tflite").write_bytes(network(4, end))
    coverify("distinguish", tmp_path / "net.tflite", "--against-model", tmp_path / "other.tflite",
             "--out", tmp_path)  # fmt: skip
    (path,) = tmp_path.glob("distinction*.zip")
    found = Distinction.read(path)
    forged = tmp_path / "forged.zip"
    replace(found, second=replace(found.second, profile="nobody's")).write(forged)
    done = coverify("replay", forged, "--device", "native:", "--json", "-")
    assert done.code == 2 and "forged.zip: " in done.result["message"]
    assert "nobody's" in done.result["message"]


def study(kind: str, folder, x: np.ndarray, y: np.ndarray, *more: object):
    """A study of `folder`/net.tflite on these inputs, its counterexamples run on a device."""
    np.savez(folder / "x.npz", x=x, y=y)
    return coverify("study", kind, folder / "net.tflite", "--inputs", folder / "x.npz", *more, "--engine",
                    "enumerate", "--jobs", 1, "--device", "native:", "--out", folder / kind,
                    "--json", "-")  # fmt: skip


def test_a_study_of_a_converted_network_is_that_of_its_codes(tmp_path):
    codes = np.random.default_rng(1).integers(-128, 128, (12, 2, 2, 1)).astype(np.int8)
    labels = np.array([int(Tflm(network(3)).run(x[None]).argmax()) for x in codes])
    found = {}
    for end in ("int8", "float32", "uint8"):
        (tmp_path / end).mkdir()
        (tmp_path / end / "net.tflite").write_bytes(network(3, end))
        bits = study("bits", tmp_path / end, values(end, codes), labels, "--eps", 4)
        assert bits.code == 0, bits
        fair = study("fairness", tmp_path / end, values(end, codes), labels, "--protected", 2, "--eps", 1,
                     "--score", 1)  # fmt: skip
        assert fair.code == 0, fair.result["message"]
        (gap,) = fair.result["study"]["gaps"]
        assert gap["on_device"] == "CONFIRMED"
        found[end] = (
            [
                {name: row[name] for name in ("robust", "broken", "wrong", "open")}
                for row in bits.result["study"]["widths"]
            ],
            {name: gap[name] for name in ("at_least", "at_most", "flipped", "boxes")},
        )
    assert found["float32"] == found["uint8"] == found["int8"]
    assert found["int8"][0][0]["broken"] and found["int8"][0][0]["robust"]


def test_networks_that_make_other_codes_of_the_same_floats_are_not_studied_by_these(tmp_path):
    """A study's regions are the same codes for all of its networks."""
    other = Builder()
    x = other.input((1, 2, 2, 1), 0.05, 3, "float32")
    x = other.op("QUANTIZE", [x], other.activation((1, 2, 2, 1), 0.1, 3))
    y = other.fully_connected(other.reshape(x, (1, 4)), np.eye(4), np.zeros(4), 1.0, 0.1, 3, activation=1)
    (tmp_path / "other.tflite").write_bytes(other.finish(y))
    (tmp_path / "net.tflite").write_bytes(network(3, "float32"))
    np.savez(tmp_path / "x.npz", x=np.ones((2, 2, 2, 1), np.float32), y=np.zeros(2, int))
    done = coverify("study", "bits", tmp_path / "net.tflite", tmp_path / "other.tflite", "--inputs",
                    tmp_path / "x.npz", "--eps", 1, "--out", tmp_path / "run", "--json", "-")  # fmt: skip
    assert done.code == 2
    assert "make other codes of x" in done.result["message"]


@pytest.mark.parametrize(("op", "apart"), [(">=", True), (">", False)])
def test_a_vnnlib_file_of_a_class_is_decided_behind_a_softmax(tmp_path, op, apart):
    """The usual file on the usual network: a counterexample is any output at, or above, that of the class."""
    z3 = pytest.importorskip("z3")
    rng, b = np.random.default_rng(8), Builder()
    x = b.op("QUANTIZE", [b.input((1, 4), 0.05, 3, "float32")], b.activation((1, 4), 0.05, 3))
    weights = rng.integers(-90, 91, (5, 4))
    y = b.softmax(b.fully_connected(x, weights, rng.integers(-500, 500, 5), 0.01, 0.05, 7))
    path = tmp_path / "net.tflite"
    path.write_bytes(b.finish(b.op("DEQUANTIZE", [y], b.tensor((1, 5), "float32"))))
    codes = rng.integers(-100, 100, 4)
    tflm, verdicts = Tflm(path.read_bytes()), set()
    for width in (2, 6, 60):
        ends = [(int(c) - width * (i < 2), int(c) + width * (i < 2)) for i, c in enumerate(codes)]
        points = [np.array([p, q, *codes[2:]]) for p in range(ends[0][0], ends[0][1] + 1)
                  for q in range(ends[1][0], ends[1][1] + 1)]  # fmt: skip
        found = np.stack([tflm.run(values("float32", x.astype(np.int8))[None]).reshape(-1) for x in points])
        top = int(found[len(found) // 2].argmax())
        rest = np.delete(found, top, axis=1).max(axis=1)
        holds = bool((rest < found[:, top] if apart else rest <= found[:, top]).all())
        lines = [f"(declare-const X_{i} Real)" for i in range(4)]
        lines += [f"(declare-const Y_{i} Real)" for i in range(5)]
        for i, (lo, hi) in enumerate(ends):
            lines += [f"(assert (>= X_{i} {(lo - 3) / 20}))", f"(assert (<= X_{i} {(hi - 3) / 20}))"]
        rivals = " ".join(f"(and ({op} Y_{j} Y_{top}))" for j in range(5) if j != top)
        (tmp_path / "p.vnnlib").write_text("\n".join([*lines, f"(assert (or {rivals}))"]))
        asked = "verify", path, "--property", tmp_path / "p.vnnlib", "--engine", "bab"
        done = coverify(*asked, "--out", tmp_path / f"run{width}", "--json", "-")
        (query,) = done.result["queries"]
        assert (query["verdict"], done.code) == (("HOLDS", 0) if holds else ("VIOLATED", 1)), done
        verdicts.add(query["verdict"])
        if holds:
            checked = coverify("check", tmp_path / f"run{width}", "--model", path, "--json", "-")
            assert checked.code == 0 and f"y{top}" in checked.result["queries"][0]["property"], checked
        assert coverify(*asked[:4], "--export-smt2", tmp_path / "q.smt2").code == 0
        solver = z3.SolverFor("QF_BV")
        solver.from_file(str(tmp_path / "q.smt2"))
        assert solver.check() == (z3.unsat if holds else z3.sat)
        label = 4 if apart else 0
        said = (tmp_path / "q.smt2").read_text()
        assert f"program: {label} while the property holds" in said and f"another class than {label};" in said
    assert verdicts == {"HOLDS", "VIOLATED"}


@pytest.mark.parametrize(("value", "said"), [(np.nan, "NaN"), (-np.inf, "infinite")])
def test_a_number_that_is_none_is_named_by_every_verb_with_its_sample_and_feature(tmp_path, value, said):
    path, inputs = tmp_path / "net.tflite", tmp_path / "bad.npz"
    path.write_bytes(network(3, "float32"))
    x = np.zeros((5, 2, 2, 1), np.float32)
    x[3, 1, 0, 0] = x[4, 0, 0, 0] = value
    np.savez(inputs, x=x, y=np.zeros(5, np.int64))
    verbs = {
        "run": ("-o", tmp_path / "y.npz"),
        "conform": ("--device", "native:"),
        "diagnose": ("--device", "native:"),
        "verify": ("--eps", 1),
        "distinguish": ("--against", "tflite-ref", "--eps", 1),
    }
    for verb, options in verbs.items():
        done = coverify(verb, path, "--inputs", inputs, *options, "--json", "-")
        assert (done.code, done.result["verdict"]) == (2, "ERROR"), done
        assert f"bad.npz: x of sample 3, feature 2, is {said}" in done.result["message"]


@pytest.mark.parametrize(("rows", "said"), [(1, []), (3, ["3 x 3 values"])])
def test_of_an_output_of_several_rows_it_is_said_that_it_has_one_class(tmp_path, rows, said):
    b, x = Builder(), np.ones((2, 4) if rows == 1 else (2, rows, 4), np.int8)
    y = b.fully_connected(
        b.input((rows, 4), 0.1, 0), np.arange(-6, 6).reshape(3, 4), np.arange(3), 0.1, 0.2, 0
    )
    (tmp_path / "net.tflite").write_bytes(b.finish(b.reshape(y, (1, rows, 3))))
    np.savez(tmp_path / "x.npz", x=x)
    asked = ("verify", tmp_path / "net.tflite", "--inputs", tmp_path / "x.npz", "--eps", 0, "--json", "-")
    left = [line for line in coverify(*asked).result["not_covered"] if "each row" in line]
    assert len(left) == len(said) and all(said[0] in line for line in left)
