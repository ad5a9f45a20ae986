"""Decide robustness queries on the exact integers of an int8 network."""
