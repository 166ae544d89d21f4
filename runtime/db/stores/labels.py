"""Labelled outcomes of rungs: written with the move that ended a job, read by the router for its promises."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.db.session import Connection, Row, fetch
from schemas.rung import RungLabel

NEWEST = 2_000
"""Labels that a promise looks at; older ones are of models and documents as they were."""


async def keep(connection: Connection, labels: Sequence[RungLabel]) -> None:
    """The ladder is the one that the job's last decision names."""
    if not labels:
        return
    await fetch(
        connection,
        """
        insert into ladder_labels (id, tenant_id, ladder, model, judged_by, job_id, score, agrees, unbiased)
        select gen_random_uuid(), a.tenant_id, coalesce(convert_from(d.body, 'UTF8')::jsonb ->> 'ladder', ''),
               a.model, a.judged_by, a.job_id, a.score, a.agrees, a.unbiased
        from unnest(%s::text[], %s::text[], %s::text[], %s::uuid[], %s::int[], %s::bool[], %s::bool[])
             as a(tenant_id, model, judged_by, job_id, score, agrees, unbiased)
        cross join lateral (
            select body from decisions where job_id = a.job_id order by number desc limit 1
        ) d
        """,
        (
            [label.tenant_id for label in labels],
            [label.model for label in labels],
            [label.judged_by for label in labels],
            [label.job_id for label in labels],
            [label.score for label in labels],
            [label.agrees for label in labels],
            [label.unbiased for label in labels],
        ),
    )


async def bring(
    connection: Connection, tenant_id: str, outcomes: Sequence[tuple[str, str, int, bool]]
) -> None:
    """Outcomes from outside: ladder, model, score in millionths, whether it agreed. Taken for unbiased."""
    await fetch(
        connection,
        """
        insert into ladder_labels (id, tenant_id, ladder, model, judged_by, job_id, score, agrees, unbiased)
        select gen_random_uuid(), %s, a.ladder, a.model, 'imported', null, a.score, a.agrees, true
        from unnest(%s::text[], %s::text[], %s::int[], %s::bool[]) as a(ladder, model, score, agrees)
        """,
        (
            tenant_id,
            [one[0] for one in outcomes],
            [one[1] for one in outcomes],
            [one[2] for one in outcomes],
            [one[3] for one in outcomes],
        ),
    )


async def newest(
    connection: Connection, tenant_id: str, ladder: str, model: str, *, most: int = NEWEST
) -> list[tuple[int, bool]]:
    """Score in millionths, and whether it agreed; of unbiased labels only."""
    rows = await fetch(
        connection,
        "select score, agrees from ladder_labels where tenant_id = %s and ladder = %s and model = %s and unbiased"
        " order by recorded_at desc, id limit %s",
        (tenant_id, ladder, model, most),
    )
    return [(row["score"], row["agrees"]) for row in rows]


async def counts(connection: Connection, tenant_id: str) -> dict[tuple[str, str], Row]:
    """By ladder and model: `labels`, and of those `unbiased` and `agreed`."""
    rows = await fetch(
        connection,
        "select ladder, model, count(*) as labels, count(*) filter (where unbiased) as unbiased,"
        " count(*) filter (where agrees) as agreed from ladder_labels where tenant_id = %s group by 1, 2",
        (tenant_id,),
    )
    return {(row["ladder"], row["model"]): row for row in rows}
