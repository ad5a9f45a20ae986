"""Other people's interpreters as sources of truth: TFLM's own, and TFLite's reference kernels.

Each runs in a child process of ours, because both are C++ that may abort on a model that they do not like; a
child that dies is an OracleError with its last words, never a wrong tensor.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from coverify.conformance.batch import Batch, Given, Sample
from coverify.errors import CoverifyError
from coverify.extras import installs
from coverify.interrupts import deaf_children, safe_imports
from tflm_int8 import Model

OracleName = Literal["tflm", "tflite", "litert"]
Trace = dict[int, NDArray[Any]]


@dataclass(frozen=True)
class OraclePackage:
    """An oracle's import name and distribution, which extra of coverify's has it, and what it is."""

    module: str
    distribution: str
    extra: str
    purpose: str

    @property
    def hint(self) -> str:
        """What installs it, or that nothing does for this Python."""
        return installs(self.distribution, self.extra)


PACKAGES: Final[dict[OracleName, OraclePackage]] = {
    "tflm": OraclePackage("tflite_micro", "tflite-micro", "oracle", "TFLM's interpreter, the oracle"),
    "tflite": OraclePackage("tflite_runtime", "tflite-runtime", "oracle", "TFLite's reference kernels"),
    "litert": OraclePackage("ai_edge_litert", "ai-edge-litert", "litert", "LiteRT's reference kernels"),
}
OF_PROFILE: Final[dict[str, OracleName]] = {"tflm": "tflm", "tflite-ref": "tflite", "litert-ref": "litert"}
"""Kernel profile → the oracle whose bytes it promises, where one can be run."""

_TIMEOUT_S = 300.0


class OracleError(CoverifyError):
    """The oracle is not installed, refused the model, or died."""


def available(name: OracleName) -> bool:
    """Whether the oracle's package is installed."""
    return importlib.util.find_spec(PACKAGES[name].module) is not None


def package(name: OracleName) -> str:
    """The name of the oracle's distribution."""
    return PACKAGES[name].distribution


def version(name: OracleName) -> str:
    """The version of the oracle's distribution, or "" when it is not installed."""
    try:
        return importlib.metadata.version(PACKAGES[name].distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


class Oracle:
    """One interpreter on one model, in a child process; a context manager."""

    def __init__(self, name: OracleName, model: Model) -> None:
        """Start the child and load the model.  Raises OracleError."""
        if not available(name):
            raise OracleError(f"{package(name)} is not installed: {PACKAGES[name].hint}")
        self.name, self.model = name, model
        self._written = list(model.written)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._child = context.Process(
            target=_serve, args=(theirs, name, model.content, self._written, _arena_bytes(model)), daemon=True
        )
        with safe_imports(), deaf_children():
            self._child.start()
        theirs.close()
        self._answer()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._pipe.close()
        self._child.terminate()
        self._child.join()

    def trace(self, x: Given) -> Trace:
        """N samples, each input of its type → every tensor that an operator wrote: [N, tensor shape].

        Every call starts from the reset state; the samples are successive invocations (see Reference.trace).
        """
        pairs = zip(Batch.of(x).arrays, self.model.inputs, strict=True)
        self._pipe.send([array.reshape(-1, *self.model.tensors[i].shape) for array, i in pairs])
        answer: Trace = self._answer()
        return answer

    def _answer(self) -> Any:
        try:
            if not self._pipe.poll(_TIMEOUT_S):
                raise OracleError(f"the {self.name} oracle gave no answer within {_TIMEOUT_S:.0f} s")
            kind, value = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self._child.join()
            raise OracleError(
                f"the {self.name} oracle died on {self.model.name} (exit code {self._child.exitcode})"
            ) from error
        if kind == "error":
            raise OracleError(f"the {self.name} oracle refused {self.model.name}: {value}")
        return value


def _arena_bytes(model: Model) -> int:
    """Room for every tensor preserved, and what the interpreter keeps beside them."""
    return 2 * sum(t.size for t in model.tensors if t.data is None) + 4 * len(model.content) + (1 << 20)


def _serve(
    pipe: multiprocessing.connection.Connection,
    name: OracleName,
    content: bytes,
    written: list[int],
    arena_bytes: int,
) -> None:
    """The child: load, say so, then answer one batch after the other until the pipe closes."""
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)  # what an interpreter prints is nobody's to read; its errors are sent
    try:
        tflm = name == "tflm"
        run, reset = _tflm(content, written, arena_bytes) if tflm else _lite(name, content, written)
        pipe.send(("ready", None))
        while True:
            arrays = pipe.recv()
            reset()
            traces = [run(one) for one in zip(*arrays, strict=True)]
            pipe.send(("trace", {t: np.stack([trace[t] for trace in traces]) for t in written}))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return
    except Exception as error:  # whatever the interpreter raises is its refusal
        pipe.send(("error", f"{type(error).__name__}: {error}"[:500]))


Run = Callable[[Sample], Trace]
Reset = Callable[[], object]


def _tflm(content: bytes, written: list[int], arena_bytes: int) -> tuple[Run, Reset]:
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(
        content,
        arena_size=arena_bytes,
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )

    def run(x: Sample) -> Trace:
        for ordinal, array in enumerate(x):
            interpreter.set_input(array, ordinal)
        interpreter.invoke()
        return {t: interpreter.GetTensor(t, 0)["tensor_data"] for t in written}

    return run, interpreter.reset


def _lite(name: OracleName, content: bytes, written: list[int]) -> tuple[Run, Reset]:
    lite = importlib.import_module(f"{PACKAGES[name].module}.interpreter")
    interpreter = lite.Interpreter(
        model_content=content,
        experimental_op_resolver_type=lite.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    inputs = [detail["index"] for detail in interpreter.get_input_details()]

    def run(x: Sample) -> Trace:
        for index, array in zip(inputs, x, strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return {t: interpreter.get_tensor(t).copy() for t in written}

    return run, interpreter.reset_all_variables
