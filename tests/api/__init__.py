"""The API as its own document describes it."""
