"""Whole batches through real processes: a yard that was started as a user starts it, over pretend providers."""
