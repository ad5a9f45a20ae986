"""Models of one operator over a grid of shapes, with inputs that tell TFLM's kernels from wrong ones."""
