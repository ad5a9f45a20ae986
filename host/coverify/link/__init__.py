"""Bytes to and from a device: a line, frames on it, requests and answers in them, a client that asks.

The contract with the firmware is device_harness/agent/protocol.h. Nothing here knows tensors, shapes or
models: a model is bytes, an input is bytes, an answer is bytes.
"""
