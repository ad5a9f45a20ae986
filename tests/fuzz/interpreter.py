"""TFLM's own interpreter in a child process that is started again when it dies.

One child serves many models. A model on which it aborts, or that it refuses, is a `Refused` with its last
words; every other answer holds the tensors that were asked for.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

TIMEOUT_S = 60.0


class Refused(Exception):
    """TFLM refused the model or aborted on it."""


class Interpreter:
    """A child process with TFLM's interpreter; a context manager."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="coverify-fuzz-")
        self._words = Path(folder) / "stderr"
        self._start()

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._pipe.close()
        self._child.kill()
        self._child.join()
        with contextlib.suppress(OSError):
            self._words.unlink()
            self._words.parent.rmdir()

    def run(self, content: bytes, inputs: list[np.ndarray], wanted: list[int]) -> dict[int, np.ndarray]:
        """Inputs [N, whole shape] → tensor → [N, tensor shape].  Raises Refused."""
        self._words.write_bytes(b"")
        try:
            self._pipe.send((content, inputs, wanted))
            if not self._pipe.poll(TIMEOUT_S):
                raise EOFError("no answer")
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._child.kill()
            self._child.join()
            code = self._child.exitcode
            last = self._last_words()
            self._start()
            raise Refused(f"died ({error or 'exit'} {code}): {last}") from error
        if kind == "error":
            raise Refused(f"{value}: {self._last_words()}")
        return value

    def _last_words(self) -> str:
        lines = self._words.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])[:300]

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(target=_serve, args=(theirs, str(self._words)), daemon=True)
        self._child.start()
        theirs.close()


def _serve(pipe: Connection, words: str) -> None:
    """The child: one answer per model until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    while True:
        try:
            content, inputs, wanted = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            pipe.send(("tensors", _run(content, inputs, wanted)))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            pipe.send(("error", str(error)[:300]))


def _run(content: bytes, inputs: list[np.ndarray], wanted: list[int]) -> dict[int, np.ndarray]:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(
        content,
        arena_size=(4 << 20) + 4 * len(content),
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )
    parts: dict[int, list[np.ndarray]] = {t: [] for t in wanted}
    for sample in zip(*inputs, strict=True):
        for i, x in enumerate(sample):
            interpreter.set_input(x, i)
        interpreter.invoke()
        for t in wanted:
            parts[t].append(np.array(interpreter.GetTensor(t, 0)["tensor_data"]))
    return {t: np.stack(values) for t, values in parts.items()}
