"""The operators of TFLM's signal library: windows, transforms, filter banks, gains, buffers of samples."""
