"""Decisions that are recorded, read back from their bytes and decided again: how many give the same bytes.

Recorded as the router records them: features, body and audit event as canonical bytes, policy, catalog and snapshot by
their digests, and what the chunk had assigned before as JSON. Read back as `classyard replay` reads them, page by page
from a shelf, by the same functions; only the database in between is left out. Policies are the shipped ones and made-up
ones with rules, tiers and ladders, over made-up catalogs whose loads move as the jobs of a chunk are bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import orjson

from benchmarks.routing.data import ROOT
from benchmarks.routing.made import MORNING, a_catalog, a_job, a_policy, a_snapshot, bound
from benchmarks.routing.plan import Plan
from governance.policies.source import load_policy
from router_worker.engine.decide import prepare
from router_worker.outcome import moved_by
from router_worker.replay import Verified, flaw_of
from router_worker.shelf import Recorded, Shelf, recorded_of
from runtime.db.stores.jobs import Move, move_of
from schemas.canonical import canonical, digest
from schemas.catalog import Catalog
from schemas.decision import Decision
from schemas.features import JobFeatures
from schemas.job import Job
from schemas.policy import RoutingPolicy
from schemas.sensitivity import Lane
from schemas.snapshot import Assigned, ProviderSnapshot

POLICIES = ROOT / "config" / "policies"
DECISIONS, QUICK = 100_000, 10_000

PAGE = 250
"""Decisions of one yard."""

CHUNKS = (1, 7, 40)
"""Jobs between two snapshots."""

SHIPPED_EVERY = 4
"""One yard in so many has a shipped policy; they take turns."""


@dataclass(slots=True)
class Told:
    """What was recorded, counted."""

    verified: Verified = field(default_factory=Verified)
    outcomes: Counter[str] = field(default_factory=Counter)
    named: set[str] = field(default_factory=set)
    """Digests of policies, catalogs and snapshots."""
    moved: int = 0
    """Decisions before which the chunk had assigned something."""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """One yard's decisions as they are stored."""

    rows: tuple[bytes, ...]
    artifacts: dict[str, bytes]


def figures(plan: Plan) -> dict[str, Any]:
    """`replayed`, `replay_identical` (1.0 or something is broken), and what was replayed."""
    told = replayed(QUICK if plan.quick else DECISIONS)
    found = told.verified
    return {
        "replayed": found.decisions,
        "replay_identical": found.identical / found.decisions,
        "replaying": {
            "outcomes": dict(sorted(told.outcomes.items())),
            "policies_catalogs_snapshots": len(told.named),
            "after_others_of_their_chunk": told.moved,
            "megabytes": round(told.bytes / 1e6),
            "flaws": [flaw.sentence for flaw in found.flaws],
        },
    }


def replayed(decisions: int) -> Told:
    """So many decisions or a few more; a page is never cut."""
    told, shelf = Told(), Shelf()
    made = pages()
    while told.verified.decisions < decisions:
        verify(next(made), shelf, told)
    return told


def page(found: dict[str, Any]) -> str:
    replaying = found.get("replaying")
    if replaying is None:
        return ""
    return (
        f"**Replay.** {found['replayed']:,} decisions ({_counted(replaying['outcomes'])}) over "
        f"{replaying['policies_catalogs_snapshots']:,} policies, catalogs and snapshots, "
        f"{replaying['after_others_of_their_chunk']:,} of them after others of their chunk had moved the loads, were "
        f"stored as bytes, read back and decided again: **{found['replay_identical']:.6f}** of them to the byte."
    )


def _counted(outcomes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in outcomes.items())


# -- recording


def pages() -> Iterator[Page]:
    """Without end; the same ones every time."""
    shipped = [load_policy(path) for path in sorted(POLICIES.glob("*.yaml"))]
    number = 0
    while True:
        chance = Random(f"yard {number}")
        catalog = a_catalog(chance, chance.choice((1, 3, 8, 20)), of_each=chance.choice((1, 2, 4)))
        if number % SHIPPED_EVERY == 0:
            policy = shipped[number // SHIPPED_EVERY % len(shipped)]
        else:
            policy = a_policy(
                chance,
                catalog,
                rules=chance.choice((0, 2, 9)),
                tiers=chance.choice((0, 3)),
                ladders=chance.choice((0, 2)),
            )
        yield recorded_page(chance, catalog, policy)
        number += 1


def recorded_page(chance: Random, catalog: Catalog, policy: RoutingPolicy) -> Page:
    """`PAGE` decisions, as many chunks as that takes."""
    rows: list[bytes] = []
    artifacts = {digest(value): canonical(value) for value in (policy, catalog)}
    catalog_digest, prepared = digest(catalog), None
    while len(rows) < PAGE:
        snapshot = a_snapshot(chance, catalog, second=len(rows), name=catalog_digest)
        artifacts[digest(snapshot.facts())] = canonical(snapshot.facts())
        prepared = prepared.moved_to(snapshot) if prepared else prepare(policy, snapshot)
        assigned: dict[str, Assigned] = {}
        filled = snapshot
        for _ in range(min(chance.choice(CHUNKS), PAGE - len(rows))):
            job = a_job(chance)
            decision = prepared.decide(job)
            move = _move(_submitted(chance, job), decision)
            if move is None:
                continue  # it waits: the router writes down nothing, and looks at it again
            rows.append(_row(move, decision, job, snapshot, assigned))
            more = bound(decision, job)
            assigned = assigned | {
                name: assigned.get(name, Assigned()).plus(one) for name, one in more.items()
            }
            filled = filled.plus(more)
            prepared = prepared.moved_to(filled)
    return Page(tuple(rows), artifacts)


def _submitted(chance: Random, features: JobFeatures) -> Job:
    return Job(
        id=str(UUID(int=chance.getrandbits(128), version=4)),
        tenant_id="made",
        batch_id=str(UUID(int=chance.getrandbits(128), version=4)),
        custom_id="one",
        name="one.txt",
        document_digest="",
        review_digest="",
        sensitivity=features.sensitivity,
        residency=features.residency,
        quality=features.quality,
        lane=chance.choice(tuple(Lane)),
        deadline_at=None,
        max_cost_usd_micros=features.max_cost_usd_micros,
        features=features,
    )


def _move(before: Job, decision: Decision) -> Move | None:
    """With its audit event, which names the decision."""
    after = moved_by(before, decision)
    if after is None:
        return None
    facts = {
        "decision": digest(canonical(decision)),
        "model": after.model,
        "policy": decision.policy_digest,
        "provider": after.provider,
        "snapshot": decision.snapshot_digest,
    }
    return move_of(before, after, at=MORNING, actor="made", facts=facts)


def _row(
    move: Move,
    decision: Decision,
    job: JobFeatures,
    snapshot: ProviderSnapshot,
    assigned: dict[str, Assigned],
) -> bytes:
    """The columns that the record has, as one line."""
    body = canonical(decision)
    return orjson.dumps(
        {
            "job_id": move.after.id,
            "number": move.after.version,
            "outcome": decision.outcome.value,
            "policy_digest": decision.policy_digest,
            "catalog_digest": snapshot.catalog_digest,
            "snapshot_digest": digest(snapshot.facts()),
            "assigned": assigned,
            "features": canonical(job).decode(),
            "digest": digest(body),
            "body": body.decode(),
            "event": move.event.body.decode(),
        }
    )


# -- reading


def verify(page_: Page, shelf: Shelf, told: Told) -> None:
    """Adds what deciding the page again has shown."""
    recorded = [_read(row) for row in page_.rows]
    shelf.put({name: orjson.loads(page_.artifacts[name]) for name in shelf.turn(recorded)})
    for one in recorded:
        told.verified.add(one, flaw_of(one, shelf))
        told.outcomes[one.outcome] += 1
        told.moved += bool(one.assigned)
        told.named |= one.names
    told.bytes += sum(map(len, page_.rows)) + sum(map(len, page_.artifacts.values()))


def _read(row: bytes) -> Recorded:
    columns = orjson.loads(row)
    raw = {name: columns[name].encode() for name in ("features", "body", "event")}
    return recorded_of({**columns, **raw})
