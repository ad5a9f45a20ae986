"""Run the command line as a user does: another process, its output and its exit code.

Hundreds of tests do, and most of such a process is the import of what all verbs need. Where the system can,
it is forked from a server that has imported that (and no solver); where the environment changes how Python
itself begins, it is a new interpreter.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

PRELOADED = ("coverify.__main__", "coverify.cli.outcome", "coverify.campaign.inquiry", "coverify.cli.samples")
"""What most verbs import; none of them reads the environment or opens anything."""


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """What `--json -` printed."""
        return json.loads(self.stdout)


def coverify(
    *arguments: object, timeout_s: float = 240, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Done:
    """Run `coverify ARGUMENTS`, env beside what is set; whatever happens, no traceback may be shown."""
    words = list(map(str, arguments))
    start = _interpreter if _server() is None or _python_reads(env or {}) else _forked
    done = start(words, timeout_s, cwd, {**os.environ, **(env or {})})
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def _python_reads(env: Mapping[str, str]) -> bool:
    return any(name.startswith(("PYTHON", "LC_", "LANG")) for name in env)


def _interpreter(words: list[str], timeout_s: float, cwd: Path | None, env: Mapping[str, str]) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "coverify", *words],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=cwd,
        env=env,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@lru_cache
def _server() -> BaseContext | None:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def _forked(words: list[str], timeout_s: float, cwd: Path | None, env: Mapping[str, str]) -> Done:
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        for file in (out, err):
            file.touch()  # also where the process ends before it writes
        process = _server().Process(target=_main, args=(words, cwd or Path.cwd(), dict(env), out, err))
        process.start()
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(words, timeout_s, out.read_bytes(), err.read_bytes())
        return Done(process.exitcode, out.read_text(), err.read_text())


def _main(words: list[str], cwd: Path, env: dict[str, str], out: Path, err: Path) -> None:
    """In the process that was forked."""
    for number, file in enumerate((os.devnull, out, err)):
        os.dup2(os.open(file, os.O_RDWR), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["coverify", *words]
    from coverify.__main__ import main

    main()
