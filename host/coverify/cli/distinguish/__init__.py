"""coverify distinguish: the verb, and its form for single operators."""
