"""Processes that coverify starts end with it, however it ends, and tell why they died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from coverify.boards.child import KEPT_BYTES, Child
from coverify.errors import LinkError
from coverify.link.deadline import Deadline

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks processes up in /proc, which only Linux has"
)

SLEEPER = ["sh", "-c", "echo $$; exec sleep 1000"]
HOST = str(Path(__file__).resolve().parents[3] / "host")


def running(pid: int) -> bool:
    """True while `pid` runs; a zombie that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


def assert_gone(pid: int) -> None:
    deadline = Deadline.in_s(5)
    while running(pid):
        assert not deadline.passed, f"process {pid} is still there"
        time.sleep(0.02)


def script(body: str) -> subprocess.Popen[str]:
    """A Python process that starts SLEEPER, prints its pid, and then does `body`."""
    text = textwrap.dedent("""
        import sys, time, threading
        from coverify.boards.child import Child
        from coverify.link.deadline import Deadline
        child = Child("it", {sleeper!r})
        print(child.line(Deadline.in_s(5)), flush=True)
        {body}
    """).format(sleeper=SLEEPER, body=body)
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": HOST},
    )


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_child_ends_when_its_host_is_killed(how: signal.Signals) -> None:
    with script("time.sleep(1000)") as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        assert running(pid)
        host.send_signal(how)
        host.wait()
        assert_gone(pid)


@pytest.mark.parametrize("body", ["sys.exit(0)", "raise ValueError", "import os; os._exit(1)", "pass"])
def test_a_child_ends_when_its_host_ends_without_ending_it(body: str) -> None:
    with script(body) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.wait()
        assert_gone(pid)


def test_a_child_outlives_the_thread_that_started_it() -> None:
    made: list[Child] = []
    thread = threading.Thread(target=lambda: made.append(Child("it", SLEEPER)))
    thread.start()
    thread.join()
    pid = int(made[0].line(Deadline.in_s(5)))
    time.sleep(0.1)
    assert running(pid)
    made[0].end()
    assert_gone(pid)


def test_ending_twice_is_harmless() -> None:
    child = Child("it", SLEEPER)
    child.end()
    child.end()


def test_an_obituary_tells_status_and_the_last_words() -> None:
    child = Child("the thing", ["sh", "-c", "echo no such machine >&2; exit 7"])
    with pytest.raises(LinkError, match="the thing ended with status 7: no such machine"):
        child.line(Deadline.in_s(5))
    child.end()


def test_an_obituary_names_the_signal() -> None:
    child = Child("the thing", ["sh", "-c", "kill -SEGV $$"])
    with pytest.raises(LinkError, match="the thing ended by SIGSEGV"):
        child.line(Deadline.in_s(5))
    child.end()


def test_a_program_that_does_not_exist_is_told() -> None:
    child = Child("the thing", ["/nonexistent/program"])
    with pytest.raises(LinkError, match=r"status 127.*nonexistent"):
        child.line(Deadline.in_s(5))
    child.end()


def test_a_silent_child_is_a_link_error_within_the_deadline() -> None:
    child = Child("the thing", ["sleep", "1000"])
    with pytest.raises(LinkError, match="said nothing"):
        child.line(Deadline.in_s(0.1))
    assert child.obituary() == ""
    child.end()


def test_endless_output_is_kept_bounded_and_does_not_block_the_child() -> None:
    child = Child(
        "the thing", ["sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x >&2; yes | head -c 500000; exit 3"]
    )
    deadline = Deadline.in_s(20)
    while not (told := child.obituary()):
        assert not deadline.passed
    child.end()
    assert "status 3" in told
    assert len(told) < KEPT_BYTES + 200
