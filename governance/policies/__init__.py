"""Routing policies: where they come from, and their life."""
