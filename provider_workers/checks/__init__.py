"""Whether an answer can be used: it parses, it keeps its contract, its quotes stand there. Pure."""
