"""The state of every provider at one instant, as a value: from the rows of the database to a `ProviderSnapshot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.catalog import Catalog, CatalogProvider
from schemas.policy import BindLate
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus

TYPICAL_INPUT_TOKENS = 2_000
TYPICAL_OUTPUT_TOKENS = 300
"""For guessing what a job takes at a provider of which nothing was observed yet."""


def snapshot_of(
    catalog: Catalog,
    catalog_digest: str,
    rows: Sequence[Mapping[str, Any]],
    bind_late: BindLate,
    *,
    taken_at: datetime,
) -> ProviderSnapshot:
    """`rows` as `capacity.loads` gives them; a provider of the catalog without a row has no worker."""
    found = {row["name"]: row for row in rows}
    loads = tuple(
        _load(provider, found.get(provider.name), bind_late)
        for provider in sorted(catalog.providers, key=lambda provider: provider.name)
    )
    return ProviderSnapshot(catalog, catalog_digest, loads, taken_at)


def _load(provider: CatalogProvider, row: Mapping[str, Any] | None, bind_late: BindLate) -> ProviderLoad:
    status, reason = _status(provider, row)
    known = row or {}
    ceiling = known.get("ceiling", provider.ceiling)
    slots = min(ceiling, known.get("slots", 0))
    job_ms = known.get("job_ms_p50")
    waiting = known.get("waiting_jobs") or 0
    return ProviderLoad(
        provider=provider.name,
        status=status,
        reason=reason,
        ceiling=ceiling,
        slots=slots,
        in_flight=known.get("in_flight") or 0,
        waiting_jobs=waiting,
        waiting_tokens=int(known.get("waiting_tokens") or 0),
        headroom_jobs=max(0, depth(slots, job_ms or _guess_ms(provider), bind_late) - waiting),
        job_ms_p50=job_ms,
    )


def _status(provider: CatalogProvider, row: Mapping[str, Any] | None) -> tuple[ProviderStatus, str]:
    if row is None:
        return ProviderStatus.NO_WORKER, f"No worker of {provider.name} has started."
    if row["paused"]:
        return ProviderStatus.PAUSED, f"{provider.name} is paused by an operator."
    if not row["workers"] and row["keyless"]:
        return ProviderStatus.NO_KEY, row["detail"] or f"The workers of {provider.name} have no key."
    if not row["workers"]:
        return ProviderStatus.NO_WORKER, f"No worker of {provider.name} has been heard of lately."
    if row["resting"]:
        return ProviderStatus.DOWN, row["rest_reason"] or f"{provider.name} rests after faults."
    return ProviderStatus.READY, ""


def depth(slots: int, job_ms: int, bind_late: BindLate) -> int:
    """How many jobs may be bound to a provider: what its slots do in `bind_late.seconds`, and two a slot at least."""
    in_time = slots * bind_late.seconds * 1000 // max(1, job_ms)
    return min(bind_late.max_jobs, max(2 * slots, in_time))


def _guess_ms(provider: CatalogProvider) -> int:
    return min(
        max(1, model.latency.expected_ms(TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS))
        for model in provider.models
    )
