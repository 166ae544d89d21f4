"""How much the yard takes and gives in a second."""
