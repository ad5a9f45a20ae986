"""The meaning of an integer program as bit-vector formulas, and the search over them with Z3."""
