"""The yard's own API, reading and steering: pages, streams, progress, decisions, audit, quotes, the policy, expiry."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any

import pytest

from producer.api.native import events, results
from producer.api.native.results import Wanted, lines
from producer.api.native.watch import Watch
from producer.exports import ExportFormat
from producer.intake.expire import expire_batch
from producer.result_rows import COLUMNS
from runtime.config_files import packaged
from runtime.db.session import Database
from runtime.ids import new_id
from schemas.lifecycle import JobState
from schemas.scopes import Scope
from tests.counter import Counter, counter
from tests.engine_values import a_policy
from tests.invariants import check_invariants
from tests.yard import TENANT, a_catalog, sources

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

NOBODY = "0198c0de-0000-7000-8000-000000000001"


async def get(here: Counter, path: str, **params: Any) -> Any:
    answer = await here.http.get(f"/v1/reviews{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- lists and pages


async def test_batches_are_listed_by_page_the_newest_first(database_url: str) -> None:
    async with counter(database_url) as here:
        made = [(await here.here.submit(1)).batch_id for _ in range(5)]
        await here.end_jobs(await here.here.jobs(made[0]))
        await here.here.do("update batches set finished_at = now() where id = %s", [made[0]])

        seen: list[str] = []
        page = await get(here, "", limit=2)
        seen += [one["id"] for one in page["data"]]
        while page["has_more"]:
            page = await get(here, "", limit=2, after=page["next"])
            seen += [one["id"] for one in page["data"]]

        assert seen == made[::-1]
        assert [one["id"] for one in (await get(here, "", status="ended"))["data"]] == made[:1]
        assert len((await get(here, "", status="open"))["data"]) == 4
        assert (await get(here, "", review="another"))["data"] == []


async def test_pages_of_results_hold_every_job_once_whatever_their_size(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(23)).batch_id
        for size in (1, 7, 23, 1_000):
            seen: list[str] = []
            page = await get(here, f"/{made}/results", limit=size)
            seen += [one["custom_id"] for one in page["data"]]
            while page["has_more"]:
                page = await get(here, f"/{made}/results", limit=size, after=page["next"])
                seen += [one["custom_id"] for one in page["data"]]

            assert seen == [f"contract-{n}" for n in range(1, 24)], size


async def test_results_are_filtered_by_state_and_verdict_and_custom_id(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(4)).batch_id
        first, second, *_ = await here.here.jobs(made)
        await here.end_jobs([first])
        await here.end_jobs([second], JobState.REFUSED)

        async def names(**params: Any) -> list[str]:
            page = await get(here, f"/{made}/results", format="json", **params)
            return [one["custom_id"] for one in page["data"]]

        assert await names(state="succeeded") == [first.custom_id]
        assert await names(state=["succeeded", "refused"]) == [first.custom_id, second.custom_id]
        assert await names(verdict="acceptable") == [first.custom_id]
        assert await names(verdict="unacceptable") == []
        assert await names(custom_id=second.custom_id) == [second.custom_id]


@pytest.mark.parametrize(
    ("accept", "params", "kind"),
    [
        ("*/*", {}, "application/x-ndjson"),
        ("application/json", {}, "application/json"),
        ("text/csv, */*", {}, "text/csv; charset=utf-8"),
        ("application/json", {"format": "csv"}, "text/csv; charset=utf-8"),
        ("*/*", {"limit": 2}, "application/json"),
        ("image/png, application/x-ndjson;q=0.5", {}, "application/x-ndjson"),
    ],
)
async def test_the_format_is_chosen_by_parameter_or_accept(
    accept: str, params: dict[str, Any], kind: str, database_url: str
) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(1)).batch_id

        answer = await here.http.get(f"/v1/reviews/{made}/results", params=params, headers={"Accept": accept})

        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        refused = await here.http.get(f"/v1/reviews/{made}/results", headers={"Accept": "image/png"})
        assert refused.status_code == 406


async def test_streams_are_whole_over_many_groups_and_safe_in_a_spreadsheet(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "GROUP", 3)
    async with counter(database_url) as here:
        found = sources(8)
        made = (await here.here.submit([*found[:7], found[7]])).batch_id
        await here.here.do("update jobs set name = '=1+1'")

        told = (await here.http.get(f"/v1/reviews/{made}/results", params={"format": "csv"})).text
        rows = list(csv.DictReader(io.StringIO(told, newline="")))
        assert tuple(rows[0]) == COLUMNS and len(rows) == 8
        assert {row["name"] for row in rows} == {"'=1+1"}
        lined = (await here.http.get(f"/v1/reviews/{made}/results")).text.splitlines()
        assert [json.loads(one)["custom_id"] for one in lined] == [row["custom_id"] for row in rows]


async def test_a_slow_reader_holds_no_connection(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "GROUP", 2)
    async with counter(database_url) as here:
        made = (await here.here.submit(5)).batch_id
        last = (await here.here.jobs(made))[-1].id
        only_one = Database(database_url, connections=1, connect_s=2)
        await only_one.open()
        try:
            reading = lines(only_one, Wanted(TENANT, made, last), ExportFormat.JSONL)
            first = await anext(reading)

            assert await only_one.rows("select 1 as one") == [{"one": 1}]  # while it reads no further
            rest = [part async for part in reading]
            assert len(b"".join((first, *rest)).splitlines()) == 5
        finally:
            await only_one.close()


# -- one job


async def test_a_job_is_found_by_id_and_custom_id_with_calls_decisions_and_audit(database_url: str) -> None:
    async with counter(database_url) as here:
        await here.here.provider_up()
        made = (await here.here.submit(2)).batch_id
        await here.here.stage(a_catalog(), a_policy()).route()
        first, _ = await here.here.jobs(made)

        by_id = await get(here, f"/{made}/jobs/{first.id}")
        assert by_id == await get(here, f"/{made}/jobs/{first.custom_id}")
        assert (by_id["state"], by_id["calls"], by_id["output"]) == ("routed", [], None)
        decided = await get(here, f"/{made}/jobs/{first.id}/decisions")
        (one,) = decided["data"]
        assert one["flaw"] is None and one["outcome"] == "routed"
        assert one["explanation"][0].startswith("Routed.")
        assert one["decision"]["candidates"][0]["provider"] == "alpha"
        trail = await get(here, f"/{made}/jobs/{first.id}/audit")
        assert trail["intact"] and [move["version"] for move in trail["data"]] == [1, 2]

        await here.here.do(
            "update decisions set body = replace(convert_from(body, 'utf8'), 'alpha', 'omega')::bytea"
        )
        (changed,) = (await get(here, f"/{made}/jobs/{first.id}/decisions"))["data"]
        assert "do not match its digest" in changed["flaw"]


async def test_a_done_job_shows_its_calls(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(1)).batch_id
        await here.end_jobs(await here.here.jobs(made))

        found = await get(here, f"/{made}/jobs/contract-1")
        assert found["output"]["verdict"] == "acceptable" and found["finished_at"]
        assert [(call["provider"], call["used"]) for call in found["calls"]] == [("alpha", True)]
        spent = await get(here, f"/{made}/cost")
        assert (spent["spent_usd_micros"], spent["cost_usd_micros"], spent["providers"][0]["calls"]) == (
            7,
            None,
            1,
        )


async def test_a_job_of_another_batch_or_tenant_is_not_there(database_url: str) -> None:
    async with counter(database_url) as here:
        mine, other = [(await here.here.submit(1)).batch_id for _ in "ab"]
        (job,) = await here.here.jobs(other)
        paths = [f"/{mine}/jobs/{job.id}{more}" for more in ("", "/decisions", "/audit")]
        for path in (*paths, f"/{NOBODY}/jobs/contract-1", f"/{mine}/jobs/nothing"):
            assert (await here.http.get(f"/v1/reviews{path}")).status_code == 404

        await here.here.do("update batches set tenant_id = 'other'")
        for more in ("", "/cost", "/progress", "/events", "/results", "/jobs/contract-1"):
            assert (await here.http.get(f"/v1/reviews/{mine}{more}")).status_code == 404
        for more in ("cancel", "expire", "retry"):
            assert (await here.http.post(f"/v1/reviews/{mine}/{more}")).status_code == 404
        assert (await get(here, ""))["data"] == []


async def test_an_operator_sees_batches_and_no_result(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(1)).batch_id
        headers = await here.key(Scope.OPERATOR)
        for path, status in (
            *(("", 200), ("/progress", 200), ("/cost", 200), ("/jobs/contract-1/decisions", 200)),
            *(("/results", 403), ("/jobs/contract-1", 403)),
        ):
            answer = await here.http.get(f"/v1/reviews/{made}{path}", headers=headers)
            assert answer.status_code == status, path
        assert (await here.http.post(f"/v1/reviews/{made}/expire", headers=headers)).status_code == 403


# -- progress


def parsed(stream: bytes) -> list[dict[str, str]]:
    told = stream.decode().replace("\r\n", "\n").split("\n\n")
    parts = [
        dict(line.split(": ", 1) for line in one.splitlines() if not line.startswith(":")) for one in told
    ]
    return [part for part in parts if "event" in part]


async def test_progress_is_told_as_it_goes_on_and_ends_when_all_is_done(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(2)).batch_id
        first, second = await here.here.jobs(made)
        watch = Watch(here.here.database, TENANT, every_s=0.02)
        told = events.told(watch, made)
        heard = [await anext(told), await anext(told)]
        await here.end_jobs([first])
        heard.append(await anext(told))
        await here.end_jobs([second], JobState.REFUSED)
        heard += [part async for part in told]

        found = parsed(b"".join(heard))
        moves = [int(one["id"]) for one in found[:-1]]
        assert moves == sorted(set(moves)), "each is newer than the one before"
        last = json.loads(found[-1]["data"])
        assert (found[-1]["event"], found[-1]["id"]) == ("done", "done")
        assert (last["status"], last["finished"], last["states"]) == (
            "done",
            2,
            {"succeeded": 1, "refused": 1},
        )
        assert watch.watchers == 0 and watch._looking is None


async def test_a_watcher_that_comes_back_hears_nothing_twice(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(1)).batch_id
        watch = Watch(here.here.database, TENANT, every_s=0.02)
        (event,) = parsed(
            b"".join([part async for part in events.told(watch, made, longest_s=0.3, heartbeat_s=0.05)])
        )

        since = int(event["id"])
        silent = [
            part async for part in events.told(watch, made, since=since, longest_s=0.3, heartbeat_s=0.05)
        ]
        assert parsed(b"".join(silent)) == [] and b": ping\n\n" in silent

        await here.end_jobs(await here.here.jobs(made))
        path = f"/v1/reviews/{made}/events"
        newer = await here.http.get(path, headers={"Last-Event-ID": event["id"]})
        assert [one["event"] for one in parsed(newer.content)] == ["progress", "done"]
        assert newer.headers["content-type"].startswith("text/event-stream")
        assert (await here.http.get(path, headers={"Last-Event-ID": "done"})).status_code == 204


async def test_many_watchers_share_one_look_and_hold_no_connection(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(1)).batch_id
        only_one = Database(database_url, connections=1, connect_s=2)
        await only_one.open()
        try:
            watch = Watch(only_one, TENANT, every_s=0.05)

            async def listen() -> bytes:
                return b"".join([part async for part in events.told(watch, made)])

            listening = [asyncio.create_task(listen()) for _ in range(50)]
            await asyncio.sleep(0.2)
            assert watch.watchers == 50
            assert await only_one.rows("select 1 as one") == [{"one": 1}]
            await here.end_jobs(await here.here.jobs(made))
            for told in await asyncio.gather(*listening):
                assert parsed(told)[-1]["event"] == "done"
        finally:
            await only_one.close()


# -- steering


async def test_what_is_open_expires_now_and_what_is_done_stays(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(4)).batch_id
        first, second, third, _ = await here.here.jobs(made)
        await here.end_jobs([first])
        serving = second.moved(JobState.ROUTED, provider="alpha", model="one", plans=1)
        (bound,) = await here.here.move([(second, serving)])
        await here.here.move([(bound, bound.moved(JobState.SERVING, slot_id=new_id(), lease_token=1))])
        await here.end_jobs([third], JobState.HELD)

        done = (await here.http.post(f"/v1/reviews/{made}/expire")).json()
        again = (await here.http.post(f"/v1/reviews/{made}/expire")).json()

        assert done == {"id": made, "expired": 3, "kept": 0, "in_flight": 1}
        assert (again["expired"], again["kept"]) == (0, 0)
        found = await get(here, f"/{made}")
        assert (found["status"], found["states"]) == ("done", {"succeeded": 1, "expired": 3})
    check_invariants(database_url)


async def test_retry_takes_up_what_its_filters_say(database_url: str) -> None:
    async with counter(database_url) as here:
        made = (await here.here.submit(3)).batch_id
        first, second, third = await here.here.jobs(made)
        await here.end_jobs([first])
        await here.end_jobs([second], JobState.REFUSED)
        await here.end_jobs([third], JobState.CANCELLED)
        path = f"/v1/reviews/{made}/retry"

        assert (await here.http.post(path)).json()["accepted"] == 1
        both = await here.http.post(path, params={"state": ["refused", "cancelled"]})
        assert (both.status_code, both.json()["accepted"]) == (202, 2)
        for params in ({"reason": "timeout"}, {"state": "succeeded"}, {"state": "nothing"}):
            answer = await here.http.post(path, params=params)
            assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_expire_of_nothing_is_nothing(database_url: str) -> None:
    async with counter(database_url) as here:
        done = await expire_batch(here.here.database, TENANT, NOBODY, actor="test")
        assert (done.expired, done.kept, done.in_flight) == (0, 0, 0)


# -- quotes and policies

DOCUMENTS = b"\n".join(
    json.dumps({"custom_id": f"c{n}", "text": f"Contract {n}."}).encode() for n in range(3)
)


async def test_a_quote_tells_cost_and_time_and_writes_nothing(database_url: str) -> None:
    async with counter(database_url) as here:
        for provider in ("sim-swift", "sim-sage", "local-smollm2"):  # those of the demo's catalog
            await here.here.provider_up(provider)
        answer = await here.http.post(
            "/v1/reviews/quote",
            params={"review": "clauses", "deadline": "2h"},
            content=DOCUMENTS + b"\nrubbish",
        )

        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert (told["documents"], told["served"], told["rejected"]) == (3, 3, 1)
        assert (
            0 <= told["cost_usd_micros"] <= told["worst_cost_usd_micros"]
            and told["worst_cost_usd_micros"] > 0
        )
        assert sum(one["documents"] for one in told["providers"]) == 3 and told["finish_ms"] > 0
        assert await here.here.count("batches") == await here.here.count("documents") == 0
        for params, body in (
            ({"review": "clauses"}, b""),
            ({"review": "clauses"}, b"rubbish"),
            ({"review": "clauses", "surprise": "1"}, DOCUMENTS),
            ({"review": "clauses", "sensitivity": "hush"}, DOCUMENTS),
            ({}, DOCUMENTS),
        ):
            wrong = await here.http.post("/v1/reviews/quote", params=params, content=body)
            assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")


async def test_the_policy_is_shown_and_a_new_one_is_tried(database_url: str) -> None:
    async with counter(database_url) as here:
        author, submitter = await here.key(Scope.POLICY_AUTHOR), await here.key(Scope.SUBMITTER)
        shown = (await here.http.get("/v1/policy", headers=submitter)).json()
        assert shown["in_force"] and shown["body"]["policy"] == shown["policy"]
        text = packaged("policies", "default.yaml").read_bytes()

        async def lint(body: bytes, headers: dict[str, str] = author) -> Any:
            return await here.http.post("/v1/policy/lint", content=body, headers=headers)

        assert (await lint(text)).json()["digest"] == shown["digest"]
        assert (await lint(text, submitter)).status_code == 403
        odd = (
            await lint(b"policy: mine\nversion: 1\nweights: {cost: 0, latency: 0, quality: 0, load: 0}\n")
        ).json()
        assert odd.get("remarks") or odd.get("code") == "invalid_policy"
        for wrong in (
            b"",
            b"[1]",
            b"policy: [",
            b"a: 1\na: 2",
            b"\xff",
            b"policy: mine\nversion: x\n",
            b"[" * 10_000,
        ):
            answer = await lint(wrong)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_policy"), wrong[:20]
        assert (await lint(b"#" * 300_000)).status_code == 413
