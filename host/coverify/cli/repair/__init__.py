"""coverify repair: the verb, its run and its result."""
