"""Does a device compute what the reference computes?  Vectors, targets that run them, and the comparison."""
