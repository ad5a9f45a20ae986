"""coverify replay: the verb, its jobs, and the machines that own a device."""
