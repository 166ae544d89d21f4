"""Doorbells: the only messages between stages. A bell says "look at this queue"; it carries no job and no authority.

Losing, repeating, forging or reordering bells changes when work happens, and nothing else.
"""

from __future__ import annotations

ROUTE_TASK = "classyard.route"
"""Look for waiting jobs and decide them."""
SERVE_TASK = "classyard.serve"
"""Take a parcel of jobs of the worker's provider and serve them."""

CLASSIFIER_QUEUE = "classifier"


def provider_queue(provider: str) -> str:
    """The queue whose consumers' concurrency is the provider's capacity."""
    return f"provider.{provider}"
