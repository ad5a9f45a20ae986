"""Robustness of a float network over the reals: no sum is rounded, verdicts rest on integers."""
