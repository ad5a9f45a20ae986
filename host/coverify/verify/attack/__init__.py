"""Counterexamples by search: a network's exact program is climbed, never bounded."""
