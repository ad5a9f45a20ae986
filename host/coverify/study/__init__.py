"""Studies of the literature on exact integers: one float network, many quantized ones, the same questions."""
