"""Bounds by multipliers on the exact staircases, claims of rivals, and proofs by cases."""
