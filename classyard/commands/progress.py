"""How far one or several batches are: the figures, the rate, and what is left to expect.

`gather` reads one instant; everything else here is pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from classyard.commands import catalogs
from runtime.db.session import Connection, Database, Row
from runtime.db.stores import views
from schemas.lifecycle import FINAL, JobState

WINDOW_S = 45.0
"""Of finished jobs that the rate is taken over: long enough for a slow provider, short enough to follow a change."""

LEAST_S = 3.0
"""Of observation before a rate is believed; results arrive in bursts."""


@dataclass(frozen=True, slots=True)
class ProviderProgress:
    """What one provider has done, and has before it, for the batches that are looked at."""

    provider: str
    simulated: bool
    in_flight: int
    """Calls that are being made now."""
    waiting: int
    done: int
    calls: int
    faults: int
    """Calls that brought no usable answer."""
    cost_usd_micros: int
    latency_ms_p50: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """Of all the batches together, at one instant."""

    batches: tuple[str, ...]
    reviews: tuple[str, ...]
    sources: tuple[str, ...]
    states: Mapping[str, int]
    providers: tuple[ProviderProgress, ...]
    held: tuple[tuple[str, int], ...]
    """Why jobs are held, and how many."""
    rejected: int
    started_at: datetime
    seen_at: datetime
    """On the database's clock, or when the last batch was finished."""
    router_alive: bool = True
    by_batch: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """The states of each batch."""

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def finished(self) -> int:
        return finished(self.states)

    @property
    def open(self) -> int:
        return self.total - self.finished

    @property
    def is_over(self) -> bool:
        return self.open == 0

    @property
    def elapsed_s(self) -> float:
        return max(0.0, (self.seen_at - self.started_at).total_seconds())

    @property
    def cost_usd_micros(self) -> int:
        return sum(row.cost_usd_micros for row in self.providers)

    @property
    def simulated(self) -> bool:
        return any(row.simulated for row in self.providers)


def finished(states: Mapping[str, int]) -> int:
    return sum(jobs for state, jobs in states.items() if state in FINAL)


def summary_line(states: Mapping[str, int]) -> str:
    """`60 jobs: 58 succeeded, 2 refused, 0 failed`, with expired and cancelled ones where there are any."""
    always = (JobState.SUCCEEDED, JobState.REFUSED, JobState.FAILED)
    at_times = tuple(state for state in (JobState.EXPIRED, JobState.CANCELLED) if states.get(state))
    parts = ", ".join(f"{states.get(state, 0)} {state.value}" for state in (*always, *at_times))
    return f"{sum(states.values())} jobs: {parts}"


def exit_code(states: Mapping[str, int], rejected: int) -> int:
    """0 only where every document became a job, and every job succeeded."""
    all_succeeded = sum(states.values()) == states.get(JobState.SUCCEEDED, 0)
    return 0 if all_succeeded and not rejected else 1


@dataclass
class Rate:
    """Finished jobs a second over a sliding window; seconds on any clock that only goes forward."""

    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def observe(self, at_s: float, finished: int) -> None:
        self.seen.append((at_s, finished))
        while len(self.seen) > 2 and self.seen[1][0] <= at_s - WINDOW_S:
            self.seen.popleft()

    def left_s(self, jobs: int) -> float | None:
        """Seconds until so many more are finished; None where the window does not tell."""
        if jobs == 0:
            return 0.0
        if len(self.seen) < 2:
            return None
        (first_s, before), (last_s, after) = self.seen[0], self.seen[-1]
        if last_s - first_s < LEAST_S or after <= before:
            return None
        return jobs * (last_s - first_s) / (after - before)


@dataclass
class Rates:
    """One rate a batch: batches ask for different things, and a quick one says nothing of a slow one."""

    of: dict[str, Rate] = field(default_factory=dict)

    def observe(self, at_s: float, progress: Progress) -> None:
        for batch, states in progress.by_batch.items():
            self.of.setdefault(batch, Rate()).observe(at_s, finished(states))

    def left_s(self, progress: Progress) -> float | None:
        """Until the last batch is done; None while one of them does not tell."""
        left = [
            self.of.get(batch, Rate()).left_s(sum(states.values()) - finished(states))
            for batch, states in progress.by_batch.items()
        ]
        known = [one for one in left if one is not None]
        return max(known, default=0.0) if len(known) == len(left) else None


async def gather(database: Database, tenant: str, batch_ids: Sequence[str]) -> Progress:
    """Raises `ServiceUnreachable`."""
    async with database.transaction() as connection:
        await views.one_picture(connection)
        batches = await views.batch_rows(connection, tenant, batch_ids)
        providers = await views.by_provider_over(connection, tenant, batch_ids)
        by_batch = {one: await views.states(connection, tenant, one) for one in batch_ids}
        return Progress(
            batches=tuple(row["id"] for row in batches),
            reviews=tuple(sorted({row["review_name"] for row in batches})),
            sources=tuple(row["source"] for row in batches),
            states=_added(list(by_batch.values())),
            by_batch=by_batch,
            providers=_providers(providers, await _pretend(connection, tenant, providers)),
            held=await _held(connection, tenant, batch_ids),
            rejected=sum(row["rejected"] for row in batches),
            started_at=min(row["created_at"] for row in batches),
            seen_at=_seen_at(batches),
            router_alive=any(row["role"] == "router" for row in await views.workers(connection, tenant)),
        )


def _added(found: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for states in found:
        for state, jobs in states.items():
            total[state] = total.get(state, 0) + jobs
    return total


def _providers(rows: Sequence[Row], pretend: frozenset[str]) -> tuple[ProviderProgress, ...]:
    names = ProviderProgress.__dataclass_fields__.keys() - {"simulated"}
    return tuple(
        ProviderProgress(
            simulated=row["simulated"] or (not row["calls"] and row["provider"] in pretend),
            **{name: row[name] for name in names},
        )
        for row in rows
    )


async def _pretend(connection: Connection, tenant: str, rows: Sequence[Row]) -> frozenset[str]:
    """Simulated providers by the catalog, for those that made no call yet; of the others their calls tell."""
    if all(row["calls"] for row in rows):
        return frozenset()
    return catalogs.simulated_in(await catalogs.stored(connection, tenant))


async def _held(connection: Connection, tenant: str, batch_ids: Sequence[str]) -> tuple[tuple[str, int], ...]:
    found = [
        {row["reason"]: row["jobs"] for row in await views.reasons_of_waiting(connection, tenant, one)}
        for one in batch_ids
    ]
    return tuple(sorted(_added(found).items(), key=lambda pair: (-pair[1], pair[0])))


def _seen_at(batches: Sequence[Row]) -> datetime:
    ends = [row["finished_at"] for row in batches]
    at: datetime = max(ends) if all(ends) else batches[0]["now"]
    return at
