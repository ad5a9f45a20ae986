"""coverify verify as a campaign: killed, interrupted, resumed, contended; radii and plots in the folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from command import coverify
from coverify.cli.campaign_progress import AtWork
from fixed_point_networks import layers_of
from journals import answers, wait_for
from oracle import NETWORKS

MLP, MLP_X = NETWORKS / "digits_mlp.tflite", NETWORKS / "digits_mlp.npz"
QUERIES = ("verify", MLP, "--inputs", MLP_X, "--eps", 6, "--index", "0-59")


def started(*arguments) -> subprocess.Popen:
    command = [sys.executable, "-m", "coverify", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def verdicts(folder: Path) -> dict[int, str]:
    return {q["index"]: q["verdict"] for q in json.loads((folder / "verify.json").read_text())["queries"]}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert coverify(*QUERIES, "--out", folder, "--jobs", 1).code == 1
    return verdicts(folder)


def test_other_labels_of_the_same_inputs_are_another_campaign_and_it_says_so(tmp_path):
    asked = ("verify", MLP, "--inputs", MLP_X, "--eps", 1, "--index", "0-2", "--out", tmp_path)
    assert coverify(*asked).code == 0
    done = coverify(*asked, "--label", "predicted")
    said = " ".join(done.stdout.split())
    assert done.code == 2 and "another campaign: labels '" in said and "inputs '" not in said
    assert coverify(*asked).code == 0


def test_serial_and_parallel_give_the_same(tmp_path, uninterrupted):
    assert set(uninterrupted.values()) == {"HOLDS", "VIOLATED"}
    assert coverify(*QUERIES, "--out", tmp_path, "--jobs", 3).code == 1
    assert verdicts(tmp_path) == uninterrupted


@pytest.mark.parametrize("n", [1, 12, 40])
def test_a_killed_campaign_goes_on_and_asks_nothing_twice(tmp_path, uninterrupted, n):
    with started(*QUERIES, "--out", tmp_path, "--jobs", 2) as process:
        wait_for(tmp_path, n, process)
        process.send_signal(signal.SIGKILL)
    before = answers(tmp_path)
    assert n <= len(before) < 60
    done = coverify(*QUERIES, "--out", tmp_path, "--jobs", 2, "--json", "-")
    assert done.code == 1
    after = answers(tmp_path)
    assert after[: len(before)] == before
    assert sorted(sample for sample, *_ in after) == list(range(60))
    assert {q["index"]: q["verdict"] for q in done.result["queries"]} == uninterrupted
    named = {q.get("witness") or q.get("certificate") for q in done.result["queries"]}
    assert {path.name for path in tmp_path.glob("*.zip")} == named
    assert coverify("report", tmp_path).code == 1


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_ctrl_c_sigterm_and_sighup_end_at_once_and_say_what_is_known(tmp_path, how, code):
    with started(*QUERIES, "--out", tmp_path, "--jobs", 2) as process:
        wait_for(tmp_path, 5, process)
        left_behind = children(process.pid)
        process.send_signal(how)
        assert process.wait(60) == code
        assert "interrupted" in process.stderr.read()
    known = answers(tmp_path)
    said = json.loads((tmp_path / "verify.json").read_text())
    assert [q["index"] for q in said["queries"]] == sorted(sample for sample, *_ in known)
    assert f"{60 - len(known)} of 60 queries: not decided yet" in said["not_covered"]
    until = time.monotonic() + 20
    while alive := [pid for pid in left_behind if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < until, alive
        time.sleep(0.1)
    assert "UNKNOWN" not in {verdict for _, _, verdict, _ in known}


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_an_explanation_at_once(tmp_path, jobs):
    """Z3 would hear it for itself, and the rest would go on."""
    asked = ("verify", MLP, "--inputs", MLP_X, "--eps", 12, "--index", "0-20", "--explain", "--timeout", 120)
    with started(*asked, "--jobs", jobs, "--out", tmp_path) as process:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("certificate-*.zip")):  # what is explained next
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.01)
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    known = answers(tmp_path)
    assert len(known) < 21
    named = {f"certificate-{sample}-property.zip" for sample, *_ in known}
    assert {path.name for path in tmp_path.glob("*.zip")} == named


INTERRUPTED_AFTER_COMMIT = """
import sys
from coverify.campaign.journal import Journal
from coverify.__main__ import main

commit, number = Journal.record, int(sys.argv.pop(1))

def commit_and_stop(journal, entry):
    global number
    commit(journal, entry)
    number -= 1
    if number == 0:
        raise KeyboardInterrupt

Journal.record = commit_and_stop
main()
"""


@pytest.mark.parametrize("radius", [False, True])
def test_ctrl_c_right_after_a_commit_leaves_the_answer_in_the_result_and_its_evidence(tmp_path, radius):
    question = ("--radius", 8, "--index", 19) if radius else ("--eps", 6, "--index", "0-9")
    command = ("verify", MLP, "--inputs", MLP_X, *question, "--jobs", 1, "--out", tmp_path)
    arguments = [sys.executable, "-c", INTERRUPTED_AFTER_COMMIT, "1" if radius else "4", *map(str, command)]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 130, done.stderr
    known = answers(tmp_path)
    said = json.loads((tmp_path / "verify.json").read_text())
    if radius:
        (row,), ((_, eps, verdict, _),) = said["radii"], known
        assert (verdict, row["queries"], row["attacked"]) == ("VIOLATED", 1, eps)
    else:
        assert [(q["index"], q["verdict"]) for q in said["queries"]] == sorted((i, v) for i, _, v, _ in known)
        assert len(known) == 4
    rows = said["radii"] if radius else said["queries"]
    named = {row.get(kind) for row in rows for kind in ("witness", "certificate")} - {None}
    assert {path.name for path in tmp_path.glob("*.zip")} == named


def test_a_second_campaign_in_the_folder_waits_for_nobody(tmp_path):
    with started(*QUERIES, "--out", tmp_path, "--jobs", 1) as process:
        wait_for(tmp_path, 1, process)
        os.kill(process.pid, signal.SIGSTOP)
        refused = coverify(*QUERIES, "--out", tmp_path, "--json", "-")
        os.kill(process.pid, signal.SIGKILL)
    assert refused.code == 2
    assert "another process" in refused.result["message"]


def test_another_question_is_refused_until_the_old_one_is_forgotten(tmp_path):
    one = ("verify", MLP, "--inputs", MLP_X, "--index", 0, "--out", tmp_path, "--json", "-")
    assert coverify(*one, "--eps", 1).code == 0
    refused = coverify(*one, "--eps", 1, "--engine", "bab")
    assert refused.code == 2
    assert "engine 'auto' there, 'bab' here" in refused.result["message"]
    assert coverify(*one, "--radius", 1).code == 2
    nothing = coverify("verify", MLP, "--inputs", MLP_X, "--index", 0, "--eps", 1, "--fresh", "--json", "-")
    assert nothing.code == 2 and "--out is not given" in nothing.result["message"]
    done = coverify(*one, "--eps", 1, "--engine", "bab", "--fresh")
    assert done.code == 0
    assert len(answers(tmp_path)) == 1


def test_a_damaged_certificate_is_made_again(tmp_path):
    one = ("verify", MLP, "--inputs", MLP_X, "--index", "0,4", "--eps", 1, "--out", tmp_path)
    assert coverify(*one).code == 0
    (tmp_path / "certificate-4-eps1.zip").write_bytes(b"damaged")
    assert coverify(*one).code == 0
    assert [sample for sample, *_ in answers(tmp_path)] in ([0, 4, 4], [4, 0, 4])
    assert coverify("check", *sorted(tmp_path.glob("certificate-*.zip"))).code == 0


def test_more_radii_join_the_campaign_and_make_a_curve(tmp_path):
    one = ("verify", MLP, "--inputs", MLP_X, "--index", "0,19", "--out", tmp_path)
    assert coverify(*one, "--eps", 1).code == 0
    assert coverify(*one, "--eps", "1,8").code == 1
    said = json.loads((tmp_path / "verify.json").read_text())
    rows = [(q["index"], q["eps"], q["verdict"]) for q in said["queries"]]
    assert rows == [(0, 1, "HOLDS"), (0, 8, "HOLDS"), (19, 1, "HOLDS"), (19, 8, "VIOLATED")]
    assert said["curve"] == [
        {"eps": 1, "certified": 2, "attacked": 0, "open": 0},
        {"eps": 8, "certified": 1, "attacked": 1, "open": 0},
    ]
    assert "Certified accuracy" in (tmp_path / "accuracy.svg").read_text()


@pytest.mark.parametrize("radii", [(), ("--eps", 1, "--radius", 2), ("--eps", "256"), ("--eps", "1,x")])
def test_radii_that_cannot_be_meant_are_bad_input(radii):
    assert coverify("verify", MLP, "--inputs", MLP_X, *radii, "--json", "-").code == 2


@pytest.fixture
def difference(tmp_path):
    """y = (x0 - x1, x1 - x0): class 0 while x0 >= x1 (by hand: broken from ceil((x0 - x1 + 1) / 2) on)."""
    np.savez(tmp_path / "net.npz", **layers_of([[[1, -1], [-1, 1]]], [[0, 0]], [0], [(-512, 511)]))
    x = np.array([[10, 3], [9, 4], [200, 0], [3, 9]], np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(4, np.int64))
    return tmp_path


def asking(folder: Path, *more) -> tuple:
    return ("verify", folder / "net.npz", "--inputs", folder / "x.npz", *more)


def test_the_largest_radius_has_its_certificate_and_the_next_one_its_witness(difference):
    out = difference / "run"
    command = asking(difference, "--out", out)
    done = coverify(*command, "--radius", 8, "--json", "-")
    assert done.code == 0, done
    rows = [(r.get("certified"), r.get("attacked"), r["closed"]) for r in done.result["radii"]]
    assert rows == [(3, 4, True), (2, 3, True), (8, None, True), (None, 0, True)]
    names = {f"{kind}-{i}-eps{eps}.zip" for kind, i, eps in [
        ("certificate", 0, 3), ("witness", 0, 4), ("certificate", 1, 2), ("witness", 1, 3),
        ("certificate", 2, 8), ("witness", 3, 0)]}  # fmt: skip
    assert {path.name for path in out.glob("*.zip")} == names
    assert coverify("check", *sorted(out.glob("certificate-*.zip"))).code == 0
    assert [point["certified"] for point in done.result["curve"]] == [3, 3, 3, 2, 1, 1, 1, 1, 1]
    n_asked = len(answers(out))
    again = coverify(*command, "--radius", 8, "--json", "-")
    assert again.result["radii"] == done.result["radii"]
    assert again.result["cactus"] == done.result["cactus"]
    assert len(answers(out)) == n_asked
    assert coverify("report", out).code == 0
    assert "Largest radius of 4 inputs" in (out / "report.html").read_text()


def test_inputs_and_radii_that_earlier_calls_asked_about_stay_in_the_result(difference):
    out = difference / "run"
    command = asking(difference, "--out", out)
    whole = coverify(*command, "--radius", 8, "--json", "-").result
    assert coverify(*command, "--fresh", "--radius", 8, "--index", "0-1").code == 0
    n_earlier = len(answers(out))
    done = coverify(*command, "--radius", 2, "--index", "1-3", "--json", "-")
    said = (
        "the largest radius up to 2 is known of 3 of 3 inputs, and up to what earlier calls asked of 1 of 1"
    )
    counted = f"{n_earlier} of the {len(answers(out))} answers counted here are of earlier calls"
    assert (done.code, done.result["message"]) == (0, f"{said} others\n{counted}")
    rows = {row["index"]: row for row in done.result["radii"]}
    known = [(rows[i]["certified"], rows[i]["attacked"], rows[i]["closed"]) for i in (0, 1)]
    assert known == [(3, 4, True), (2, 3, True)]
    assert [rows[i]["witness"] for i in (0, 1)] == [row["witness"] for row in whole["radii"][:2]]
    assert coverify("report", out).code == 0  # every witness is named by the result


def test_an_input_is_judged_by_the_radius_that_is_asked_about_now_and_others_by_theirs(difference):
    """Input 0 is certified at 3 and attacked at 4, and open where it is only attacked: the attack proves
    nothing.
    """
    out = difference / "run"
    command = asking(difference, "--out", out)
    found = ("--index", 0, "--engine", "attack", "--json", "-")
    done = coverify(*command, "--radius", 8, *found)
    assert (done.code, done.result["radii"][0]["closed"]) == (4, False)
    assert done.result["radii"][0]["attacked"] == 4
    done = coverify(*command, "--radius", 0, *found)
    (row,) = done.result["radii"]
    assert (done.code, row["limit"], row["attacked"], row["closed"]) == (4, 0, 4, False)
    assert coverify(*command, "--fresh", "--radius", 8, "--index", 0).code == 0
    done = coverify(*command, "--radius", 2, "--index", 2, "--json", "-")
    rows = {row["index"]: (row["limit"], row["certified"], row["closed"]) for row in done.result["radii"]}
    assert done.code == 0 and rows == {0: (4, 3, True), 2: (2, 2, True)}
    done = coverify(*command, "--radius", 2, "--index", 0, "--json", "-")
    rows = {row["index"]: (row["limit"], row["certified"], row["closed"]) for row in done.result["radii"]}
    assert done.code == 0 and rows == {0: (2, 3, True), 2: (2, 2, True)}
    assert coverify("report", out).code == 0


def test_an_input_that_stayed_open_is_not_closed_by_a_call_about_another_with_more_time(tmp_path):
    """Its unknown radii would be asked again then, and are what it is judged by all the same."""
    command = ("verify", MLP, "--inputs", MLP_X, "--engine", "interval", "--out", tmp_path, "--json", "-")
    before = coverify(*command, "--radius", 30, "--index", 0, "--timeout", 5)
    assert (before.code, before.result["radii"][0]["closed"]) == (4, False)
    for more in (("--timeout", 6), ("--timeout", 5, "--retry", "always")):
        done = coverify(*command, "--radius", 3, "--index", 4, *more)
        assert (done.code, done.result["verdict"]) == (4, "UNKNOWN")
        assert done.result["radii"][0] == before.result["radii"][0]
        assert done.result["radii"][1]["closed"] is True


def test_answers_of_earlier_calls_stay_whatever_is_asked_now(difference):
    out = difference / "run"
    command = asking(difference, "--out", out, "--json", "-")
    done = coverify(*command, "--eps", 3, "--index", "0,1")
    assert done.code == 1 and "message" not in done.result
    (out / "witness-1-eps3.zip").unlink()
    done = coverify(*command, "--eps", 3, "--index", 0)
    rows = {row["index"]: row for row in done.result["queries"]}
    assert (done.code, rows[0]["verdict"], rows[1]["verdict"]) == (4, "HOLDS", "UNKNOWN")
    assert "it was VIOLATED, whose evidence is missing" in rows[1]["note"] and "witness" not in rows[1]
    assert "all 2 answers counted here are of earlier calls" in done.result["message"]
    assert coverify("report", out).code == 4
    done = coverify(*command, "--eps", 3, "--index", "0,1")
    assert done.code == 1 and (out / "witness-1-eps3.zip").exists()


def test_it_is_said_how_many_answers_this_call_did_not_find_itself(difference):
    """By hand: inputs 0, 1 and 2 hold within 2; the others are asked for later."""
    command = asking(difference, "--out", difference / "run", "--json", "-")
    said = []
    for index, eps in ((0, "1"), (0, "1"), ("0-1", "1"), (2, "1"), ("0-2", "1,2"), ("0-2", "1,2")):
        done = coverify(*command, "--index", index, "--eps", eps)
        assert done.code == 0, done
        said.append([line for line in done.result.get("message", "").splitlines() if "earlier" in line])
    assert said == [
        [],
        ["the answer counted here is of an earlier call"],
        ["1 of the 2 answers counted here is of an earlier call"],
        ["2 of the 3 answers counted here are of earlier calls"],
        ["3 of the 6 answers counted here are of earlier calls"],
        ["all 6 answers counted here are of earlier calls"],
    ]


@pytest.mark.parametrize("search", [False, True], ids=["eps", "radius"])
def test_an_unknown_that_is_not_asked_again_says_what_asks_it_again(tmp_path, search):
    command = ("verify", MLP, "--inputs", MLP_X, "--engine", "interval", "--out", tmp_path, "--json", "-",
               "--index", "0-1", *(("--radius", 30) if search else ("--eps", "14,15,26")))  # fmt: skip
    first = coverify(*command, "--timeout", 5)
    assert first.code in (1, 4) and "earlier" not in first.result.get("message", "")
    n = answers(tmp_path, "step, verdict").count(("decide", "UNKNOWN"))
    assert n > 1
    again = "a larger --timeout, or --retry always, asks them again"
    assert (
        f"{n} UNKNOWN are of earlier calls: {again}" in coverify(*command, "--timeout", 4).result["message"]
    )
    done = coverify(*command, "--timeout", 6, "--retry", "never")
    assert f"{n} UNKNOWN are of earlier calls: --retry always asks them again" in done.result["message"]
    done = coverify(*command, "--timeout", 6)
    assert done.code == first.code and "UNKNOWN are" not in done.result.get("message", "")


def test_plots_that_cannot_be_written_cost_no_result(difference):
    out = difference / "run"
    command = asking(difference, "--out", out, "--json", "-")
    (out / "cactus.svg").mkdir(parents=True)
    done = coverify(*command, "--eps", 1)
    assert done.code == 1 and len(done.result["queries"]) == 4
    assert "its plots cannot be written" in done.result["message"]


def test_the_line_of_progress_names_the_engines_at_work():
    column = AtWork()
    column.pool = SimpleNamespace(at_work=["z3", "bab", "z3"])
    assert column.render(None).plain == "bab, 2× z3"
