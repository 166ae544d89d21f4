"""The chain of a job's events: whole as written, and broken by every change to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.audit import Acceptances, AuditEvent, chain, event, first_flaw
from schemas.job import GENESIS, Job
from schemas.lifecycle import EDGES, JobState
from tests.yard import a_job

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@st.composite
def histories(draw: st.DrawFn, *, shortest: int = 1) -> list[AuditEvent]:
    """The events of one job on a random way through the table, begun at its acceptance."""
    job = a_job()
    events = [event(None, job, at=NOON, actor="intake", facts={})]
    job = replace(job, audit_head=events[-1].hash)
    for number in range(draw(st.integers(shortest - 1, 9))):
        ahead = sorted(state for state in EDGES[job.state] if EDGES[state] or number > shortest)
        if not ahead:
            break
        facts = draw(st.dictionaries(st.sampled_from(["slot", "cost", "model"]), st.integers(0, 99)))
        job = _moved(job, draw(st.sampled_from(ahead)), NOON + timedelta(seconds=number), facts, events)
    return events


def _moved(job: Job, to: JobState, at: datetime, facts: dict[str, int], events: list[AuditEvent]) -> Job:
    after = job.moved(to, reason_code=f"r{job.version}")
    events.append(event(job, after, at=at, actor="worker", facts=facts))
    return replace(after, audit_head=events[-1].hash)


@given(histories())
@settings(max_examples=50)
def test_a_chain_as_written_has_no_flaw(events: list[AuditEvent]) -> None:
    assert first_flaw(events) is None


@given(histories(), st.data())
@settings(max_examples=100)
def test_a_changed_byte_in_any_event_is_found(events: list[AuditEvent], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from(["body", "prev_hash", "hash"]))
    old: bytes = getattr(events[at], name)
    place = data.draw(st.integers(0, len(old) - 1))
    new = old[:place] + bytes([old[place] ^ data.draw(st.integers(1, 255))]) + old[place + 1 :]

    events[at] = replace(events[at], **{name: new})

    assert first_flaw(events) is not None


@given(histories(shortest=3), st.data())
@settings(max_examples=50)
def test_a_missing_event_is_found(events: list[AuditEvent], data: st.DataObject) -> None:
    """Unless it is the last one: that a chain ends too early, only the job's own version and head can tell."""
    del events[data.draw(st.integers(0, len(events) - 2))]

    assert first_flaw(events) is not None


@given(histories(shortest=3), st.data())
@settings(max_examples=50)
def test_two_events_in_each_other_s_place_are_found(events: list[AuditEvent], data: st.DataObject) -> None:
    a, b = data.draw(st.lists(st.integers(0, len(events) - 1), min_size=2, max_size=2, unique=True))

    events[a], events[b] = events[b], events[a]

    assert first_flaw(events) is not None


@given(histories(shortest=2), st.data())
@settings(max_examples=50)
def test_an_event_that_was_rewritten_with_a_fitting_hash_breaks_the_next_one(
    events: list[AuditEvent], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(events) - 2))
    forged = b'{"actor":"nobody"}'

    events[at] = replace(events[at], body=forged, hash=chain(events[at].prev_hash, forged))

    assert (
        first_flaw(events) == f"job {events[0].job_id}: event {at + 2} does not follow from the one before it"
    )


def test_the_first_event_follows_from_nothing() -> None:
    accepted = event(None, a_job(), at=NOON, actor="intake", facts={})

    assert accepted.prev_hash == GENESIS
    assert accepted.version == 1
    assert accepted.hash == chain(GENESIS, accepted.body)


def test_an_event_says_who_moved_what_from_where_to_where_when_and_why() -> None:
    job = a_job(version=4, state=JobState.ROUTED, lease_token=2)
    after = job.moved(JobState.SERVING, lease_token=3, reason_code="claimed")

    body: dict[str, Any] = orjson.loads(
        event(job, after, at=NOON, actor="worker-1", facts={"slot": "s"}).body
    )

    assert body == {
        "actor": "worker-1",
        "at": "2026-11-23T12:00:00Z",
        "facts": {"slot": "s"},
        "from": "routed",
        "job": job.id,
        "reason": "claimed",
        "tenant": "default",
        "to": "serving",
        "token": 3,
        "version": 5,
    }


def test_an_empty_chain_has_no_flaw_in_itself() -> None:
    assert first_flaw([]) is None


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["@", "<@>", "[@@]", '"']
)


@given(
    tenant=NAMES,
    batch=NAMES,
    facts=st.dictionaries(
        NAMES.filter(lambda name: name != "document"), NAMES | st.integers(0, 9), max_size=4
    ),
    ids=st.lists(st.from_regex("[0-9a-f-]{1,36}", fullmatch=True), min_size=1, max_size=4),
    digests=st.lists(st.from_regex("sha256:[0-9a-f]{0,64}", fullmatch=True), min_size=4, max_size=4),
)
def test_acceptances_are_byte_for_byte_what_event_writes(
    tenant: str, batch: str, facts: dict[str, Any], ids: list[str], digests: list[str]
) -> None:
    model = a_job(tenant_id=tenant, batch_id=batch)
    many = Acceptances(model, at=NOON, actor="intake", facts=facts)

    for job_id, document in zip(ids, digests, strict=False):
        wanted = event(
            None, replace(model, id=job_id), at=NOON, actor="intake", facts={**facts, "document": document}
        )
        assert many.body(job_id, document) == wanted.body
