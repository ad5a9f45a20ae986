"""The integer program in Boolean cardinality and pseudo-Boolean constraints, for SAT solvers."""

from __future__ import annotations

VARIANTS = ("minicard", "cadical", "pb")
"""How sums are counted: native constraints of MiniCARD; totalizers for small sums, or adders, for CaDiCaL."""
