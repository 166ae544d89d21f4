"""Usable answers of jobs that went on, kept until the job ends; and the result that is made of one where it ends
without a better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from runtime.db.session import Connection, Row, fetch
from schemas.rung import RungAnswer, report_of


async def keep(connection: Connection, answers: Sequence[RungAnswer]) -> None:
    if not answers:
        return
    await fetch(
        connection,
        """
        insert into rung_answers (job_id, attempt, lease_token, tenant_id, provider, model, model_version,
            model_reported, simulated, sample, keep_from, score, output, checks, standing, mean_logprob)
        select * from unnest(%s::uuid[], %s::int[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::text[], %s::bool[], %s::smallint[], %s::int[], %s::int[], %s::jsonb[], %s::jsonb[], %s::text[],
            %s::float8[])
        on conflict do nothing
        """,
        (
            [a.job_id for a in answers],
            [a.attempt for a in answers],
            [a.lease_token for a in answers],
            [a.tenant_id for a in answers],
            [a.provider for a in answers],
            [a.model for a in answers],
            [a.model_version for a in answers],
            [a.model_reported for a in answers],
            [a.simulated for a in answers],
            [a.sample for a in answers],
            [a.keep_from for a in answers],
            [a.score for a in answers],
            [None if a.output is None else orjson.dumps(a.output).decode() for a in answers],
            [orjson.dumps(a.report).decode() for a in answers],
            [a.report.standing.value for a in answers],
            [a.mean_logprob for a in answers],
        ),
    )


async def load(
    connection: Connection, tenant_id: str, job_ids: Iterable[str]
) -> dict[str, tuple[RungAnswer, ...]]:
    """By job, in the order of their calls; one query for all of them, and none for nobody."""
    asked = list(job_ids)
    if not asked:
        return {}
    rows = await fetch(
        connection,
        "select *, job_id::text as job_id from rung_answers where tenant_id = %s and job_id = any(%s::uuid[])"
        " order by attempt",
        (tenant_id, asked),
    )
    found: dict[str, tuple[RungAnswer, ...]] = {}
    for row in rows:
        answer = answer_of(row)
        found[answer.job_id] = (*found.get(answer.job_id, ()), answer)
    return found


def answer_of(row: Row) -> RungAnswer:
    names = RungAnswer.__dataclass_fields__.keys() - {"report"}
    return RungAnswer(**{name: row[name] for name in names}, report=report_of(row["checks"]))


async def walked(connection: Connection, tenant_id: str) -> dict[str, Row]:
    """By `provider/model`: `jobs` that were answered there on a ladder, how many of them it `kept` (its answer is the
    result), and the `cost` of those answers. Of jobs that are done."""
    rows = await fetch(
        connection,
        """
        select w.provider || '/' || w.model as name, count(distinct w.job_id) as jobs,
               count(distinct w.job_id) filter (where w.output is null) as kept,
               coalesce(sum(a.cost_usd_micros), 0)::bigint as cost
        from rung_answers w
        join results r on r.job_id = w.job_id
        left join attempts a on a.job_id = w.job_id and a.number = w.attempt and not a.fenced
        where w.tenant_id = %s group by 1
        """,
        (tenant_id,),
    )
    return {row["name"]: row for row in rows}
