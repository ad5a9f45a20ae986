"""The bytes of a network → its steps: an .npz of fixed-point layers, or a .tflite file of int8 operators.
What TFLM does not run, or reads otherwise than it is written, is refused.
"""

import numpy as np

from coverify.check.networks.moves import OPERATORS
from coverify.check.networks.operators import Operators
from coverify.check.networks.tensors import Table, Tensor
from coverify.check.steps import INT32, Ints, Network, need

PROFILES = {"tflm": False, "tflm-single-rounding": True}  # is a requantization rounded once?

HEEDED = {b"OfflineMemoryAllocation", b"COMPRESSION_METADATA"}  # where tensors lie; which are packed


def behind(operators: list[Table], tensors: set[int]) -> list[Table]:
    """Those that write these tensors, or what those that do read."""
    kept = list[Table]()
    for op in reversed(operators):
        if tensors.intersection(op.get(2, "[i").tolist()):
            kept.insert(0, op)
            tensors.update(op.get(1, "[i").tolist())
    return kept


class Reader(Operators):
    """The walk over a .tflite file, of several outputs to what the one that is the head needs. The elements
    of several inputs come one after the other.
    """

    def __init__(self, data: bytes, profile: str, head: int = 0) -> None:
        self.once = PROFILES[profile]
        model = Table(data, np.frombuffer(data, "<I", 1).item())
        (graph,), codes, blobs = model.get(2, "[T"), model.get(1, "[T"), model.get(4, "[T")
        need(all(b.get(1, "Q") <= 1 for b in blobs), "constants outside the flatbuffer")
        buffers = [b.get(0, "[B") for b in blobs]
        need(len(buffers[0]) == 0, "a buffer 0 that is not empty: TFLM takes it as a tensor's memory")
        names = [m.get(0, "[B") for m in model.get(6, "[T")]  # not copied: they may be long, and overlap
        named = {name.tobytes() for name in names if len(name) < 32} & HEEDED
        need(not named, f"the metadata {b', '.join(named).decode()}: TFLM heeds it")
        self.tensors = list[Tensor]()
        for t in graph.get(0, "[T"):
            self.tensors.append(Tensor(t, buffers))
            self.afford(8 * (len(self.tensors[-1].scales) + len(self.tensors[-1].zeros)))
        ends, operators = graph.get(2, "[I"), graph.get(3, "[T")
        need(type(head) is int and 0 <= head < len(ends), "an output that there is none of")
        y, *xs = (self.tensors[i] for i in (ends[head], *graph.get(1, "[I")))  # −1: beyond any list
        int8 = {t.type for t in xs} == {9}
        need(model.get(0, "i") == 3 and (int8 or [t.type in (0, 3) for t in xs] == [True]), "the inputs")
        self.net, self.outer = Network(sum(t.size for t in xs), -128, 127), None if int8 else xs[0]
        for t, at in zip(xs, np.split(self.net.outputs, np.cumsum([t.size for t in xs])[:-1]), strict=True):
            need(not len(t.raw) and not t.at.size, "an input that is a constant, or there twice")
            t.at = at.reshape(t.shape)
        for op in operators if len(ends) == 1 else behind(operators, {int(ends[head])}):
            code = codes[op.get(0, "I")]
            self.operator(op, max(code.get(0, "b"), code.get(3, "i")))
        self.net.outputs = np.ravel(self.settled(y))
        need(y.at.size and not len(y.raw), "an output that no operator writes")
        int8 = y.type == 9 or (y.type in (0, 3) and y is not xs[0])
        need(int8 and self.outer is None, "an input or output that is not int8")

    def operator(self, op: Table, builtin: int) -> None:
        need(builtin in OPERATORS, f"the checker does not know the builtin operator {builtin}")
        (method, arity, union, slots), o = OPERATORS[builtin], op.get(4, "T")
        inputs, outputs, several = op.get(1, "[i"), op.get(2, "[i").tolist(), builtin in (49, 88, 102)
        least = 0 if builtin in (2, 4) else -1  # TFLM reads a depthwise bias that is written as −1
        need(len(inputs) in arity and inputs[0] >= 0 and min(inputs) >= least, "an operator's operands")
        once = len(set(outputs)) == len(outputs) and (several or len(outputs) == 1)
        need(once and min(outputs, default=-1) >= 0, "an operator's outputs")
        ins = [self.tensors[i] if i >= 0 else None for i in [*inputs, -1][: max(arity)]]
        outs, given = [self.tensors[i] for i in outputs], [t for t in ins if t is not None]
        need(not any(t.at.size or len(t.raw) for t in outs), "a tensor is written twice")
        need(all(t.at.size or len(t.raw) for t in given), "an operand is not written")
        need(not all(len(t.raw) for t in given), "an operator on constants alone")
        takes = 2 if builtin in (22, 45, 83) else 9  # of a shape that is computed, too
        known = (t.type in (9, takes) or len(t.raw) or (t is self.outer and builtin == 114) for t in given)
        need(all(known), "an operator on other values than int8")
        need(op.get(3, "B") == union or not slots, "an operator's options")
        need(not any(op.slots[5:6]) and not len(op.get(8, "[i")), "custom options, or intermediate tensors")
        need(builtin != 22 or len(o.get(0, "[i")) <= 8, "a RESHAPE to more than 8 dimensions")
        # where the options of those that have a bias say its type; of others, nowhere
        need(o.get({3: 6, 9: 4, 67: 4}.get(builtin, 99), "b") in (0, 2), "another type of bias")
        self.afford(sum(t.size for t in (*given, *outs)))
        for t in given if builtin not in (3, 4, 77) else ():
            t.at = self.settled(t)
        options = [o.get(int(s[0]), s[1:].lower(), int(s[1].isupper())) for s in slots.split()]
        found = method(self, outs if several else outs[0], *ins, *options)
        for out, at in zip(outs, found if several else [found], strict=True):
            out.at = at.reshape(out.shape)


def fixed_point(arrays: dict[str, Ints]) -> Network:
    """a → clip((w · a + b + half) >> shift, lo, hi) for each layer, half = 2^shift / 2; inputs 0..255."""
    net, layers = Network(arrays["w0"].shape[1], 0, 255), int(arrays["n_layers"].reshape(()))
    need(len(arrays) == 5 * layers + 1, "a fixed-point network of other arrays")
    for i in range(layers):
        w, b, *numbers = (arrays[f"{name}{i}"] for name in ("w", "b", "shift", "lo", "hi"))
        s, lo, hi = (int(value.reshape(())) for value in numbers)
        need(b.ndim == 1 and w.shape == (len(b), len(net.outputs)), "the shapes")
        need(0 <= s <= 30 and -(2**15) <= lo <= hi < 2**15, "a shift or clip range out of range")
        rule = lambda a, c, s=s: (a + (1 << s >> 1)) >> s  # noqa: E731
        net.stairs(rule, lo, hi, 0 * b, INT32 - [[0], [1 << s >> 1]], w[None], net.outputs[None, None], b)
    return net
