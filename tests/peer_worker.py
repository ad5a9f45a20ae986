"""Another runtime's interpreter behind a pipe: run by whichever Python has that runtime installed.

    python peer_worker.py tflm|tflite|litert < requests > answers

A request and an answer are an .npz archive after its length (8 bytes, little endian). Request: `model`
(bytes), `wanted` (tensors) and inputs `x0`, `x1`, … [N, whole shape]. Answer: an array `t<tensor>` [N, …] per
wanted tensor, or `error` (bytes). An interpreter that aborts ends the process: the other side sees that.
"""

import importlib.util
import io
import os
import sys
import types

import numpy as np


def tflm_runtime():
    """The runtime alone: the package's other tools need TensorFlow."""
    if "tflite_micro" not in sys.modules:
        package = types.ModuleType("tflite_micro")
        package.__path__ = list(importlib.util.find_spec("tflite_micro").submodule_search_locations)
        sys.modules["tflite_micro"] = package
    from tflite_micro.python.tflite_micro import runtime

    return runtime


def tflm(content, wanted):
    runtime = tflm_runtime()
    interpreter = runtime.Interpreter.from_bytes(
        content,
        arena_size=(4 << 20) + 4 * len(content),
        intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors,
    )

    def run(inputs):
        for i, x in enumerate(inputs):
            interpreter.set_input(x, i)
        interpreter.invoke()
        return [np.array(interpreter.GetTensor(t, 0)["tensor_data"]) for t in wanted]

    return run


def lite(module, content, wanted):
    interpreter = module.Interpreter(
        model_content=content,
        experimental_op_resolver_type=module.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    places = [d["index"] for d in interpreter.get_input_details()]

    def run(inputs):
        for place, x in zip(places, inputs, strict=True):
            interpreter.set_tensor(place, x)
        interpreter.invoke()
        return [interpreter.get_tensor(t).copy() for t in wanted]

    return run


def loaded(kind, content, wanted):
    if kind == "tflm":
        return tflm(content, wanted)
    if kind == "tflite":
        from tflite_runtime import interpreter
    else:
        from ai_edge_litert import interpreter
    return lite(interpreter, content, wanted)


def answer(kind, request):
    inputs = [request[f"x{i}"] for i in range(sum(name.startswith("x") for name in request.files))]
    wanted = request["wanted"].tolist()
    run = loaded(kind, request["model"].tobytes(), wanted)
    parts = [run(one) for one in zip(*inputs, strict=True)]
    return {f"t{t}": np.stack([p[i] for p in parts]) for i, t in enumerate(wanted)}


def main(kind):
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an interpreter prints goes to stderr
    while length := source.read(8):
        body = source.read(int.from_bytes(length, "little"))
        try:
            values = answer(kind, np.load(io.BytesIO(body), allow_pickle=False))
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            values = {"error": np.frombuffer(str(error)[:300].encode(), np.uint8)}
        packed = io.BytesIO()
        np.savez(packed, **values)
        sink.write(packed.tell().to_bytes(8, "little") + packed.getvalue())
        sink.flush()


if __name__ == "__main__":
    main(sys.argv[1])
