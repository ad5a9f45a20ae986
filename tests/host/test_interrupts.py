"""Ctrl-C: who hears it, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from coverify.interrupts import deaf_children, python
from oracle import NETWORKS

WAITS = "import time; print('there', flush=True); time.sleep(60)"


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals are not masked here")
def test_what_is_started_deaf_stays_and_its_parent_hears_ctrl_c_afterwards():
    reached = False
    with pytest.raises(KeyboardInterrupt), deaf_children():
        child = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"there\n"
        child.send_signal(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        reached = True
    assert reached and child.poll() is None
    child.kill()
    child.wait()


def test_without_ctrl_c_nothing_is_raised_and_it_is_heard_as_before():
    before = signal.getsignal(signal.SIGINT)
    with deaf_children():
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("module", ["coverify.cli", "coverify.report"])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_while_the_command_line_or_a_verb_is_imported_a_signal_ends_it_with_its_code(number, code, module):
    """An import may make any error of a KeyboardInterrupt."""
    text = f"""
import builtins, os
real = builtins.__import__

def importing(name, *arguments, **more):
    if name == "{module}":
        try:
            os.kill(os.getpid(), {int(number)})
        except BaseException as err:
            raise ImportError from err
    return real(name, *arguments, **more)

from coverify.__main__ import main
builtins.__import__ = importing
main()
"""
    command = [sys.executable, "-c", text, "verify", "--help"]
    done = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (code, b"interrupted\n")


READS = "from tflm_int8 import Model; net = Path(sys.argv[2])"
VERIFY = "from coverify.__main__ import main; main()"
ORACLE = "from coverify.conformance.oracles import Oracle; Oracle('tflm', Model.read(net)).close()"


LATER = pytest.mark.skipif(sys.version_info < (3, 11), reason="multiprocessing cannot be told before 3.11")


@pytest.mark.parametrize(
    "does", [VERIFY, pytest.param(f"from pathlib import Path; {READS}; {ORACLE}", marks=LATER)]
)
def test_no_python_file_of_the_current_folder_is_run(does, tmp_path):
    """Whatever a process that is started here would import."""
    for name in ("enum", "queue", "random", "secrets", "signal", "socket", "pickle", "numpy", "tempfile"):
        (tmp_path / f"{name}.py").write_text(
            "import pathlib; pathlib.Path('run').touch()\nraise SystemExit(9)\n"
        )
    net = NETWORKS / "digits_mlp"
    asked = [
        "verify",
        f"{net}.tflite",
        "--inputs",
        f"{net}.npz",
        "--index",
        "0",
        "--eps",
        "3",
        "--engine",
        "z3",
    ]
    command = [*python(does), *asked]  # as the installed command begins
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (tmp_path / "run").exists()


def test_a_signal_that_is_ignored_is_not_heard():
    """nohup."""
    text = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    text += "from coverify.interrupts import hear_endings\nhear_endings()\n"
    text += "signal.raise_signal(signal.SIGHUP); signal.raise_signal(signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", text], check=False, capture_output=True, timeout=60)
    assert done.stderr.rstrip().endswith(b"coverify.interrupts.Terminated")
