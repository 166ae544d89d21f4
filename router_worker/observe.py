"""The state of every provider at one instant, as a value: from the rows of the database to a `ProviderSnapshot`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runtime.breaker import BreakerState, may_enter
from runtime.db.stores.breakers import allowance_of, breaker_of
from schemas.catalog import Catalog, CatalogProvider
from schemas.policy import BindLate
from schemas.snapshot import JOBS_A_SLOT, Health, ProviderLoad, ProviderSnapshot, ProviderStatus

TYPICAL_INPUT_TOKENS = 2_000
TYPICAL_OUTPUT_TOKENS = 300
"""For guessing what a job takes at a provider of which nothing was observed yet."""

ONE = 1_000_000

PROBED_AFTER_S = 60.0
"""A provider that is slow or failing and was not called for so long is taken for well: the next calls tell. Its
detectors stay as they are, so that the first of these calls shows it as it was, and a few good ones end the alarm."""


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
    slots = min(_allowed(ceiling, known), known.get("slots", 0))
    job_ms = known.get("job_ms_p50")
    waiting = known.get("waiting_jobs") or 0
    work_ms = int(known.get("waiting_work_ms") or 0)
    health, pace = fares(known)
    by_jobs = depth(slots, job_ms or _guess_ms(provider), bind_late) - waiting
    room = None
    if pace is not None or job_ms is None:
        room = slots * bind_late.seconds * 1000 * ONE // (pace or ONE) - work_ms
        typical = work_ms // waiting if work_ms and waiting else _typical_ms(provider, job_ms, pace)
        by_jobs = jobs_within(room, typical, slots=slots, waiting=waiting, most=bind_late.max_jobs)
    return ProviderLoad(
        provider=provider.name,
        status=status,
        reason=reason,
        ceiling=ceiling,
        slots=slots,
        in_flight=known.get("in_flight") or 0,
        waiting_jobs=waiting,
        waiting_tokens=int(known.get("waiting_tokens") or 0),
        headroom_jobs=max(0, by_jobs),
        job_ms_p50=job_ms,
        in_flight_tokens=int(known.get("in_flight_tokens") or 0),
        waiting_work_ms=work_ms,
        in_flight_work_ms=int(known.get("in_flight_work_ms") or 0),
        pace_millionths=pace,
        latency_ms_p95=known.get("latency_ms_p95"),
        tokens_per_s=known.get("tokens_per_s"),
        health=health,
        room_work_ms=room,
        urgent_room_jobs=max(0, min(max(0, by_jobs) + slots, 2 * bind_late.max_jobs - waiting)),
    )


def fares(row: Mapping[str, Any]) -> tuple[Health, int | None]:
    """Its health and its pace in millionths, by a row of `capacity.loads`."""
    health = Health(row.get("health") or Health.WELL)
    unseen_s = row.get("unseen_s")
    if health is not Health.WELL and unseen_s is not None and unseen_s > PROBED_AFTER_S:
        return Health.WELL, row.get("usual_millionths")
    return health, row.get("pace_millionths")


def _status(provider: CatalogProvider, row: Mapping[str, Any] | None) -> tuple[ProviderStatus, str]:
    if row is None:
        return ProviderStatus.NO_WORKER, f"No worker of {provider.name} has started."
    return _switch(provider.name, row) or _workers(provider.name, row) or _rest(provider.name, row)


def _switch(name: str, row: Mapping[str, Any]) -> tuple[ProviderStatus, str] | None:
    if row["paused"]:
        return ProviderStatus.PAUSED, _switched(row, f"{name} is paused")
    if row.get("draining"):
        return ProviderStatus.DRAINED, _switched(row, f"{name} is being drained")
    return None


def _workers(name: str, row: Mapping[str, Any]) -> tuple[ProviderStatus, str] | None:
    if row["workers"]:
        return None
    if row["keyless"]:
        return ProviderStatus.NO_KEY, row["detail"] or f"The workers of {name} have no key."
    return ProviderStatus.NO_WORKER, f"No worker of {name} has been heard of lately."


def _rest(name: str, row: Mapping[str, Any]) -> tuple[ProviderStatus, str]:
    if row["resting"]:
        return ProviderStatus.DOWN, row["rest_reason"] or f"{name} rests after faults."
    if not _may_enter(row):
        return ProviderStatus.DOWN, row["breaker_reason"] or f"{name} rests after outages."
    return ProviderStatus.READY, ""


def _switched(row: Mapping[str, Any], what: str) -> str:
    by = row.get("switched_by") or "an operator"
    reason = row.get("switch_reason")
    return f"{what} by {by}: {reason}" if reason else f"{what} by {by}."


def _may_enter(row: Mapping[str, Any]) -> bool:
    held = row.get("probe_is_held", False)
    return "breaker" not in row or may_enter(breaker_of(row), row["now"], probe_is_held=held)


def _allowed(ceiling: int, row: Mapping[str, Any]) -> int:
    """Calls in flight that its 429s leave of the ceiling; one, where the next call tries whether it is back."""
    if "breaker" not in row:
        return ceiling
    if breaker_of(row).state is not BreakerState.CLOSED:
        return 1
    return allowance_of(row).calls(ceiling, row["now"])


def depth(slots: int, job_ms: int, bind_late: BindLate) -> int:
    """How many jobs may be bound to a provider: what its slots do in `bind_late.seconds`, and two a slot at least."""
    in_time = slots * bind_late.seconds * 1000 // max(1, job_ms)
    return min(bind_late.max_jobs, max(JOBS_A_SLOT * slots, in_time))


def jobs_within(room_work_ms: int, job_work_ms: int, *, slots: int, waiting: int, most: int) -> int:
    """How many more jobs of a typical size are about as much work as there is room for; two a slot at least, and with
    those that wait no more than `most`. May be negative."""
    in_room = -(-room_work_ms // max(1, job_work_ms))
    return min(most - waiting, max(JOBS_A_SLOT * slots - waiting, in_room))


def _typical_ms(provider: CatalogProvider, job_ms: int | None, pace: int | None) -> int:
    """What a job takes there at the catalog's own speed."""
    return _guess_ms(provider) if job_ms is None else job_ms * ONE // (pace or ONE)


def _guess_ms(provider: CatalogProvider) -> int:
    return min(
        max(1, model.latency.expected_ms(TYPICAL_INPUT_TOKENS, TYPICAL_OUTPUT_TOKENS))
        for model in provider.models
    )
