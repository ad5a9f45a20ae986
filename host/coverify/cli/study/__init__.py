"""coverify study: the verb and its questions, one file each."""
