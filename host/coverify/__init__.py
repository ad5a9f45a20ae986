"""Co-verification of int8 TensorFlow Lite Micro networks: exact reference, device in the loop, proofs.

The command line is `coverify`; see ARCHITECTURE.md for the packages below this one.
"""

__version__ = "0.1.0"
