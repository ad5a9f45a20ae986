"""What a user sees of the counterexamples of a network of few inputs: codes, real values, the outputs.

The networks are worked by hand: y = x0 - x1, and (x0 - x1, x1 - x0), in codes whose zero points cancel.
"""

import io
import json
import zipfile

import numpy as np
import pytest

from command import coverify
from model_builder import Builder
from oracle import ROOT

SCALE, ZERO = 0.5, 4
REACH = "the input's -66..61.5 (codes -128..127)"


def network(*weights):
    b = Builder()
    x = b.input((1, 2), SCALE, ZERO)
    return b.finish(b.fully_connected(x, np.array(weights), None, 1.0, SCALE, 0))


@pytest.fixture
def files(tmp_path):
    (tmp_path / "level.tflite").write_bytes(network([1, -1]))
    (tmp_path / "class.tflite").write_bytes(network([1, -1], [-1, 1]))
    np.savez(tmp_path / "x.npz", x=np.array([[10, -9], [5, 5]], np.int8), y=np.array([1, 0]))
    return tmp_path


def asked(files, text, *options):
    (files / "p.toml").write_text(text)
    return coverify("verify", files / "level.tflite", "--property", files / "p.toml", "--out", files / "out",
                    *options)  # fmt: skip


def test_few_values_and_a_single_output_are_listed_in_codes_with_their_scales(files):
    text = "[region]\neps = 3\n[claim]\nkind = 'output'\nindex = 0\ncodes = [-20, 20]\n"
    done = asked(files, text, "--inputs", files / "x.npz", "--index", 0)
    assert done.code == 1
    (row,) = json.loads((files / "out" / "verify.json").read_text())["queries"]
    now = row["inputs"].pop("counterexample")
    assert row["inputs"] == {"base": [10, -9], "scale": SCALE, "zero_point": ZERO}
    assert max(abs(now[0] - 10), abs(now[1] + 9)) <= 3
    value = now[0] - now[1]
    assert value > 20
    assert row["outputs"] == {"base": [19], "counterexample": [value], "scale": SCALE, "zero_point": 0}
    assert not {"label", "predicted", "unchanged"} & set(row)  # one output is no class
    assert f"y 19 → {value}" in done.stdout
    folded = " ".join(done.stdout.split())
    for i, (before, after) in enumerate(zip((10, -9), now, strict=True)):
        if before != after:
            assert f"feature {i}: {before} → {after} ({(before - 4) / 2:.2f} → {(after - 4) / 2:.2f})" in (
                folded.replace("−", "-")
            )
    assert f"; output 0: 19 → {value} (9.50 → {value / 2:.2f})" in folded


def test_a_counterexample_without_a_base_is_written_out_and_what_the_input_itself_breaks_is_counted(files):
    """By hand: input 1 is (5, 5), of class 0 in a tie; input 0 is (10, -9), of class 0, though y says 1."""
    text = "[claim]\nkind = 'output'\nindex = 0\ncodes = [-20, 20]\n"
    done = asked(files, text)
    assert done.code == 1
    (row,) = json.loads((files / "out" / "verify.json").read_text())["queries"]
    now = row["inputs"]["counterexample"]
    said = " ".join(done.stdout.split()).replace("−", "-")
    assert f"feature 0: {now[0]} ({(now[0] - 4) / 2:.2f}), feature 1: {now[1]} (" in said
    done = coverify("verify", files / "class.tflite", "--inputs", files / "x.npz", "--eps", 0)
    assert done.code == 1
    assert "Queries: 1 HOLDS, 1 VIOLATED; 1 misclassified as given" in done.stdout


def test_of_many_inputs_the_few_that_differ_are_listed(tmp_path):
    digits = ROOT / "firmware_models" / "networks" / "digits_mlp.tflite"
    samples = digits.with_suffix(".npz")
    done = coverify("verify", digits, "--inputs", samples, "--index", 2, "--eps", 255, "--changes", 2,
                    "--out", tmp_path)  # fmt: skip
    assert done.code == 1
    (row,) = json.loads((tmp_path / "verify.json").read_text())["queries"]
    given = np.load(samples)["x"][2].reshape(-1)
    with zipfile.ZipFile(tmp_path / row["witness"]) as archive:
        found = np.load(io.BytesIO(archive.read("input.npy"))).reshape(-1)
    at = np.flatnonzero(given != found).tolist()
    assert 1 <= len(at) <= 2 and row["inputs"]["at"] == at
    assert row["inputs"]["base"] == given[at].tolist()
    assert row["inputs"]["counterexample"] == found[at].tolist()
    folded = " ".join(done.stdout.split()).replace("−", "-")
    assert f"feature {at[0]}: {given[at[0]]} → {found[at[0]]}" in folded
    all_vary = coverify("verify", digits, "--inputs", samples, "--index", 2, "--eps", 60, "--json", "-")
    assert [("inputs" in row, row["verdict"]) for row in all_vary.result["queries"]] == [(False, "VIOLATED")]


def replayed(files):
    done = coverify("replay", files / "out", "--device", "native:", "--json", "-")
    assert done.code == 0, done
    (row,) = done.result["replays"]
    return row["note"]


def test_the_replay_of_a_single_output_tells_its_codes_and_real_values(files):
    text = "[region]\neps = 3\n[claim]\nkind = 'output'\nindex = 0\ncodes = [-20, 20]\n"
    assert asked(files, text, "--inputs", files / "x.npz", "--index", 0).code == 1
    (row,) = json.loads((files / "out" / "verify.json").read_text())["queries"]
    (value,) = row["outputs"]["counterexample"]
    said = f"on the device: output 0: 19 before, {value} after (9.5 and {value / 2:g}); its output breaks"
    assert replayed(files).startswith(said)


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("kind = 'output'\nindex = 1\ncodes = [0, 127]", "output 1: -19 before, {} after (-9.5 and {:g});"),
        ("kind = 'never'\nclasses = [0]", "class 0 before, 0 after;"),
    ],
)
def test_the_replay_tells_the_outputs_that_the_property_names_or_the_class(files, claim, said):
    (files / "p.toml").write_text(f"[region]\neps = 1\n[claim]\n{claim}\n")
    given = ("--property", files / "p.toml", "--inputs", files / "x.npz", "--index", 0)
    assert coverify("verify", files / "class.tflite", *given, "--out", files / "out").code == 1
    (row,) = json.loads((files / "out" / "verify.json").read_text())["queries"]
    value = row["outputs"]["counterexample"][1]
    assert replayed(files).startswith("on the device: " + said.format(value, value / 2))


def test_a_region_that_speaks_of_no_input_has_no_base(files):
    text = "[claim]\nkind = 'output'\nindex = 0\ncodes = [-20, 20]\n"
    assert asked(files, text).code == 1
    (row,) = json.loads((files / "out" / "verify.json").read_text())["queries"]
    assert not {"base", "unchanged"} & (set(row["inputs"]) | set(row["outputs"]) | set(row))


@pytest.mark.parametrize("options", [(), ("--inputs", "x.npz", "--index", "0")], ids=["anywhere", "given"])
def test_of_a_monotonicity_both_inputs_and_outputs_are_shown(files, options):
    """y = x0 - x1 falls as x1 rises; around (10, -9), eps 1: 18 to 21."""
    region = "[region]\neps = 1\n" if options else ""
    text = f"{region}[claim]\nkind = 'monotone'\noutput = 0\nfeature = 1\n"
    options = [files / o if o == "x.npz" else o for o in options]
    done = asked(files, text, *options)
    assert done.code == 1, done
    (row,) = json.loads((files / "out" / "verify.json").read_text())["queries"]
    before, after = row["inputs"]["base"], row["inputs"]["counterexample"]
    assert before[0] == after[0] and before[1] < after[1]
    lower, higher = ([np.clip(a - b, -128, 127)] for a, b in (after, before))
    assert (row["outputs"]["base"], row["outputs"]["counterexample"]) == (higher, lower)
    assert "unchanged" not in row
    assert coverify("report", files / "out").code == 1
    page = (files / "out" / "report.html").read_text()
    for code in (*before, *after, *higher, *lower):
        assert f'<td class="n">{str(code).replace("-", "−")}</td>' in page


def test_an_input_that_is_misclassified_as_it_is_says_so(files):
    done = coverify("verify", files / "class.tflite", "--inputs", files / "x.npz", "--eps", 1, "--out",
                    files / "out")  # fmt: skip
    wrong, tied = json.loads((files / "out" / "verify.json").read_text())["queries"]
    # (19, -19) is class 0 and not 1; (0, 0) is class 0, until x1 is the greater one
    assert (wrong["unchanged"], wrong["predicted"], wrong["inputs"]["counterexample"]) == (True, 0, [10, -9])
    assert "unchanged" not in tied and tied["predicted"] == 1
    assert done.stdout.count("misclassified as given") == 2  # in its row and in the title of the table


def test_real_numbers_as_inputs_are_told_how_codes_are_made_of_them(files):
    np.savez(files / "real.npz", x=np.zeros((1, 2), np.float32))
    done = coverify("verify", files / "level.tflite", "--property", "p.toml", "--inputs", files / "real.npz")
    assert done.code == 2
    given = ("--eps", 1, "--inputs", files / "real.npz", "--json", "-")
    done = coverify("distinguish", files / "class.tflite", "--against-model", files / "class.tflite", *given)
    assert "of real x they are x / 0.5 + 4, rounded, within -128..127" in done.result["message"]
    assert "--quantize" not in done.result["message"]
    done = coverify("run", files / "class.tflite", "--inputs", files / "real.npz", "-o", files / "y.npz",
                    "--json", "-")  # fmt: skip
    assert "--quantize takes uint8 and float" in done.result["message"]
    done = coverify("verify", files / "class.tflite", *given)
    assert "--quantize takes uint8 and float" in done.result["message"]


def test_a_counterexample_of_bounds_says_that_an_input_was_run(files):
    done = coverify("verify", files / "class.tflite", "--inputs", files / "x.npz", "--index", 1, "--eps", 9,
                    "--engine", "interval", "--json", "-")  # fmt: skip
    (row,) = done.result["queries"]
    assert (row["verdict"], row["note"]) == ("VIOLATED", "the bound's worst input was run")


@pytest.mark.parametrize(
    ("real", "rounding", "said"),
    [
        # the input represents 0.5 * (-128 - 4) = -66 to 0.5 * (127 - 4) = 61.5; 61.7 is rounded to code 127
        ("[-70, 61.7]", "nearest", "goes beyond {}: it is clamped there"),
        ("[70.5, 80]", "nearest", "lies wholly beyond {}: the device clamps it to code 127"),
        ("[0, 70]", "inward", "goes beyond {}: what is asked about ends there"),
        ("[-66, 61.7]", "nearest", None),
    ],
)
def test_a_range_beyond_what_the_input_represents_says_so(files, real, rounding, said):
    text = f"[[region.range]]\nfeatures = [0]\nreal = {real}\nrounding = '{rounding}'\n"
    done = asked(files, text + "[claim]\nkind = 'output'\nindex = 0\ncodes = [-128, 127]\n", "--json", "-")
    (row,) = done.result["queries"]
    assert row["verdict"] == "HOLDS"
    for words in (row.get("note", ""), done.result["message"]):
        assert "beyond" not in words if said is None else said.format(REACH) in words


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("kind = 'output'\nindex = 0\nreal = [-65, 64]", "every value that output 0 can represent, {},"),
        (
            "kind = 'decision'\nthreshold = 1000",
            "the threshold 1000 lies outside what each output represents, {}",
        ),
        ("kind = 'output'\nindex = 0\nreal = [-65, 63]", None),
    ],
)
def test_a_claim_that_no_output_can_break_says_so(files, claim, said):
    """The output represents 0.5 * -128 = -64 to 0.5 * 127 = 63.5."""
    done = asked(files, f"[region]\neps = 1\n[claim]\n{claim}\n", "--inputs", files / "x.npz", "--json", "-")
    assert done.code == 0
    for words in (done.result["message"], *(row.get("note", "") for row in done.result["queries"])):
        if said is None:
            assert "represent" not in words
        else:
            assert words.count(said.format("-64..63.5 (codes -128..127)")) == 1


def test_the_class_of_a_single_output_is_no_question(files):
    done = coverify("distinguish", files / "level.tflite", "--against", "tflm-single-rounding", "--question",
                    "class", "--json", "-")  # fmt: skip
    assert done.code == 2
    assert "whose class is always 0; --question output asks about its value" in done.result["message"]


def test_of_a_single_output_it_is_said_what_can_be_asked_about_it_and_that_can(files):
    """x0 - x1 of (10, -9) is 19, and with 3 codes in each 13 at least: a threshold of 13 holds within 3."""
    given = ("--inputs", files / "x.npz", "--index", 0, "--radius", 9)
    done = coverify("verify", files / "level.tflite", *given, "--json", "-")
    assert done.code == 2
    for word in ("kind = 'decision'", "kind = 'output'", "--property FILE", "--radius with that file"):
        assert word in done.result["message"]
    done = asked(files, "[claim]\nkind = 'decision'\nthreshold_code = 13\n", *given)
    assert done.code == 0
    (row,) = json.loads((files / "out" / "verify.json").read_text())["radii"]
    assert (row["certified"], row["attacked"]) == (3, 4)


@pytest.mark.parametrize("engine", ["enumerate", "interval"])
def test_a_root_of_a_negative_number_is_no_overflow(files, engine):
    b = Builder()
    x = b.input((1, 2), SCALE, ZERO)
    roots = b.op("RSQRT", [x], b.activation((1, 2), 0.02, -128))
    (files / "roots.tflite").write_bytes(b.finish(roots))
    np.savez(files / "near.npz", x=np.array([[ZERO + 1, 90]], np.int8))
    done = coverify("verify", files / "roots.tflite", "--label", "predicted", "--inputs", files / "near.npz",
                    "--eps", 2, "--engine", engine, "--json", "-")  # fmt: skip
    (row,) = done.result["queries"]
    assert row["verdict"] == "UNKNOWN"
    assert f"op 0 RSQRT is not defined on an element below {ZERO} (TFLM fails too)" in row["note"]
    assert "overflow" not in row["note"]
