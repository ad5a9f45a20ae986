"""The meaning of an integer program as bit-vector formulas, as text that any SMT solver reads."""

ENCODINGS = ("threshold", "balanced", "literal")
"""How a network can be said in bit-vectors: by its stairs, or as the literature does (see signed.py)."""
