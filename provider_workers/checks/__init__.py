"""Whether an answer can be used: it parses, it keeps its contract, and its quotes stand in the document.
Pure."""
