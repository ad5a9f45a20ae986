"""The integer program: primitives, lowering, and its concrete meaning."""
