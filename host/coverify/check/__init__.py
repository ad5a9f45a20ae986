"""Is a certificate's claim true? A small checker that trusts nobody: no engine, no kernel, no solver.

It reads the network's bytes itself, recomputes every bound in exact integers and accepts or rejects. It needs
numpy and the standard library and shares no code with the rest of the project. Read `certificate.py`,
`proof.py`, `squares.py` and `steps.py`, in this order; then of `networks`, which reads the network's bytes,
what its operators need. docs/certificates.md holds the mathematics.
"""

from coverify.check.certificate import BROKEN, BUDGET, Claim, check
from coverify.check.steps import Rejected

__all__ = ["BROKEN", "BUDGET", "Claim", "Rejected", "check"]
