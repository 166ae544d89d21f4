"""The record of what happened: decisions, attempts, results. Written in the transaction of the move they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from runtime.db.session import Connection, Row, fetch
from schemas.attempt import Attempt
from schemas.audit import AuditEvent
from schemas.job import Job
from schemas.result import Result
from schemas.snapshot import Assigned


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """A decision with everything that it was made from, by value or by digest."""

    job: Job
    """After the move that it caused."""
    outcome: str
    policy_digest: str
    catalog_digest: str
    snapshot_digest: str
    """Of the stored snapshot, before `assigned` is added."""
    assigned: dict[str, Assigned]
    features: bytes
    body: bytes
    digest: str


async def keep_decisions(connection: Connection, records: Sequence[DecisionRecord]) -> None:
    if not records:
        return
    await fetch(
        connection,
        """
        insert into decisions (job_id, number, tenant_id, outcome, policy_digest, catalog_digest,
                               snapshot_digest, assigned, features, digest, body)
        select * from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
                             %s::jsonb[], %s::bytea[], %s::text[], %s::bytea[])
        """,
        (
            [r.job.id for r in records],
            [r.job.version for r in records],
            [r.job.tenant_id for r in records],
            [r.outcome for r in records],
            [r.policy_digest for r in records],
            [r.catalog_digest for r in records],
            [r.snapshot_digest for r in records],
            [orjson.dumps(r.assigned).decode() for r in records],
            [r.features for r in records],
            [r.digest for r in records],
            [r.body for r in records],
        ),
    )


async def keep_attempts(
    connection: Connection, attempts: Sequence[tuple[Job, Attempt]], moved: frozenset[str]
) -> None:
    """The ledger gets every attempt, and each budget over it what it cost; those of jobs that did not move are marked
    as fenced, and are money spent all the same."""
    if not attempts:
        return
    jobs, made = [job for job, _ in attempts], [attempt for _, attempt in attempts]
    await fetch(
        connection,
        """
        with kept as (
        insert into attempts (job_id, lease_token, number, tenant_id, batch_id, provider, model, model_version,
            model_reported, simulated, fenced, started_at, latency_ms, outcome, detail, http_status,
            request_digest, input_tokens, output_tokens, cost_usd_micros)
        select * from unnest(%s::uuid[], %s::bigint[], %s::int[], %s::text[], %s::uuid[], %s::text[], %s::text[],
            %s::text[], %s::text[], %s::bool[], %s::bool[], %s::timestamptz[], %s::int[], %s::text[], %s::text[],
            %s::int[], %s::text[], %s::int[], %s::int[], %s::bigint[])
        on conflict do nothing returning tenant_id, batch_id, cost_usd_micros
        ), sums as (
            select k.tenant_id, s.scope, s.subject, sum(k.cost_usd_micros)::bigint as cost from kept k
            cross join lateral (values ('batch', k.batch_id::text), ('tenant', ''),
                ('day', (now() at time zone 'utc')::date::text)) s(scope, subject)
            group by 1, 2, 3
        ), locked as materialized (
            select b.tenant_id, b.scope, b.subject, s.cost from budgets b
            join sums s using (tenant_id, scope, subject) order by b.scope, b.subject for update of b
        )
        update budgets b set spent_usd_micros = b.spent_usd_micros + l.cost, updated_at = clock_timestamp()
        from locked l where (b.tenant_id, b.scope, b.subject) = (l.tenant_id, l.scope, l.subject)
        """,
        (
            [a.job_id for a in made],
            [a.lease_token for a in made],
            [a.number for a in made],
            [job.tenant_id for job in jobs],
            [job.batch_id for job in jobs],
            [a.provider for a in made],
            [a.model for a in made],
            [a.model_version for a in made],
            [a.model_reported for a in made],
            [a.simulated for a in made],
            [a.job_id not in moved for a in made],
            [a.started_at for a in made],
            [a.latency_ms for a in made],
            [a.outcome for a in made],
            [a.detail for a in made],
            [a.http_status for a in made],
            [a.request_digest for a in made],
            [a.input_tokens for a in made],
            [a.output_tokens for a in made],
            [a.cost_usd_micros for a in made],
        ),
    )


async def keep_results(connection: Connection, results: Sequence[tuple[Job, Result]]) -> None:
    """At most one a job: a second one breaks the primary key, and with it the whole transaction."""
    if not results:
        return
    jobs, found = [job for job, _ in results], [result for _, result in results]
    await fetch(
        connection,
        """
        insert into results (job_id, tenant_id, batch_id, lease_token, attempt, provider, model, model_version,
            model_reported, simulated, output, checks, standing, mean_logprob)
        select * from unnest(%s::uuid[], %s::text[], %s::uuid[], %s::bigint[], %s::int[], %s::text[], %s::text[],
            %s::text[], %s::text[], %s::bool[], %s::jsonb[], %s::jsonb[], %s::text[], %s::float8[])
        """,
        (
            [r.job_id for r in found],
            [r.tenant_id for r in found],
            [job.batch_id for job in jobs],
            [r.lease_token for r in found],
            [r.attempt for r in found],
            [r.provider for r in found],
            [r.model for r in found],
            [r.model_version for r in found],
            [r.model_reported for r in found],
            [r.simulated for r in found],
            [orjson.dumps(r.output).decode() for r in found],
            [orjson.dumps(r.report).decode() for r in found],
            [r.report.standing.value for r in found],
            [r.mean_logprob for r in found],
        ),
    )


async def events(connection: Connection, tenant_id: str, job_ids: Sequence[str]) -> list[AuditEvent]:
    """The audit events of the jobs, by job and version."""
    rows: list[Row] = await fetch(
        connection,
        "select tenant_id, job_id::text, version, body, prev_hash, hash from audit_events"
        " where tenant_id = %s and job_id = any(%s::uuid[]) order by job_id, version",
        (tenant_id, list(job_ids)),
    )
    return [
        AuditEvent(
            row["tenant_id"],
            row["job_id"],
            row["version"],
            bytes(row["body"]),
            bytes(row["prev_hash"]),
            bytes(row["hash"]),
        )
        for row in rows
    ]
