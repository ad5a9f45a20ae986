"""Is a certificate's claim true? A small checker that trusts nobody: no engine, no kernel, no solver.

It reads the network's bytes itself, recomputes every bound in exact integers and accepts or rejects. It needs
numpy and the standard library and shares no code with the rest of the project. Read `certificate.py` (what is
claimed, the file), `proof.py` (the argument), `steps.py` (what a network's steps mean), `integers.py` and
`networks.py` (the bytes), in this order. docs/certificates.md holds the mathematics on a page.
"""

from coverify.check.certificate import Claim, check
from coverify.check.steps import Rejected

__all__ = ["Claim", "Rejected", "check"]
