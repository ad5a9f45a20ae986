"""The bytes of a network as steps: TFLM's arithmetic, operator by operator, and fixed-point networks.

Read `integers.py`, `softmax.py`, `tensors.py`, `moves.py`, `operators.py`, `model.py`, in this order.
"""
