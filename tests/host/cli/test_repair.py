"""coverify repair as a user types it. Expected: the files before and after, and TFLM's interpreter."""

import importlib.util
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from command import coverify
from coverify.cli.outcome import Output
from coverify.cli.repair.run import Run, _judgement
from coverify.conformance.oracles import available
from coverify.errors import BadInput, BoardError
from coverify.report import PartRow, read_result, render
from coverify.report.repair_rows import FitnessRow
from network_pairs import cnn, mlp
from oracle import Tflm, shared

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("ortools", "highspy"))
        or not (available("tflite") or available("litert")),
        reason="the extra solvers, or an interpreter of float networks, is not installed",
    ),
]


class Bed:
    """A pair of networks and its tests in a folder."""

    def __init__(self, folder, made, n=120, labels=False):
        self.folder, self.made = folder, made
        self.original, self.model = folder / "float.tflite", folder / "int8.tflite"
        self.original.write_bytes(made.original)
        self.model.write_bytes(made.quantized)
        self.x = made.inputs(n, 6)
        self.data = folder / "data.npz"
        arrays = {"x": self.x}
        if labels:
            arrays["y"] = made.real_classes(self.x)
        np.savez(self.data, **arrays)

    def run(self, *more, data=None):
        return coverify(
            "repair", self.original, self.model, "--data", data or self.data, "--json", "-", *more
        )

    def classes(self, content: bytes, x) -> np.ndarray:
        interpreter = Tflm(content)
        return np.array([int(interpreter.run(one.reshape(1, *one.shape)).argmax()) for one in x])


@pytest.fixture
def bed(tmp_path):
    return Bed(tmp_path, mlp(2))


def test_a_repaired_file_differs_in_the_bytes_that_are_told_and_runs_on_tflm(bed, tmp_path):
    target = tmp_path / "fixed.tflite"
    done = bed.run("-o", target, "--neurons", 0, "--device", "native:", "--out", tmp_path / "run")
    assert done.code == 0, done
    found = done.result["repair"]
    before = bed.made.quantized
    assert (done.result["verdict"], done.result["oracle"]["name"]) == ("REPAIRED", "tflite-micro")
    assert done.result["device"]["board"] == "native"
    assert any("(native:)" in said for said in done.result["not_covered"])
    after = target.read_bytes()
    differ = {i: (before[i], after[i]) for i in range(len(before)) if before[i] != after[i]}
    assert differ == {byte["offset"]: (byte["old"], byte["new"]) for byte in found["bytes"]}
    assert found["n_bytes"] == len(differ) > 0
    repair, validation = found["parts"]
    assert "float_right" not in repair.keys() | validation.keys()
    order = np.random.default_rng(0).permutation(120)
    parts = [bed.x[np.sort(order[:60])], bed.x[np.sort(order[60:])]]
    for row, x in zip((repair, validation), parts, strict=True):
        real = bed.made.real_classes(x)
        for when, content in (("before", before), ("after", after)):
            assert row[when]["agreeing"] == int(np.sum(bed.classes(content, x) == real))
    assert repair["failing_after"] < repair["failing_before"]
    assert coverify("report", tmp_path / "run").code == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"0x{min(differ):x}" in page


@pytest.mark.parametrize("end", ["float32", "uint8"])
def test_a_network_with_other_ends_is_repaired_by_the_same_bytes(tmp_path, end):
    """Its weights are those of the int8 one; the device and TFLM run all of it."""
    changed, rows = {}, {}
    for kind in ("int8", end):
        (tmp_path / kind).mkdir()
        bed = Bed(tmp_path / kind, mlp(2, end=kind))
        np.savez(bed.data, x=bed.made.given(bed.x))
        target = tmp_path / kind / "fixed.tflite"
        done = bed.run("-o", target, "--neurons", 0, "--device", "native:")
        assert (done.code, done.result["verdict"]) == (0, "REPAIRED"), done
        assert done.result["oracle"]["name"] == "tflite-micro"
        before, after = bed.made.quantized, target.read_bytes()
        found = done.result["repair"]
        differ = {i: (before[i], after[i]) for i in range(len(before)) if before[i] != after[i]}
        assert differ == {byte["offset"]: (byte["old"], byte["new"]) for byte in found["bytes"]}
        changed[kind] = [(byte["neuron"], byte["weight"], byte["new"]) for byte in found["bytes"]]
        rows[kind] = found["parts"]
    operators = {row["op"] for row in done.result["tensors"]}
    assert "QUANTIZE" in operators and ("DEQUANTIZE" in operators) == (end == "float32")
    assert changed[end] == changed["int8"] != []
    assert rows[end] == rows["int8"]
    right = [int(Tflm(after).run(one[None]).argmax()) for one in bed.made.given(bed.x)]
    assert np.sum(right == bed.made.real_classes(bed.x)) == sum(p["after"]["agreeing"] for p in rows[end])


@pytest.mark.parametrize(
    ("data", "validation", "n_shared", "n"),
    [("data", "data", 60, 60), ("twice", None, None, 60), ("data", "half", 30, 60), ("data", None, 0, 30)],
)
def test_validation_inputs_that_the_repair_has_seen_are_told(tmp_path, data, validation, n_shared, n):
    bed = Bed(tmp_path, mlp(2), n=60)
    np.savez(tmp_path / "twice.npz", x=np.concatenate([bed.x, bed.x]))
    np.savez(tmp_path / "half.npz", x=np.concatenate([bed.x[:30], bed.made.inputs(30, 8)]))
    more = () if validation is None else ("--validation", tmp_path / f"{validation}.npz")
    done = bed.run("--neurons", 0, *more, data=tmp_path / f"{data}.npz")
    assert done.code in (0, 1), done
    if n_shared is None:
        order = np.random.default_rng(0).permutation(120)
        n_shared = len(set(order[60:] % 60) & set(order[:60] % 60))
    told = [line for line in done.result["not_covered"] if "never saw" in line]
    as_well = f"the repair part has {n_shared} of the {n} validation inputs as well"
    assert told == ([f"inputs that the repair never saw: {as_well}"] if n_shared else [])
    assert (f"of which the repair part has {n_shared} as well" in done.result["message"]) == (n_shared > 0)


def test_a_repair_that_makes_validation_worse_is_refused_and_writes_nothing(bed, tmp_path):
    target = tmp_path / "fixed.tflite"
    first = bed.run("-o", target, "--neurons", 0)
    assert first.code == 0, first
    more = bed.made.inputs(4000, 77)
    wanted = bed.made.real_classes(more)
    lost = (bed.classes(bed.made.quantized, more) == wanted) & (
        bed.classes(target.read_bytes(), more) != wanted
    )
    assert lost.any()
    target.unlink()
    order = np.sort(np.random.default_rng(0).permutation(120)[:60])
    np.savez(tmp_path / "repair.npz", x=bed.x[order])
    np.savez(tmp_path / "worse.npz", x=more[lost])
    done = bed.run(
        "-o", target, "--neurons", 0, "--validation", tmp_path / "worse.npz",
        data=tmp_path / "repair.npz",
    )  # fmt: skip
    assert (done.code, done.result["verdict"]) == (1, "NOT_REPAIRED"), done
    assert "validation" in done.result["message"]
    assert not target.exists()


def test_real_numbers_that_were_clamped_are_counted(bed):
    np.savez(bed.data, x=np.full(bed.x.shape, 1e6, np.float32))
    done = bed.run("--quantize")
    (said,) = (said for said in done.result["not_covered"] if "clamped" in said)
    assert f"clamped {bed.x.size} of {bed.x.size} values of x in data.npz" in said


def test_one_test_and_one_byte_are_no_plural():
    scores = FitnessRow(samples=3, agreeing=2)
    part = PartRow(name="repair", before=scores, after=scores, failing_before=1, failing_after=0)
    said = _judgement([part, part], ["a byte"], False, 0)[1]
    assert said.startswith("1 of 1 failing test fixed by 1 changed byte;")


def test_a_headline_of_a_repair_says_that_validation_agrees_less():
    """As many classes are right, but fewer are the float network's."""
    before, after = (FitnessRow(samples=20, agreeing=n, right=16) for n in (18, 17))
    repair = PartRow(name="repair", before=before, after=before, failing_before=2, failing_after=0)
    validation = PartRow(name="validation", before=before, after=after)
    verdict, said = _judgement([repair, validation], ["a byte"], True, 0)
    assert verdict == "REPAIRED"
    assert said == (
        "2 of 2 failing tests fixed by 1 changed byte; validation: 16 right before, 16 after, of 20, "
        "but fewer agree with the float network: 18 before, 17 after"
    )
    validation = PartRow(name="validation", before=before, after=before)
    assert "but" not in _judgement([repair, validation], ["a byte"], True, 0)[1]


def test_the_network_is_written_as_it_was_where_nothing_fails(tmp_path):
    bed = Bed(tmp_path, mlp(3))
    agree = bed.classes(bed.made.quantized, bed.x) == bed.made.real_classes(bed.x)
    np.savez(bed.data, x=bed.x[agree])
    done = bed.run("-o", tmp_path / "fixed.tflite")
    assert (done.code, done.result["verdict"]) == (0, "OK")
    assert done.result["message"].endswith("nothing to repair; fixed.tflite is int8.tflite as it was")
    said = " ".join(done.result["not_covered"])
    assert "the network was not run on a device" in said
    assert "the repaired network" not in said and "what the repair does" not in said
    assert (tmp_path / "fixed.tflite").read_bytes() == bed.made.quantized


def test_a_network_that_needs_no_repair_runs_on_the_device_that_was_given(tmp_path):
    bed = Bed(tmp_path, mlp(3))
    agree = bed.classes(bed.made.quantized, bed.x) == bed.made.real_classes(bed.x)
    np.savez(bed.data, x=bed.x[agree])
    done = bed.run("--device", "native:", "-o", tmp_path / "fixed.tflite")
    assert (done.code, done.result["verdict"]) == (0, "OK"), done
    assert done.result["device"]["board"] == "native"
    assert done.result["samples"] == len(bed.x[agree]) // 2 and done.result["bytes_compared"] > 0
    assert not any("--device" in said for said in done.result["not_covered"])
    assert (tmp_path / "fixed.tflite").read_bytes() == bed.made.quantized


@pytest.mark.parametrize(
    ("device", "code", "verdict"),
    [("nativ:", 2, "ERROR"), ("mlperf:/dev/none", 2, "ERROR"), ("serial:/dev/none@9600", 3, "LINK_ERROR")],
)
def test_a_device_that_is_not_there_is_told_before_the_work(bed, tmp_path, device, code, verdict):
    done = bed.run("--device", device, "--neurons", 0, "-o", tmp_path / "fixed.tflite")
    assert (done.code, done.result["verdict"]) == (code, verdict), done
    assert "repair" not in done.result.keys() - {"verb"}
    assert not (tmp_path / "fixed.tflite").exists()


def test_a_device_that_is_none_at_the_end_leaves_the_repair_in_the_result(tmp_path, monkeypatch):
    def gone(*_args):
        raise error

    monkeypatch.setattr("coverify.cli.repair.run.compare_with", gone)
    bed = Bed(tmp_path, mlp(2))
    reference = bed.made.paired().reference
    asked = SimpleNamespace(seed=0)
    for error in (BadInput("no line"), BoardError("no device")):
        run = Run(asked, Output(), bed.made.paired(), None, None)
        *_, failed = run._conformed(reference, bed.x[:2], "native:", "REPAIRED")
        assert failed == ("ERROR", f"the repaired network could not be conformed: {error}")


def test_a_device_that_was_not_needed_is_not_said_to_have_run(tmp_path):
    done = Bed(tmp_path, mlp(1)).run("--method", "paper", "--device", "native:")
    assert (done.code, done.result["verdict"]) == (1, "NOT_REPAIRED"), done
    said = done.result["not_covered"]
    assert "the repaired network was not run on a device (--device)" in said
    assert not any("native:" in one for one in said)


def test_a_file_that_nothing_is_written_over_is_told(tmp_path):
    bed, target = Bed(tmp_path, mlp(1)), tmp_path / "fixed.tflite"
    target.write_bytes(b"of an earlier call")
    done = bed.run("-o", target, "--method", "paper")
    assert (done.code, done.result["verdict"]) == (1, "NOT_REPAIRED"), done
    assert done.result["message"].endswith(f"\n{target} was there before this call and stays as it was")
    assert target.read_bytes() == b"of an earlier call"


@pytest.mark.parametrize("method", ["lattice", "paper"])
def test_no_test_that_says_anything_is_nothing_to_repair(tmp_path, method):
    bed = Bed(tmp_path, mlp(3), n=20)
    neither = [
        next(label for label in range(4) if label not in both)
        for both in zip(bed.classes(bed.made.quantized, bed.x), bed.made.real_classes(bed.x), strict=True)
    ]
    np.savez(bed.data, x=bed.x, y=neither)
    done = bed.run("--method", method, "--layer", "all", "--grid", "--seeds", 1)
    assert (done.code, done.result["verdict"]) == (0, "OK"), done
    assert {row["changed"] for row in done.result["repair"]["grid"]} == {0}
    assert [part["float_right"] for part in done.result["repair"]["parts"]] == [0, 0]


def test_the_paper_s_method_tells_nothing_of_a_neuron_that_it_does_not_know(tmp_path):
    bed = Bed(tmp_path, mlp(8))
    np.savez(tmp_path / "repair.npz", x=bed.made.inputs(40, 5))
    options = ("--method", "paper", "--layer", 0, "--neurons", 0, "--validation", bed.data)
    done = bed.run(*options, "--out", tmp_path / "run", data=tmp_path / "repair.npz")
    assert done.code in (0, 1), done
    rows = done.result["repair"]["neurons"]
    known = {(row["ended"], row["changed"] > 0) for row in rows}
    assert known == {("changed", True), ("no change after rounding", False), ("no change helps", False)}
    assert all(row.get(key) is None for row in rows for key in ("met", "fixed", "optimal", "time_s"))
    stream = io.StringIO()
    render(read_result(tmp_path / "run" / "repair.json"), Console(file=stream, width=120))
    (line, *_) = (line for line in stream.getvalue().splitlines() if "no change after rounding" in line)
    assert line.split()[-4:] == ["0", "–", "–", "–"]
    assert coverify("report", tmp_path / "run").code in (0, 1)
    page = (tmp_path / "run" / "report.html").read_text()
    assert '<td>no change after rounding</td><td class="n">0</td><td class="n">–</td>' in page


@pytest.mark.parametrize("method", ["lattice", "paper"])
def test_the_study_has_every_metric_and_a_row_for_each_seed(tmp_path, method):
    bed = Bed(tmp_path, mlp(3), labels=True)
    done = bed.run(
        "--grid", "--seeds", 2, "--method", method, "--layer", 0, "--time", 0.2, "--out", tmp_path / "run"
    )
    assert done.code in (0, 1), done
    assert [part["float_right"] for part in done.result["repair"]["parts"]] == [60, 60]
    grid = done.result["repair"]["grid"]
    metrics = ["tarantula", "ochiai", "dstar", "jaccard", "ample", "euclid", "wong3", "random", "random"]
    assert [row["metric"] for row in grid] == [metric for metric in metrics for _ in (1, 5, 8)]
    assert [row["neurons"] for row in grid] == [1, 5, 8] * 9
    assert {row.get("seed") for row in grid if row["metric"] == "random"} == {0, 1}
    for row in grid:  # with all neurons the order does not matter to the paper's method
        if method == "paper" and row["neurons"] == 8:
            assert row["validation"] == grid[2]["validation"]
    assert coverify("report", tmp_path / "run").code in (0, 1)
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"Validation accuracy in percent, op 0, {method}" in page
    assert page.count('<polyline class="series') == 2 * 8


def test_counterexamples_become_failing_tests(tmp_path):
    bed = Bed(tmp_path, mlp(3), n=60)
    done = bed.run("--layer", "1", "--neurons", 0, "--verify", 8, "--eps", 3, "--cegis", 2, "--time", 0.5)
    assert done.code in (0, 1), done
    rows = done.result["repair"]["robustness"]
    assert [row["when"] for row in rows][:3] == ["before", "after", "repair part, for round 1"]
    assert all(row["holds"] + row["violated"] + row["unknown"] == 8 for row in rows)
    assert rows[2]["violated"] > 0
    assert rows[3]["when"] == "after round 1"
    assert {row["round"] for row in done.result["repair"]["neurons"]} >= {0, 1}


def test_a_convolution_and_a_depthwise_layer_are_repaired(tmp_path):
    bed = Bed(tmp_path, cnn(2), n=100)
    for layer in (0, 1):
        done = bed.run("--layer", layer, "--neurons", 4, "--time", 0.1)
        assert done.code in (0, 1), done
        repair = done.result["repair"]["parts"][0]
        assert repair["failing_after"] <= repair["failing_before"]
        assert repair["after"]["agreeing"] >= repair["before"]["agreeing"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--layer", "5"), "--layer 5"),
        (("--layer", "first"), "--layer first"),
        (("--metric", "luck"), "tarantula"),
        (("--method", "magic"), "lattice, paper"),
        (("--criterion", "x"), "classes, status, codes"),
        (("--spectrum", "x"), "status, difference"),
        (("--solver", "x"), "cpsat, highs"),
        (("--label", "x"), "given, float"),
        (("--cegis", 1), "--verify"),
        (("-o", "none/fixed.tflite"), "there is no folder none"),
    ],
)
def test_options_that_are_none_are_refused(bed, options, said):
    done = bed.run(*options)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert said in done.result["message"]


@pytest.mark.parametrize("name", ["float.tflite", "int8.tflite", "data.npz", "judged.npz"])
def test_no_file_that_is_read_is_written_over(bed, tmp_path, name):
    np.savez(tmp_path / "judged.npz", x=bed.made.inputs(20, 8))
    target = tmp_path / name
    before = target.read_bytes()
    done = bed.run("--validation", tmp_path / "judged.npz", "--neurons", 0, "-o", target)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert f"it is {name}, which is read here; it would be written over" in done.result["message"]
    assert target.read_bytes() == before


@pytest.mark.parametrize("label", [-1, 4, 2**63 - 1])
def test_labels_that_are_no_class_are_refused(tmp_path, label):
    bed = Bed(tmp_path, mlp(2), n=20, labels=True)
    y = np.load(bed.data)["y"]
    y[7] = label
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, x=bed.x, y=y)
    said = f"{wrong}: y of input 7 is {label}; the network's classes are 0..3"
    for options in ({"data": wrong}, {"more": ("--validation", wrong)}):
        done = bed.run(*options.get("more", ()), data=options.get("data"))
        assert (done.code, done.result["verdict"], done.result["message"]) == (2, "ERROR", said)
    for more in (("--limit", 7), ("--label", "float")):
        assert bed.run("--time", 0.1, *more, data=wrong).code in (0, 1)


def test_networks_that_are_no_pair_are_refused(bed, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(mlp(9).original)
    done = coverify("repair", other, bed.model, "--data", bed.data, "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert "the two networks are no pair: op 0 FULLY_CONNECTED: the cosine" in done.result["message"]


def test_networks_of_a_single_output_are_refused_as_they_have_no_classes(tmp_path):
    bed, target = Bed(tmp_path, mlp(2, (6, 8, 1)), n=20), tmp_path / "fixed.tflite"
    done = bed.run("-o", target)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert "int8.tflite has a single output" in done.result["message"]
    assert "as the two outputs 0 and w" in done.result["message"]
    assert not target.exists()


def test_the_two_networks_the_other_way_round_are_refused_with_their_order(bed):
    done = coverify("repair", bed.model, bed.original, "--data", bed.data, "--json", "-")
    said = "float.tflite is a float network: INT8 comes second (FLOAT.tflite INT8.tflite)"
    assert (done.code, done.result["verdict"], done.result["message"]) == (2, "ERROR", said)


def test_keyword_spotting_is_repaired_by_three_bytes(tmp_path):
    data = shared("kws/kws01_first500.npz")
    pair = shared("models/kws_ref_model_float32.tflite"), shared("models/kws_ref_model.tflite")
    target = tmp_path / "fixed.tflite"
    done = coverify("repair", *pair, "--data", data, "-o", target, "--json", "-")
    assert (done.code, done.result["verdict"]) == (0, "REPAIRED"), done
    repair, validation = done.result["repair"]["parts"]
    assert (repair["failing_before"], repair["failing_after"]) == (3, 0)
    assert done.result["repair"]["n_bytes"] == 3
    x, y = (np.load(data)[name] for name in ("x", "y"))
    judged = np.sort(np.random.default_rng(0).permutation(500)[250:])
    interpreter = Tflm(target.read_bytes())
    classes = [int(interpreter.run(one[None]).argmax()) for one in x[judged]]
    assert validation["after"]["right"] == int(np.sum(np.array(classes) == y[judged]))
    assert json.dumps(done.result["repair"]["bytes"]).count("offset") == 3
