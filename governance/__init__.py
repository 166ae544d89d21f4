"""Rules about the rules: where policies and reviews come from, and whether the record is whole."""
