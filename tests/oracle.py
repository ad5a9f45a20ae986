"""TFLM's own interpreter as the source of expected values, and where shared data lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
NETWORKS = ROOT / "firmware_models" / "networks"


def shared(name: str) -> Path:
    """A file of the shared data; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name}: the shared data folder is not beside the checkout")
    return path


class Tflm:
    """The tflite-micro interpreter; with `preserve`, each tensor has a place of its own."""

    def __init__(self, content: bytes, arena_bytes: int = 8 << 20, preserve: bool = True) -> None:
        runtime = pytest.importorskip(
            "tflite_micro.python.tflite_micro.runtime", reason="tflite-micro is not installed"
        )
        self._interpreter = runtime.Interpreter.from_bytes(
            content,
            arena_size=arena_bytes,
            intrepreter_config=(
                runtime.InterpreterConfig.kPreserveAllTensors
                if preserve
                else runtime.InterpreterConfig.kAllocationRecording
            ),
        )

    def run(self, *inputs: np.ndarray) -> np.ndarray:
        """Inputs with their whole shapes → the first output."""
        for i, x in enumerate(inputs):
            self._interpreter.set_input(x, i)
        self._interpreter.invoke()
        return self.output(0)

    def output(self, i: int) -> np.ndarray:
        """An output of the last run."""
        return self._interpreter.get_output(i)

    def reset(self) -> None:
        """Back to the state before the first invocation."""
        self._interpreter.reset()

    def tensor(self, index: int) -> np.ndarray:
        """A tensor's value after `run`."""
        return self._interpreter.GetTensor(index, 0)["tensor_data"]
