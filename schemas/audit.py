"""Audit events: one for each move of a job, chained by hash, so that an edited, missing or reordered one shows.

`hash = sha256(previous hash + body)`, where the body is the stored canonical bytes and the chain of each job begins
with 32 zero bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from schemas.canonical import canonical
from schemas.job import GENESIS, Job


@dataclass(frozen=True, slots=True)
class AuditEvent:
    tenant_id: str
    job_id: str
    version: int
    """The job's version after the move; 1 for its acceptance."""
    body: bytes
    prev_hash: bytes
    hash: bytes


def event(
    before: Job | None, after: Job, *, at: datetime, actor: str, facts: Mapping[str, Any]
) -> AuditEvent:
    """The event of the move from `before` (None: the acceptance) to `after`.

    `facts` are ids, digests, names and numbers that explain the move; never document text or model output.
    """
    prev = before.audit_head if before else GENESIS
    body = canonical(
        {
            "actor": actor,
            "at": at,
            "facts": dict(facts),
            "from": before.state if before else None,
            "job": after.id,
            "reason": after.reason_code,
            "tenant": after.tenant_id,
            "to": after.state,
            "token": after.lease_token,
            "version": after.version,
        }
    )
    return AuditEvent(after.tenant_id, after.id, after.version, body, prev, chain(prev, body))


class Acceptances:
    """The first events of jobs that differ in their id and document alone: the bytes that `event` gives for each.

    One is written in full, and cut where the others differ: a million are made in the time of some ten thousand.
    """

    def __init__(self, job: Job, *, at: datetime, actor: str, facts: Mapping[str, Any]) -> None:
        """`job` stands for all of them, its id and document aside."""
        plain = event(None, job, at=at, actor=actor, facts={**facts, "document": ""}).body.decode()
        mark = "@"
        while mark in plain:
            mark += "@"
        model = event(
            None, replace(job, id=f"<{mark}>"), at=at, actor=actor, facts={**facts, "document": f"[{mark}]"}
        ).body
        self._head, rest = model.split(f"[{mark}]".encode())
        self._middle, self._tail = rest.split(f"<{mark}>".encode())

    def body(self, job_id: str, document: str) -> bytes:
        """Both as JSON has them without an escape: letters, digits, `-` and `:`."""
        return b"%b%b%b%b%b" % (self._head, document.encode(), self._middle, job_id.encode(), self._tail)


def chain(prev_hash: bytes, body: bytes) -> bytes:
    return hashlib.sha256(prev_hash + body).digest()


def first_flaw(events: Sequence[AuditEvent]) -> str | None:
    """The first thing wrong with the chain of one job, as a sentence; None where it is whole. Events by version."""
    prev = GENESIS
    for number, found in enumerate(events, start=1):
        if found.version != number:
            return f"job {found.job_id}: event {number} is missing (found version {found.version})"
        if found.prev_hash != prev:
            return f"job {found.job_id}: event {number} does not follow from the one before it"
        if found.hash != chain(prev, found.body):
            return f"job {found.job_id}: event {number} was changed after it was written"
        prev = found.hash
    return None
