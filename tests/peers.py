"""The runtimes that kernel profiles are held to, each in a child process that is started again when it dies.

A runtime that shares its package's name with another version lives in an environment of its own (`make
oracles`); where it is absent, the test that wants it is skipped and says so.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import selectors
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from oracle import ROOT

TIMEOUT_S = 60.0
_WORKER = Path(__file__).with_name("peer_worker.py")
_OWN_ENVIRONMENT = ROOT / "build" / "oracles"

PEERS = {
    "tflm": ("tflm", "tflite_micro", None),
    "tflm-2026-08": ("tflm", "tflite_micro", "tflm-2026-08"),
    "tflite-ref": ("tflite", "tflite_runtime", None),
    "litert-ref": ("litert", "ai_edge_litert", None),
}
"""Profile → kind of worker, module, its environment under build/oracles (None: this one)."""


class Refused(Exception):
    """The runtime refused the model or died on it."""


def peer(profile: str) -> Peer:
    """The runtime of a profile; skips the test where it is not installed."""
    kind, module, environment = PEERS[profile]
    if environment is None:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
        return Peer(sys.executable, kind)
    python = _OWN_ENVIRONMENT / environment / "bin" / "python"
    if not python.exists():
        pytest.skip(f"build/oracles/{environment} is not there (make oracles)")
    return Peer(str(python), kind)


class Peer:
    """One runtime; a context manager."""

    def __init__(self, python: str, kind: str) -> None:
        self._command = [python, str(_WORKER), kind]
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the peer)
        self._start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._words.close()

    def run(self, content: bytes, inputs: list[np.ndarray], wanted: list[int]) -> dict[int, np.ndarray]:
        """Inputs [N, whole shape] → tensor → [N, tensor shape].  Raises Refused."""
        packed = io.BytesIO()
        np.savez(
            packed,
            model=np.frombuffer(content, np.uint8),
            wanted=np.array(wanted, np.int64),
            **{f"x{i}": x for i, x in enumerate(inputs)},
        )
        try:
            self._child.stdin.write(packed.tell().to_bytes(8, "little") + packed.getvalue())
            self._child.stdin.flush()
            body = self._read(int.from_bytes(self._read(8), "little"))
        except (EOFError, BrokenPipeError) as error:
            self._end()
            self._start()
            raise Refused(f"died: {error}: {self._last_words()}") from error
        answer = np.load(io.BytesIO(body), allow_pickle=False)
        if "error" in answer:
            raise Refused(answer["error"].tobytes().decode(errors="replace"))
        return {t: answer[f"t{t}"] for t in wanted}

    def _read(self, n: int) -> bytes:
        parts = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._child.stdout, selectors.EVENT_READ)
            while len(parts) < n:
                if not selector.select(TIMEOUT_S):
                    raise EOFError("no answer")
                part = self._child.stdout.read1(n - len(parts))
                if not part:
                    raise EOFError(f"exit {self._child.wait()}")
                parts += part
        return bytes(parts)

    def _last_words(self) -> str:
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-2:])[-300:]

    def _start(self) -> None:
        self._child = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._words
        )

    def _end(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
