"""What of a network does a property need to know? Its program, its input's shape, and its scales."""

from __future__ import annotations

from dataclasses import dataclass

from coverify.verify.errors import BadQuery
from coverify.verify.property.quantity import Scale
from tflm_int8.program.primitives import Program


@dataclass(frozen=True, eq=False)
class Subject:
    """shape: of one sample; input, output: the scales of the tensors, None where they have none; raised: how
    far the network's own codes, of its input and its output, are above the program's: 128 where it has uint8;
    codes: the least and the greatest that an output of the program can have.
    """

    program: Program
    shape: tuple[int, ...]
    input: Scale | None
    output: Scale | None
    raised: tuple[int, int] = (0, 0)
    codes: tuple[int, int] = (-128, 127)

    @property
    def n_output(self) -> int:
        """How many outputs it has."""
        return self.program.sizes()[self.program.output]

    def input_scale(self) -> Scale:
        """Raises BadQuery where there is none."""
        if self.input is None:
            raise BadQuery("the network's input has no scale: give codes, not real values")
        return self.input

    def output_scale(self) -> Scale:
        """Raises BadQuery where there is none."""
        if self.output is None:
            raise BadQuery("the network's output has no scale: give codes, not real values")
        return self.output
