"""Repair an int8 network whose float original is known: few bytes of its weights, in place.

Fault localization ranks neurons by how their activations differ on tests that quantization broke; an integer
program on the int8 weights, with the exact requantization, repairs them one by one; the patched file is what
was solved for. Source: Song, Sun, Mustafa, Cordeiro, "QNNRepair: Quantized Neural Network Repair", SEFM 2023.
"""
