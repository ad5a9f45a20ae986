"""What can go wrong in a study, one class per thing that a caller can do about it."""

from __future__ import annotations

from coverify.errors import BadInput


class BadFloatNetwork(BadInput):
    """A file that is not a chain of dense layers in float, or one that is not read as such."""

    def __init__(self, name: str, why: str) -> None:
        """`name` of the file, and `why` it is refused."""
        self.name, self.why = name, why
        super().__init__(f"{name}: not a float network that can be studied: {why}")


class NotQuantizable(BadInput):
    """A float network that has no quantized form of this width (an accumulator would leave int32, …)."""
