"""Replay over a real database: what the stage recorded is decided again to the byte, and what was changed is found."""

from __future__ import annotations

import asyncio
import io
import itertools
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from classyard.commands.replay import compared_parts, replay, tell, verified_parts
from classyard.context import Context
from classyard.embedded.home import Home
from router_worker.replay import Verified, verify
from router_worker.stage import Stage
from router_worker.whatif import Comparison, compare
from runtime.db.stores import recorded
from schemas.catalog import Catalog
from schemas.decision import Outcome
from schemas.errors import BadConfiguration, BadInput
from schemas.lifecycle import JobState
from schemas.policy import BindLate, RoutingPolicy, Weights
from schemas.sensitivity import Quality, Sensitivity
from tests.engine_values import a_model, a_policy, a_price, a_provider
from tests.invariants import check_invariants
from tests.yard import TENANT, Yard, a_catalog, some_settings, sources, yard

pytestmark = pytest.mark.services

CHEAP = a_provider("cheap", a_model("small", quality=0.5, price=a_price(100_000, 400_000)))
DEAR = a_provider("dear", a_model("large", quality=0.9), boundary=Sensitivity.CONFIDENTIAL)
OWN = a_provider("own", a_model("tiny", quality=0.3), kind="self_hosted", boundary=Sensitivity.RESTRICTED)
CATALOG = a_catalog(CHEAP, DEAR, OWN)

KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"sensitivity": Sensitivity.CONFIDENTIAL, "deadline_s": 3_600},
    {"sensitivity": Sensitivity.RESTRICTED, "lane": "urgent"},
    {"quality": Quality.HIGH, "max_cost_usd_micros": 10**6},
    {"residency": ("eu",)},
    {"max_cost_usd_micros": 100},
    {"deadline_s": 2, "lane": "bulk"},
    {"quality": Quality.HIGH, "residency": ("us",)},
)


async def published(
    here: Yard, catalog: Catalog, policy: RoutingPolicy | None = None, **settings: int
) -> Stage:
    stage = here.stage(catalog, policy, **settings)
    stage.ticks = itertools.count(step=0.2).__next__  # a picture is used for two chunks or three
    await stage.publish()
    return stage


async def in_one_batch(here: Yard) -> str:
    """All jobs, whatever they were handed in with, as one batch; the guard that forbids it is passed by."""
    (first, *_) = await here.jobs()
    async with here.database.transaction() as connection:
        await connection.execute("set local session_replication_role = replica")
        await connection.execute("update jobs set batch_id = %s", (first.batch_id,))
    return first.batch_id


async def routed(here: Yard, count: int = 3, policy: RoutingPolicy | None = None) -> str:
    stage = await published(here, CATALOG, policy)
    for name in ("cheap", "dear", "own"):
        await here.provider_up(name)
    accepted = await here.submit(count)
    await stage.route()
    return accepted.batch_id


def shown(found: Verified) -> str:
    screen = Console(file=io.StringIO(), width=200)
    for part in verified_parts(found, seconds=1.0):
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


@pytest.mark.asyncio
async def test_every_decision_over_changing_load_is_decided_again_to_the_byte(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mixed kinds in many chunks. At first nobody is up; later work is done, a provider stops and comes back, and
    jobs are taken back."""
    monkeypatch.setattr(recorded, "PAGE", 37)
    async with yard(database_url) as here:
        stage = await published(here, CATALOG, a_policy(bind_late=BindLate(max_jobs=30)), chunk=23)
        for index, kind in enumerate(KINDS):
            await here.submit(sources(25, first=1 + 25 * index), **kind)
        batch = await in_one_batch(here)
        await stage.route()
        for name, job_ms in (("cheap", 400), ("dear", 2_500), ("own", None)):
            await here.provider_up(name, ceiling=4, job_ms_p50=job_ms)

        for number in range(40):
            await stage.route()
            await some_are_done(here, number)
            paused = number % 5 == 3
            await here.do("update providers set paused = %s where name = 'cheap'", (paused,))

        found = await verify(here.database, TENANT, batch)

        rows = await here.database.rows("select outcome, assigned, snapshot_digest from decisions")
        assert {row["outcome"] for row in rows} == {"routed", "refused", "held"}
        assert len(rows) > 200, "some were decided more than once"
        assert sum(bool(row["assigned"]) for row in rows) > 50
        assert len({row["snapshot_digest"] for row in rows}) > 5
        assert (found.decisions, found.identical, found.flaws) == (len(rows), len(rows), [])
        assert found.is_sound
        assert shown(found) == f"{len(rows)} decisions, {len(rows)} identical, in 1s.\n"


async def some_are_done(here: Yard, number: int) -> None:
    """A third of what is bound makes room; the first of them comes back and is decided anew."""
    bound = [job for job in await here.jobs() if job.state is JobState.ROUTED]
    done = bound[number % 3 :: 3]
    moves = [(job, job.moved(JobState.CANCELLED)) for job in done[1:]]
    back = [(job, job.moved(JobState.ACCEPTED, provider=None, model=None, plan=())) for job in done[:1]]
    if moves or back:
        await here.move([*moves, *back])


@pytest.mark.asyncio
async def test_two_chunks_at_once_in_one_router_do_not_mix_what_they_assigned(database_url: str) -> None:
    """A router's pool can be grown; its chunks still take turns."""
    async with yard(database_url, connections=6) as here:
        stage = await published(here, CATALOG, chunk=5)
        for name in ("cheap", "dear", "own"):
            await here.provider_up(name, ceiling=50)
        batch = (await here.submit(60)).batch_id

        await asyncio.gather(*(stage.route() for _ in range(12)))

        assert await here.states() == {"routed": 60}
        found = await verify(here.database, TENANT, batch)
        assert (found.decisions, found.identical) == (60, 60), found.flaws[:3]
    check_invariants(database_url)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("body = body || ' '", "do not match its digest"),
        (
            "body = body || ' ', digest = 'sha256:' || encode(sha256(body || ' '), 'hex')",
            "its audit event names",
        ),
        ("outcome = 'held'", "its row says 'held', and its bytes 'routed'"),
        ('assigned = \'{"dear": {"jobs": 1, "tokens": 1}}\'', "decided again, "),
        ("assigned = '{\"dear\": 1}'", "what was assigned cannot be read"),
        ("features = replace(features::text, '', '')::bytea || 'x'", "its features cannot be read"),
        ("catalog_digest = 'sha256:0'", "the catalog sha256:0 that it names is not stored"),
        ("policy_digest = snapshot_digest", "cannot be read"),
    ],
)
async def test_a_changed_row_is_reported_with_what_is_wrong_with_it(
    database_url: str, change: str, told: str
) -> None:
    async with yard(database_url) as here:
        batch = await routed(here)
        second = (await here.jobs())[1].id
        await here.do(f"update decisions set {change} where job_id = %s", (second,))

        found = await verify(here.database, TENANT, batch)

        assert (found.decisions, found.identical, found.is_sound) == (3, 2, False)
        (flaw,) = found.flaws
        assert (flaw.job_id, flaw.number) == (second, 2)
        assert told in flaw.sentence
        assert f"job {second}, decision 2: " in shown(found)


@pytest.mark.asyncio
async def test_features_that_were_changed_show_as_the_first_difference(database_url: str) -> None:
    async with yard(database_url) as here:
        batch = await routed(here, 1)
        await here.do(
            "update decisions set features ="
            " convert_to(replace(convert_from(features, 'UTF8'), 'internal', 'restricted'), 'UTF8')"
        )

        (flaw,) = (await verify(here.database, TENANT, batch)).flaws

        assert flaw.sentence.startswith("decided again, allowed is ")
        assert "and was " in flaw.sentence


@pytest.mark.asyncio
async def test_a_stored_value_with_other_bytes_spoils_every_decision_that_names_it(database_url: str) -> None:
    async with yard(database_url) as here:
        batch = await routed(here)
        await here.do(
            "update artifacts set body = convert_to(replace(convert_from(body, 'UTF8'), '0.9', '0.8'), 'UTF8')"
            " where kind = 'catalog'"
        )

        found = await verify(here.database, TENANT, batch)

        assert (found.decisions, found.identical) == (3, 0)
        assert found.flaws[0].sentence.endswith("that it names is stored with other bytes")


@pytest.mark.asyncio
async def test_a_decision_that_is_gone_is_missed(database_url: str) -> None:
    async with yard(database_url) as here:
        batch = await routed(here)
        await here.do("delete from decisions where job_id = %s", ((await here.jobs())[0].id,))

        found = await verify(here.database, TENANT, batch)

        assert (found.decisions, found.identical, found.missing, found.is_sound) == (2, 2, 1, False)
        assert "1 decision missing" in shown(found)
        assert "there is no row of it" in shown(found)


@pytest.mark.asyncio
async def test_a_batch_of_which_nothing_was_decided_is_sound_and_says_so(database_url: str) -> None:
    async with yard(database_url) as here:
        accepted = await here.submit(1)

        found = await verify(here.database, TENANT, accepted.batch_id)

        assert found == Verified()
        assert "Nothing of this batch was decided yet." in shown(found)


# -- another policy


@pytest.mark.asyncio
async def test_the_same_policy_would_have_moved_nothing(database_url: str) -> None:
    async with yard(database_url) as here:
        policy = a_policy()
        batch = await routed(here, 5, policy)

        found = await compare(here.database, TENANT, batch, policy)

        assert (found.jobs, found.decisions, found.moved) == (5, 5, 0)
        assert found.before == found.after


@pytest.mark.asyncio
async def test_a_policy_for_cost_alone_moves_what_went_to_the_dear_model_and_says_what_it_saves(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        batch = await routed(here, 4, a_policy(weights=Weights(cost=0, latency=0, quality=1, load=0)))
        thrifty = a_policy(weights=Weights(cost=1, latency=0, quality=0, load=0))

        found = await compare(here.database, TENANT, batch, thrifty)

        assert found.moves == {("dear/large", "cheap/small"): 4}
        assert found.before.outcomes == found.after.outcomes == {Outcome.ROUTED: 4}
        assert found.before.cost_usd_micros == found.shared_before_usd_micros
        assert 9 <= found.before.cost_usd_micros / found.after.cost_usd_micros <= 10, (
            "a tenth, but for rounding"
        )
        assert (found.before.mean_quality, found.after.mean_quality) == (0.9, 0.5)
        text = compared(found, thrifty)
        assert "4 of 4 jobs would have gone elsewhere" in text
        assert "dear/large  cheap/small     4" in text
        assert "no call was made" in text


@pytest.mark.asyncio
async def test_a_stricter_policy_refuses_by_its_rule_and_a_laxer_one_refuses_no_more(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        lax, strict = a_policy(), a_policy(providers=("cheap",), quality_floors={Quality.STANDARD: 0.7})
        batch = await routed(here, 2, lax)

        found = await compare(here.database, TENANT, batch, strict)

        assert found.refused_now == {"no_candidate": 2}
        assert found.moves == {("dear/large", "refused"): 2}
        assert (found.after.cost_usd_micros, found.shared_before_usd_micros) == (0, 0)

    async with yard(database_url) as here:
        batch = await routed(here, 2, strict)

        found = await compare(here.database, TENANT, batch, lax)

        assert (found.refused_now, found.refused_no_more) == ({}, {"no_candidate": 2})
        assert "Refused no more" in compared(found, lax)


@pytest.mark.asyncio
async def test_a_job_counts_once_by_its_last_decision_and_the_earlier_ones_are_named(
    database_url: str,
) -> None:
    async with yard(database_url) as here:
        stage = await published(here, CATALOG)
        stage.ticks = itertools.count(step=10).__next__
        batch = (await here.submit(2)).batch_id
        await stage.route()
        await here.provider_up("cheap")
        await stage.route()

        found = await compare(here.database, TENANT, batch, a_policy())

        assert (found.jobs, found.decisions, found.moved) == (2, 4, 0)
        assert "2 earlier decisions are left out" in compared(found, a_policy())


@pytest.mark.asyncio
async def test_what_cannot_be_read_is_counted_apart(database_url: str) -> None:
    async with yard(database_url) as here:
        batch = await routed(here)
        await here.do("update decisions set features = 'x' where job_id = %s", ((await here.jobs())[0].id,))

        found = await compare(here.database, TENANT, batch, a_policy())

        assert (found.jobs, found.unreadable.total()) == (2, 1)
        assert "1 job could not be decided again: its features cannot be read" in compared(found, a_policy())


def compared(found: Comparison, policy: RoutingPolicy) -> str:
    screen = Console(file=io.StringIO(), width=200)
    for part in compared_parts(found, policy):
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


# -- the command


def command_screen() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.mark.asyncio
async def test_the_exit_code_says_whether_every_decision_is_identical(
    database_url: str, tmp_path: Path
) -> None:
    context = Context(some_settings(database_url, "redis://unused"), Home(tmp_path), {})
    async with yard(database_url) as here:
        await routed(here)
        assert await tell(context, "latest", verified=True, other=None, to=command_screen()) == 0
        assert await tell(context, "latest", verified=True, other=a_policy(), to=command_screen()) == 0

        await here.do("update decisions set outcome = 'held'")

        assert await tell(context, "latest", verified=True, other=None, to=command_screen()) == 1
        assert await tell(context, "latest", verified=False, other=a_policy(), to=command_screen()) == 0


def test_it_asks_what_is_wanted(tmp_path: Path) -> None:
    context = Context(some_settings(), Home(tmp_path), {})

    with pytest.raises(BadInput, match="--verify"):
        replay(context, "latest", verify=False, policy=None)
    with pytest.raises(BadConfiguration, match="nowhere"):
        replay(context, "latest", verify=False, policy="nowhere.yaml")
