"""What became of every job, read when all is over and checked offline, as set checkers do it.

Five columns are compared: *accepted* (what the submitter was told), *claimed* (leases, by the audit trail), *called*
(what the pretend provider counted by idempotency key), *recorded* (results), *delivered* (the final state that a reader
sees). The checker is pure: tests give it histories with faults in them and see that it finds each.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from schemas.lifecycle import EDGES, FINAL, JobState
from tests.flows.yards import FINAL as FINAL_NAMES

assert set(FINAL_NAMES) == {state.value for state in FINAL}


@dataclass(frozen=True, slots=True)
class Event:
    """One move by the audit trail."""

    version: int
    source: str | None
    to: str
    token: int
    at_s: float
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class JobHistory:
    id: str
    state: str
    version: int
    token: int
    events: tuple[Event, ...]
    results: tuple[int, ...] = ()
    """The lease token of each result."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """By idempotency key, what the providers counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    jobs: int
    lost: tuple[str, ...]
    """Accepted, and without a row or without a final state."""
    double_results: tuple[str, ...]
    missing_results: tuple[str, ...]
    """Succeeded without a result, or a result without success."""
    stale_commits: tuple[str, ...]
    """What was recorded under a token that was not the highest given out until then."""
    unaudited_transitions: tuple[str, ...]
    """Gaps, illegal edges, or a last event that is not what the row says."""
    uncalled: tuple[str, ...]
    """With a result, and no provider remembers a call."""
    repeated_calls: int
    """Calls made again under a key that had been used: at least once is the promise, and this its price."""
    calls: int
    states: Mapping[str, int]
    worker_lost: int
    """Jobs that FAILED because three workers died under them; final and told, yet no answer."""

    @property
    def completed(self) -> int:
        return self.jobs - len(self.lost)

    @property
    def is_kept(self) -> bool:
        """Whether the promise was."""
        return not any(
            (self.lost, self.double_results, self.missing_results, self.stale_commits)
        ) and not any((self.unaudited_transitions, self.uncalled))

    def told(self) -> str:
        names = (
            "lost",
            "double_results",
            "missing_results",
            "stale_commits",
            "unaudited_transitions",
            "uncalled",
        )
        found = [(name, getattr(self, name)) for name in names]
        return "; ".join(f"{name}: {len(ids)} ({', '.join(ids[:3])})" for name, ids in found if ids) or "kept"


def check(accepted: Iterable[str], histories: Sequence[JobHistory], *, calls_known: bool = True) -> Verdict:
    """`accepted` are the ids that the submitter was promised."""
    by_id = {one.id: one for one in histories}
    promised = list(dict.fromkeys(accepted))
    final = {state.value for state in FINAL}
    lost = [name for name in promised if name not in by_id or by_id[name].state not in final]
    called = Counter({one.id: sum(one.calls.values()) for one in histories})
    return Verdict(
        jobs=len(promised),
        lost=tuple(lost),
        double_results=tuple(one.id for one in histories if len(one.results) > 1),
        missing_results=tuple(
            one.id for one in histories if bool(one.results) != (one.state == JobState.SUCCEEDED)
        ),
        stale_commits=tuple(one.id for one in histories if _is_stale(one)),
        unaudited_transitions=tuple(one.id for one in histories if not _is_audited(one)),
        uncalled=tuple(one.id for one in histories if calls_known and one.results and not called[one.id]),
        repeated_calls=sum(max(0, times - 1) for one in histories for times in one.calls.values()),
        calls=sum(called.values()),
        states=dict(Counter(one.state for one in histories)),
        worker_lost=sum(
            1
            for one in histories
            if one.state == JobState.FAILED and one.events and one.events[-1].reason == "worker_lost"
        ),
    )


def _is_stale(one: JobHistory) -> bool:
    highest = 0
    for event in one.events:
        if event.token < highest:
            return True
        highest = event.token
    return any(token != highest for token in one.results)


def _is_audited(one: JobHistory) -> bool:
    if [event.version for event in one.events] != list(range(1, one.version + 1)):
        return False
    before: str | None = None
    for event in one.events:
        if event.source != before or not _is_legal(event):
            return False
        before = event.to
    return before == one.state and one.events[-1].token == one.token


def _is_legal(event: Event) -> bool:
    if event.source is None:
        return event.version == 1
    return JobState(event.to) in EDGES[JobState(event.source)]


def recoveries_s(histories: Iterable[JobHistory], blows_s: Sequence[float]) -> list[float]:
    """For each job that was taken back from a lost worker: seconds from the blow to its next claim.

    The blow is the first one after the claim that was lost, so a figure may be too long, and is never too short.
    """
    found = []
    for one in histories:
        claimed, waits = None, False
        for event in one.events:
            if event.source == JobState.SERVING and event.reason == "worker_lost":
                waits = event.to not in FINAL_NAMES
            elif event.to == JobState.SERVING and event.source != JobState.SERVING:
                if waits and claimed is not None:
                    blow = min((at for at in blows_s if at >= claimed), default=claimed)
                    found.append(max(0.0, event.at_s - min(blow, event.at_s)))
                claimed, waits = event.at_s, False
    return found


# -- from the tables


_JOBS = """
select j.id::text, j.state, j.version, j.lease_token,
    array(select r.lease_token from results r where r.job_id = j.id) as results
from jobs j order by j.id
"""
_EVENTS = "select job_id::text, version, body from audit_events order by job_id, version"


def read(database_url: str, calls: Mapping[str, int] | None = None) -> list[JobHistory]:
    """Every job of the database, with the calls that the providers counted by key (`JOB-ATTEMPT`)."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        jobs = connection.execute(_JOBS).fetchall()
        events = connection.execute(_EVENTS).fetchall()
    trails: dict[str, list[Event]] = {}
    for row in events:
        trails.setdefault(row["job_id"], []).append(_event(row["version"], json.loads(row["body"])))
    keys: dict[str, dict[str, int]] = {}
    for key, times in (calls or {}).items():
        keys.setdefault(key.rpartition("-")[0], {})[key] = times
    return [
        JobHistory(
            id=row["id"],
            state=row["state"],
            version=row["version"],
            token=row["lease_token"],
            events=tuple(trails.get(row["id"], ())),
            results=tuple(row["results"]),
            calls=keys.get(row["id"], {}),
        )
        for row in jobs
    ]


def _event(version: int, body: Mapping[str, Any]) -> Event:
    return Event(
        version,
        body["from"],
        body["to"],
        body["token"],
        datetime.fromisoformat(body["at"]).timestamp(),
        body["reason"],
        body["actor"],
    )
