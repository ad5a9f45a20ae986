"""Whatever comes from outside and is wrong: a clear message, the right exit code, no traceback, no hang."""

import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import typer

from command import coverify
from coverify.boards.qemu import PROGRAM, QemuProcess, machines
from coverify.cli import boards
from coverify.cli.verbs import VERBS, VerbGroup, takes_a_number
from coverify.errors import ToolMissing
from coverify.link.deadline import Deadline
from coverify.report.result import read_result
from oracle import NETWORKS

MODEL = NETWORKS / "digits_mlp.tflite"
INPUTS = NETWORKS / "digits_mlp.npz"


def conform(*more, model=MODEL, device="native:"):
    return coverify("conform", model, "--device", device, "--vectors", 2, "--json", "-", *more)


@pytest.mark.parametrize("length", [0, 7, 100, 5000])
def test_a_truncated_model_is_bad_input(tmp_path, length):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(MODEL.read_bytes()[:length])
    done = conform(model=cut)
    assert done.code == 2
    assert done.result["verdict"] == "ERROR"
    assert "cut.tflite: not a valid .tflite model" in done.result["message"]
    assert ("the file is empty" in done.result["message"]) == (length == 0)


def test_a_fixed_point_network_is_told_the_verbs_that_take_it():
    for verb in (
        ("inspect",),
        ("run", "-o", "y.npz", "--inputs", INPUTS),
        ("conform", "--device", "native:"),
    ):
        done = coverify(*verb, NETWORKS / "digits_mlp.npz", "--json", "-")
        assert done.code == 2 and "is for verify, distinguish, check and study" in done.result["message"]


def test_a_model_that_is_not_there_is_bad_input(tmp_path):
    done = coverify("inspect", tmp_path / "none.tflite")
    assert done.code == 2
    assert "none.tflite: No such file or directory" in done.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros((3, 63), np.int8)}, "the network wants N x 64"),
        ({"x": np.zeros((3, 64), np.float32)}, "must hold the input"),
        ({"x": np.zeros((3, 64), np.int64)}, "x.astype(numpy.int8)"),
        ({"z": np.zeros((3, 64), np.int8)}, "there is no array x"),
        ({"x": np.array([{"a": 1}] * 3, object)}, "pickled objects"),
        ({"x": np.zeros((3, 64), np.int8), "y": np.zeros(2, np.int64)}, "must hold 3 integers"),
    ],
)
def test_inputs_that_do_not_fit_are_bad_input(tmp_path, arrays, said):
    file = tmp_path / "x.npz"
    np.savez(file, **arrays)
    for arguments in (
        ("conform", MODEL, "--device", "native:", "--inputs", file),
        ("verify", MODEL, "--eps", 1, "--inputs", file),
        ("run", MODEL, "--inputs", file, "-o", tmp_path / "y.npz"),
    ):
        done = coverify(*arguments, "--json", "-")
        assert done.code == 2, done
        assert said in done.result["message"]


def test_a_label_beyond_the_classes_is_bad_input_and_named_where_it_is_asked_for(tmp_path):
    file = tmp_path / "x.npz"
    np.savez(file, x=np.load(INPUTS)["x"][:2], y=np.array([int(np.load(INPUTS)["y"][0]), 51]))
    asked = ("verify", MODEL, "--eps", 0, "--inputs", file, "--json", "-", "--index")
    assert coverify(*asked, 0).code == 0
    done = coverify(*asked, 1)
    assert done.code == 2
    assert "x.npz: y of input 1 is 51" in done.result["message"]


def test_without_labels_the_result_says_whose_classes_were_taken(tmp_path):
    file = tmp_path / "x.npz"
    np.savez(file, x=np.load(INPUTS)["x"][:1])
    asked = ("verify", MODEL, "--eps", 0, "--index", 0, "--json", "-", "--inputs")
    said = [" ".join(coverify(*asked, inputs).result["not_covered"]) for inputs in (file, INPUTS)]
    assert ["own classes" in words for words in said] == [True, False]


def test_run_says_before_it_runs_that_there_is_no_folder_for_the_output(tmp_path):
    asked = ("run", MODEL, "--inputs", INPUTS, "--on", "serial:/dev/ttyNONE", "--json", "-")
    done = coverify(*asked, "-o", tmp_path / "no" / "y.npz")
    assert done.code == 2
    assert "there is no folder" in done.result["message"]


@pytest.mark.parametrize("name", ["x.npz", "net.tflite", "link.npz"])
def test_run_does_not_write_over_what_it_reads(tmp_path, name):
    model, inputs = tmp_path / "net.tflite", tmp_path / "x.npz"
    shutil.copy(MODEL, model)
    shutil.copy(INPUTS, inputs)
    (tmp_path / "link.npz").symlink_to(inputs)
    done = coverify("run", model, "--inputs", inputs, "--limit", 1, "-o", tmp_path / name, "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    read = name.replace("link", "x")
    said = f"{tmp_path / name}: it is {read}, which is read here; it would be written over"
    assert done.result["message"] == said
    assert inputs.read_bytes() == INPUTS.read_bytes() and model.read_bytes() == MODEL.read_bytes()


def test_build_does_not_write_over_the_library_that_it_links(tmp_path):
    library = tmp_path / "libtflm.a"
    library.write_bytes(b"an archive")
    done = coverify("build", "native:", "--tflm-lib", library, "--tflm-include", tmp_path, "-o", library)
    assert done.code == 2 and "it would be written over" in " ".join(done.stdout.split())
    assert library.read_bytes() == b"an archive"


def test_run_on_something_unknown_names_the_interpreters_too(tmp_path):
    done = coverify("run", MODEL, "--inputs", INPUTS, "--on", "tlfm", "-o", tmp_path / "y.npz", "--json", "-")
    assert done.code == 2
    assert "tlfm: neither reference, tflm nor tflite" in done.result["message"]


def test_a_limit_of_inputs_that_are_not_given_is_bad_input():
    done = conform("--limit", 5)
    assert done.code == 2
    assert "--limit" in done.result["message"]


def test_a_report_of_a_folder_that_is_not_there_says_so(tmp_path):
    done = coverify("report", tmp_path / "none")
    assert done.code == 2
    assert done.stdout.startswith("ERROR  report: ") and not done.stderr
    assert "there is no such folder" in " ".join(done.stdout.split())


def test_a_report_of_a_file_says_that_a_folder_is_wanted():
    done = coverify("report", INPUTS, "--json", "-")
    assert (done.code, done.result["verb"], done.result["verdict"]) == (2, "report", "ERROR")
    assert done.result["message"] == f"{INPUTS}: it is a file; the folder of the results is wanted"


def test_an_error_of_a_report_is_a_result_in_its_json_file(tmp_path):
    empty, file = tmp_path / "empty", tmp_path / "report.json"
    empty.mkdir()
    assert coverify("report", empty, "--json", file).code == 2
    result = read_result(file)
    assert (result.verb, result.verdict) == ("report", "ERROR")
    assert result.message.startswith(f"{empty}: no result file")
    assert list(empty.iterdir()) == []


def test_a_report_that_cannot_be_written_says_where_without_the_systems_number(tmp_path):
    result = {"schema": "coverify-result/1", "verb": "conform", "verdict": "MATCH"}
    (tmp_path / "conform.json").write_text(json.dumps(result))
    (tmp_path / "report.html").mkdir()
    done = coverify("report", tmp_path)
    assert done.code == 2
    assert done.stdout.startswith("ERROR  report: ") and not done.stderr
    assert "report.html:Isadirectory" in "".join(done.stdout.split()) and "Errno" not in done.stdout
    said = coverify("report", tmp_path, "--json", "-").result["message"]
    assert said == f"{tmp_path / 'report.html'}: Is a directory"


def test_a_file_that_is_no_npz_is_bad_input(tmp_path):
    file = tmp_path / "x.npz"
    file.write_bytes(b"PK\x03\x04 but not really")
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", file, "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")


@pytest.mark.parametrize("index", ["360", "5-3", "a", "-1", "1,,2", "0-360", "１", "1-２", "1-", "1-2-3"])
def test_an_index_outside_the_inputs_is_bad_input(index):
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", INPUTS, f"--index={index}", "--json", "-")
    assert done.code == 2
    assert "--index" in done.result["message"]


@pytest.mark.parametrize("device", ["qemu:nothing", "native:x", "nowhere", "serial:", "ftp://x"])
def test_a_device_that_does_not_exist_is_bad_input(device):
    done = conform(device=device)
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert device in done.result["message"]


def test_a_port_that_is_not_there_is_a_link_error():
    done = conform(device="serial:/dev/ttyNONE@115200")
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR")
    assert done.result["samples"] == 0
    assert (
        done.result["message"]
        == "cannot open /dev/ttyNONE: No such file or directory; is the device plugged in?"
    )


def test_a_silent_device_is_a_link_error_and_does_not_hang():
    master, slave = pty.openpty()
    try:
        done = conform(device=f"serial:{os.ttyname(slave)}")
    finally:
        os.close(master)
        os.close(slave)
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR")
    assert "no answer to HELLO" in done.result["message"]


def test_a_babbling_device_is_a_link_error_and_does_not_hang():
    master, slave = pty.openpty()
    rng, stop = np.random.default_rng(3), threading.Event()
    os.set_blocking(master, False)

    def babble() -> None:
        while not stop.is_set():
            try:
                os.write(master, rng.bytes(512))
            except BlockingIOError:
                stop.wait(0.01)

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        done = conform(device=f"serial:{os.ttyname(slave)}")
    finally:
        stop.set()
        thread.join()
        os.close(master)
        os.close(slave)
    assert (done.code, done.result["verdict"]) == (3, "LINK_ERROR")


def test_an_unknown_profile_engine_or_oracle_is_bad_input():
    assert conform("--profile", "mine").code == 2
    assert conform("--oracle", "mine").code == 2
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", INPUTS, "--engine", "mine", "--json", "-")
    assert done.code == 2
    assert "unknown engine" in done.result["message"]


def test_an_unknown_verb_or_option_is_a_usage_error():
    assert coverify("conformm").code == 2
    assert coverify("conform", MODEL, "--devize", "x").code == 2


def test_a_pipe_given_for_the_result_is_written_to_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = []
    reader = threading.Thread(target=lambda: said.append(pipe.read_text("utf-8")))
    reader.start()
    done = coverify("boards", "--json", pipe)
    reader.join(timeout=30)
    assert done.code == 0
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert json.loads(said[0])["verb"] == "boards"


def test_a_link_given_for_the_result_stays_a_link(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert coverify("boards", "--json", tmp_path / "link.json").code == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["verb"] == "boards"


def test_no_samples_are_bad_input(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((0, 64), np.int8))
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", tmp_path / "x.npz", "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert "no samples" in done.result["message"]


def test_a_seed_beyond_int64_is_a_usage_error():
    done = coverify("verify", MODEL, "--eps", 1, "--inputs", INPUTS, "--index", 0, "--seed", 10**22)
    assert done.code == 2


def test_a_pipe_given_for_the_model_is_bad_input_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "model.tflite")
    done = coverify("inspect", tmp_path / "model.tflite", "--json", "-", timeout_s=30)
    assert done.code == 2
    assert "not a regular file" in done.result["message"]


def test_a_file_name_that_is_not_utf8_does_no_harm(tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff\xfe.tflite"
    with open(name, "wb") as file:  # noqa: PTH123 - a name that pathlib has no text for
        file.write(MODEL.read_bytes())
    done = coverify("inspect", os.fsdecode(name), "--json", "-")
    assert (done.code, done.result["verdict"]) == (0, "OK")


@pytest.mark.parametrize("verb", [("verify", "--eps", 1, "--index", 0), ("inspect",)])
@pytest.mark.parametrize("option", ["--out", "--json"])
def test_a_place_for_the_result_with_too_long_a_name_is_refused_in_one_sentence(tmp_path, verb, option):
    asked = (verb[0], MODEL, *verb[1:], *(("--inputs", INPUTS) if verb[0] == "verify" else ()))
    done = coverify(*asked, option, tmp_path / ("a" * 300))
    assert done.code == 2
    said = (done.stdout + done.stderr).replace("\n", "")
    assert "too long" in said and "Traceback" not in said


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("after_s", [0.05, 0.3, 1.0, 2.5])
def test_ctrl_c_exits_with_130_sigterm_with_143_and_no_traceback(after_s, how, code):
    """From the first moment on that the program itself can be interrupted."""
    verb = ["conform", MODEL, "--device", "native:", "--vectors", "90000"]
    script = "import sys, time; print('here', flush=True); sys.argv = sys.argv[1:]\n"
    script += "from coverify.__main__ import main\nmain()\n"
    run = subprocess.Popen(
        [sys.executable, "-c", script, "coverify", *map(str, verb)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    run.stdout.readline()
    time.sleep(after_s)
    run.send_signal(how)
    _, said = run.communicate(timeout=60)
    before_python_hears = -how if how != signal.SIGINT and after_s < 0.1 else code
    assert run.returncode in (code, before_python_hears), said
    assert "Traceback" not in said


def test_a_reader_that_stops_early_ends_the_verb_as_sigpipe_would():
    writer = subprocess.Popen(
        [sys.executable, "-m", "coverify", "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer.stdout.close()
    assert writer.wait(timeout=120) == 141
    assert b"Traceback" not in writer.stderr.read()


def test_an_archive_and_a_folder_are_named_as_what_they_are(tmp_path):
    np.savez(tmp_path / "net.npz", x=np.zeros(3))
    assert "zip archive" in coverify("inspect", tmp_path / "net.npz").stdout
    np.save(tmp_path / "x.npy", np.zeros((1, 64), np.int8))
    done = coverify("verify", MODEL, "--inputs", tmp_path / "x.npy", "--eps", 1, "--json", "-")
    assert (done.code, done.result["message"].count("zip")) == (2, 1)
    assert "this is a folder" in coverify("inspect", ".", cwd=tmp_path).stdout


@pytest.mark.parametrize(("given", "missing"), [(("--eps", 1), "--inputs"), (("--inputs", INPUTS), "--eps")])
def test_a_question_that_lacks_a_part_is_told_which(given, missing):
    done = coverify("verify", MODEL, *given, "--json", "-")
    assert done.code == 2
    assert missing in done.result["message"]


def test_a_damaged_file_without_the_identifier_is_said_to_be_none(tmp_path):
    (tmp_path / "notes.tflite").write_bytes(b"\xff" * 64)
    (tmp_path / "cut.tflite").write_bytes(MODEL.read_bytes()[:200])
    said = coverify("inspect", tmp_path / "notes.tflite").stdout
    assert "no TFL3 at byte 4" in " ".join(said.split())  # wherever the line is wrapped
    assert "TFL3" not in coverify("inspect", tmp_path / "cut.tflite").stdout


def test_a_file_given_for_the_folder_of_results_is_said_before_the_work(tmp_path):
    (tmp_path / "out").write_text("mine")
    done = coverify("inspect", MODEL, "--out", tmp_path / "out", "--json", "-")
    assert (done.code, done.result["verdict"]) == (2, "ERROR")
    assert "it is a file" in done.result["message"]
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize(("file", "said"), [("none/x.json", "there is no folder"), ("", "it is a folder")])
def test_a_place_where_no_json_can_be_written_is_said_before_the_work(tmp_path, file, said):
    done = coverify("verify", MODEL, "--eps", 0, "--inputs", INPUTS, "--json", tmp_path / file)
    assert done.code == 2
    assert done.stdout.startswith("ERROR  verify: --json ")
    assert said in " ".join(done.stdout.split())
    assert "Queries" not in done.stdout


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc, in which nobody can write")
@pytest.mark.parametrize(
    "place", [("--out", "/proc/none/out"), ("--out", "/proc"), ("--json", "/proc/x.json")], ids=" ".join
)
def test_a_place_in_which_nothing_can_be_written_is_said_before_the_work(place):
    done = coverify("verify", MODEL, "--eps", 0, "--inputs", INPUTS, *place)
    assert done.code == 2
    said = " ".join(done.stdout.split())
    assert said.startswith(f"ERROR verify: {' '.join(place)}: nothing may be written in /proc: ")
    assert "Queries" not in said


def test_a_folder_below_a_file_is_said_before_the_work_and_looking_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("mine")
    done = coverify("verify", MODEL, "--eps", 0, "--inputs", INPUTS, "--out", tmp_path / "file" / "a" / "b")
    assert done.code == 2 and "is a file; a folder is wanted" in " ".join(done.stdout.split())
    done = coverify("inspect", MODEL, "--out", tmp_path / "file", "--json", tmp_path / "x.json")
    assert done.code == 2 and [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_result_that_cannot_be_written_is_shown_before_it_is_lost():
    done = coverify("verify", MODEL, "--eps", 0, "--inputs", INPUTS, "--index", 0, "--json", "/dev/full")
    assert done.code == 2
    assert done.stdout.startswith("HOLDS  verify")
    assert "the result cannot be written" in done.stderr
    assert "/dev/full" in done.stderr


def test_a_label_that_is_no_class_of_the_network_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 64), np.int8), y=np.array([3, 10]))
    done = coverify("run", MODEL, "--inputs", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
    assert done.code == 2
    assert "sample 1 has the label 10" in " ".join(done.stdout.split())


def test_a_path_back_from_a_folder_that_is_not_there_is_refused_and_makes_none(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("none/../file", "none/../new", "file/../new"):
        done = coverify("inspect", MODEL, "--out", out, "--json", "-", cwd=tmp_path)
        assert (done.code, done.result["verdict"]) == (2, "ERROR")
        assert f"there is no folder {out.partition('/')[0]}" in done.result["message"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "there").mkdir()
    assert coverify("inspect", MODEL, "--out", "there/../new", cwd=tmp_path).code == 0
    assert (tmp_path / "new" / "inspect.json").is_file()


@pytest.mark.parametrize("seconds", ["inf", "nan", "-inf", "1e999"])
def test_a_time_that_is_no_number_of_seconds_is_a_usage_error(seconds):
    asked = ("verify", MODEL, "--inputs", INPUTS, "--eps", 1, "--index", 0)
    for verb in (asked, ("distinguish", MODEL, MODEL), ("repair", MODEL, MODEL, "--data", INPUTS)):
        done = coverify(*verb, f"--timeout={seconds}")
        assert done.code == 2
        assert "Invalid value for '--timeout'" in done.stderr


@pytest.mark.parametrize("value", ["３", "1_0", "٣", "1٣"])
def test_a_number_of_other_digits_is_refused_by_every_option(value):
    n = 0
    for verb in VERBS:
        command = VerbGroup().get_command(None, verb)
        for part in getattr(command, "commands", {verb: command}).values():
            for parameter in filter(takes_a_number, part.params):
                n += 1
                with pytest.raises(typer.BadParameter, match="no number of the digits 0 to 9"):
                    parameter.process_value(None, value)
    assert n > 40


def test_a_number_of_other_digits_is_a_usage_error():
    for option in (("--radius", "１"), ("--jobs", "２"), ("--timeout", "1_0"), ("--eps", "１")):
        done = coverify("verify", MODEL, "--inputs", INPUTS, "--index", 0, *option)
        assert done.code == 2, option
    done = coverify("verify", MODEL, "--inputs", INPUTS, "--index", 0, "--radius", 1, "--jobs", 2)
    assert done.code == 0
    assert coverify("study", "bits", MODEL, "--data", INPUTS, "--eps", 1, "--timeout", "５").code == 2


@pytest.mark.parametrize(
    ("words", "verb", "said"),
    [
        (("verify", MODEL, "--timeout", "long"), "verify", "--timeout"),
        (("verify", MODEL, "--eps", 1, "--such-an-option"), "verify", "--such-an-option"),
        (("study", "bits", "--eps", 1_000_000), "study-bits", "--eps"),
    ],
)
def test_a_command_line_that_is_none_is_a_result_where_json_is_asked_for(tmp_path, words, verb, said):
    for place in ("-", tmp_path / "r.json"):
        done = coverify(*words, "--json", place)
        assert done.code == 2
        assert done.stderr.startswith("Usage: ")
        result = done.result if place == "-" else read_result(place).model_dump()
        assert (result["verb"], result["verdict"]) == (verb, "ERROR")
        assert said in result["message"]


def test_json_is_not_written_over_a_file_that_is_no_text(tmp_path):
    (tmp_path / "x.npz").write_bytes(INPUTS.read_bytes())
    (tmp_path / "empty").touch()
    (tmp_path / "old.json").write_text('{"verb": "inspect"}')
    done = coverify("inspect", MODEL, "--json", tmp_path / "x.npz")
    assert done.code == 2
    assert "stays as it was" in " ".join(done.stdout.split())
    assert (tmp_path / "x.npz").read_bytes() == INPUTS.read_bytes()
    for name in ("empty", "old.json"):
        assert coverify("inspect", MODEL, "--json", tmp_path / name).code == 0
        assert read_result(tmp_path / name).verb == "inspect"


def test_an_emulator_without_the_machine_is_a_missing_tool():
    ready = {row.name: row.ready for row in map(boards._row, boards.boards())}
    if not machines():
        assert not ready["qemu:mps2-an386"]
        pytest.skip(f"{PROGRAM} is not installed")
    compiler = shutil.which("arm-none-eabi-gcc") is not None
    for name in (name for name in ready if name.startswith("qemu:")):
        machine = name.removeprefix("qemu:")
        start = [PROGRAM, "-machine", machine, "-display", "none", "-nodefaults", "-S", "-qmp", "stdio"]
        end = b'{"execute": "qmp_capabilities"} {"execute": "quit"}'
        asked = subprocess.run(start, input=end, capture_output=True, timeout=60, check=False)
        assert ready[name] == (compiler and asked.returncode == 0), name
    with pytest.raises(ToolMissing, match="with the machine no-such-board is not installed"):
        QemuProcess("no-such-board", Path(sys.executable), Deadline.in_s(30))


def test_what_a_board_lacks_is_named(monkeypatch):
    monkeypatch.setattr(boards, "machines", lambda: frozenset({"mps2-an386"}))
    monkeypatch.setattr(shutil, "which", lambda name, **_: None if name == "gcc" else name)
    rows = {row.name: row for row in map(boards._row, boards.boards())}
    assert rows["qemu:mps2-an386"].ready and "machine" not in rows["qemu:mps2-an386"].notes
    assert rows["native"].notes.endswith("not here: gcc")
    older = rows["qemu:olimex-stm32-h405"]
    assert not older.ready and f"this {PROGRAM} has no machine olimex-stm32-h405" in older.notes


def test_a_report_into_a_closed_pipe_ends_as_sigpipe_would(tmp_path):
    assert coverify("inspect", MODEL, "--out", tmp_path).code == 0
    writer = subprocess.Popen(
        [sys.executable, "-m", "coverify", "report", str(tmp_path)], stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    writer.stdout.close()
    assert writer.wait(timeout=120) == 141


@pytest.mark.parametrize(
    "y", [np.zeros(3, np.float32), np.eye(3, 10, dtype=np.int64)], ids=["float", "one-hot"]
)
def test_a_y_that_is_no_labels_is_passed_over_with_a_note_where_none_are_needed(tmp_path, y):
    file, claim = tmp_path / "x.npz", tmp_path / "p.toml"
    np.savez(file, x=np.zeros((3, 64), np.int8), y=y)
    near = "[region]\neps = 0\n[claim]\nkind = "
    claim.write_text(f"{near}'output'\nindex = 0\nwithin = 200\n")
    asked = ("verify", MODEL, "--inputs", file, "--index", 0)
    for arguments in (
        ("conform", MODEL, "--device", "native:", "--inputs", file),
        ("run", MODEL, "--inputs", file, "-o", tmp_path / "y.npz"),
        (*asked, "--property", claim),
        (*asked, "--eps", 0, "--label", "predicted"),
    ):
        done = coverify(*arguments, "--json", "-")
        assert done.code == 0, done
        what = f"y in x.npz is {y.dtype} {list(y.shape)}"
        assert f"{what}, which are no labels (these are 3 integers): it is not used" in done.result["message"]
        assert "labels right" not in done.result["message"]
    claim.write_text(f"{near}'label'\n")
    for arguments in ((*asked, "--eps", 0), (*asked, "--property", claim)):
        done = coverify(*arguments, "--json", "-")
        assert done.code == 2
        assert f"y is {y.dtype} {list(y.shape)}, it must hold 3 integers" in done.result["message"]
        assert done.result["message"].endswith("y.argmax(1)") == (y.ndim == 2)
