"""The comparison of engines: what it keeps, what it refuses, and that it counts processor time."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from oracle import ROOT, shared

sys.path.append(str(ROOT / "benchmarks"))

from side_by_side.queries import SUBJECTS, asked
from side_by_side.runs import Contradiction, Run, Store, agree, children_s, replay
from side_by_side.tables import summary

from coverify.verify.query import Outcome

RUN = Run("net", "ab", 3, 1, "bab", 20.0, "HOLDS", True, 0.5, 0.6, 0.1, "")


def test_a_broken_off_comparison_goes_on_with_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    Store(path, resume=False).add(RUN)
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"network": "net", "ind')  # killed while it wrote
    store = Store(path, resume=True)
    assert list(store.runs.values()) == [RUN]
    store.add(dataclasses.replace(RUN, index=4))
    assert [json.loads(line)["index"] for line in path.read_text("utf-8").splitlines()] == [3, 4]
    assert Store(path, resume=False).runs == {}


def test_a_proof_and_a_counterexample_of_one_query_are_an_error() -> None:
    violated = dataclasses.replace(RUN, engine="z3", verdict="VIOLATED")
    agree([RUN, dataclasses.replace(RUN, engine="z3", verdict="UNKNOWN", sound=False)])
    agree([dataclasses.replace(RUN, engine="milp", sound=False), violated])  # not proof-grade: only wrong
    with pytest.raises(Contradiction, match="HOLDS by bab, VIOLATED by z3"):
        agree([RUN, violated])


def test_a_holds_that_a_counterexample_refutes_is_counted_as_wrong() -> None:
    violated = dataclasses.replace(RUN, engine="z3", verdict="VIOLATED")
    table = summary("net", ["milp", "z3"], [dataclasses.replace(RUN, engine="milp", sound=False), violated])
    wrong = next(column for column in table.columns if column.header == "wrong")
    assert list(wrong.cells) == ["1", "0"]


def test_processor_time_of_a_running_child_is_counted_once() -> None:
    before = children_s()
    burn = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    running = children_s() - before
    child.communicate(b"\n")
    ended = children_s() - before
    assert 0.5 <= running <= ended < running + 0.4 or sys.platform != "linux"
    assert ended >= 0.5


def test_a_counterexample_that_keeps_the_label_in_the_reference_is_an_error() -> None:
    shared("mnist/mnist-t10k-images-idx3-ubyte.gz")
    one = asked(SUBJECTS["mnist_mlp_64_32"](), 1, (1,), 1)[0]
    with pytest.raises(Contradiction, match="is none in the reference"):
        replay(one, Outcome.violated("bab", one.query.x0))
    far = np.where(one.query.x0 > 0, -128, 127)
    with pytest.raises(Contradiction, match="is none in the reference"):
        replay(one, Outcome.violated("bab", far))


def test_the_published_queries_are_the_391_valid_ones() -> None:
    """As Henzinger, Lechner and Žikelić count them: those of the 400 that are classified correctly."""
    shared("qnn/aaai21_mnist_784-64-32_q6.npz")
    queries = asked(SUBJECTS["aaai21"](), None, None, 1)
    assert len(queries) == 391
    assert all(one.query.eps == 1 + one.index // 100 for one in queries)
