"""How many bells a provider's workers are worth. Pure."""

from __future__ import annotations

from runtime.doorbells import jobs_a_bell
from schemas.snapshot import ProviderLoad


def bells_for(load: ProviderLoad, bound: int, most: int) -> int:
    """For `bound` more jobs: one for each slot that has nothing to do and something to be woken for.

    One at least, since the load is a moment old: a slot that is woken rings for those beside it, and one that is busy
    goes on by itself. `most`: jobs that a slot takes at a time.
    """
    idle = load.slots - load.in_flight
    return min(max(1, idle), -(-bound // jobs_a_bell(load.job_ms_p50, most)))
