"""The stages of Huang et al. (2024) as their method has them; engines/eqv.py runs them one after another."""
