"""Serve routed jobs: one slot, one call in flight; check the answer, and decide what comes next."""
