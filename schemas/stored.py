"""From stored bytes back to values, and whether they are what was written. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from schemas.audit import AuditEvent, first_flaw
from schemas.canonical import digest
from schemas.decision import Candidate, Decision, Estimate, Outcome, Refusal, Score, step_of


def decision_of(body: bytes) -> Decision:
    """The decision of which `body` are the canonical bytes.

    Raises `ValueError`, `KeyError` or `TypeError` where they are those of something else.
    """
    found = orjson.loads(body)
    return Decision(
        **{
            **found,
            "outcome": Outcome(found["outcome"]),
            "candidates": tuple(_candidate(one) for one in found["candidates"]),
            "plan": tuple(step_of(one) for one in found["plan"]),
            "allowed": tuple(found["allowed"]),
        }
    )


def _candidate(found: Mapping[str, Any]) -> Candidate:
    return Candidate(
        **{
            **found,
            "refusals": tuple(Refusal(**one) for one in found["refusals"]),
            "unavailable": Refusal(**found["unavailable"]) if found["unavailable"] else None,
            "estimate": Estimate(**found["estimate"]) if found["estimate"] else None,
            "score": Score(**found["score"]) if found["score"] else None,
        }
    )


def decision_flaw(row: Mapping[str, Any], events: Sequence[AuditEvent]) -> str | None:
    """Why a decision's row is not to be believed, as a sentence; None where it stands as it was written.

    Its digest must be that of its bytes, and the one that the audit event of its move names.
    """
    if digest(row["body"]) != row["digest"]:
        return f"its bytes do not match its digest {row['digest']}"
    named = _named_decision(row["number"], events)
    if named != row["digest"]:
        return f"the audit event {row['number']} names {named or 'no decision'}, and not {row['digest']}"
    return None


def _named_decision(version: int, events: Sequence[AuditEvent]) -> object:
    event = next((event for event in events if event.version == version), None)
    try:
        return body_of(event)["facts"].get("decision") if event else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def chain_flaw(events: Sequence[AuditEvent], *, version: int, state: str, head: bytes) -> str | None:
    """Why the chain of one job does not verify; None where it does and ends where the job is now.

    `first_flaw` sees a changed, missing or reordered event; an end that was cut away shows only against the job.
    """
    if flaw := first_flaw(events):
        return flaw
    if len(events) != version:
        return f"there are {len(events)} events, and the job is at version {version}"
    if events[-1].hash != head:
        return "its last event is not the one that the job names"
    try:
        return _told_flaw(events, state)
    except (ValueError, KeyError, TypeError):
        return "an event cannot be read"


def _told_flaw(events: Sequence[AuditEvent], state: str) -> str | None:
    """What the events say, against where they are filed and what they lead to."""
    told = [body_of(event) for event in events]
    filed = [(event.job_id, event.version) for event in events]
    if [(body["job"], body["version"]) for body in told] != filed:
        return "an event speaks of another job or version than it is filed under"
    if told[-1]["to"] != state:
        return f"its last event leads to {told[-1]['to']!r}, and the job is {state!r}"
    return None


def body_of(event: AuditEvent) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(event.body)
    return body
