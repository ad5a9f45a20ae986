"""Ctrl-C: who hears it, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from coverify.interrupts import deaf_children

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
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
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
