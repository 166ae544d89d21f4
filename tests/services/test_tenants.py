"""Who may do what, for every route that the application has: with no key, a dead one, another tenant's, and each scope.

Routes are found in the application itself and compared with the tables of `docs/`: a new route without its line there,
or whose objects are not tried across tenants, fails here.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from producer.api.keys import new_key
from producer.api.native import events
from runtime.db.stores import api_keys
from schemas.scopes import Scope
from tests.counter import Counter, counter, request
from tests.routes import Route, routes_of
from tests.statements import ROOT
from tests.yard import TENANT

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

OTHER = "somebody-else"
VERSION = {"anthropic-version": "2023-06-01"}


async def ask(here: Counter, route: Route, headers: dict[str, str], *ids: str) -> httpx.Response:
    """Without a body."""
    there = route.at(*(ids or ("nothing",) * len(route.names)))
    return await here.http.request(route.method, there, headers={"Authorization": "", **headers})


# -- who comes in at all


async def test_no_route_opens_to_no_key_or_one_that_is_not_valid_here(database_url: str) -> None:
    async with counter(database_url) as here:
        good = await here.key(*Scope)
        revoked = await here.key(*Scope)
        async with here.here.database.transaction() as connection:
            await api_keys.revoke(connection, TENANT, revoked["Authorization"].split("_")[1])
        bare = good["Authorization"].removeprefix("Bearer ")
        closed = {
            "none": {},
            "empty": {"Authorization": "Bearer"},
            "malformed": {"Authorization": "Bearer sk-something"},
            "cut": {"Authorization": f"Bearer {bare[:-1]}"},
            "longer": {"Authorization": f"Bearer {bare}0"},
            "another secret": {"Authorization": f"Bearer {bare[:-4]}0000"},
            "another id": {"Authorization": f"Bearer {new_key().text}"},
            "basic": {"Authorization": f"Basic {bare}"},
            "in the address": {"X-Other": bare},
            "revoked": revoked,
            "expired": await here.key(*Scope, expires_s=-1),
            "another tenant's": await here.key(*Scope, tenant=OTHER),
        }
        for route in routes_of(here.app):
            said = set()
            for what, headers in closed.items():
                answer = await ask(here, route, headers)
                assert answer.status_code == 401, (route, what)
                said.add((masked(answer, [])[2], answer.headers["www-authenticate"]))
            assert len(said) == 1, f"{route}: the answer tells what is wrong with a key"
            assert (await ask(here, route, good)).status_code not in (401, 403), route


async def test_each_scope_opens_what_its_routes_say_and_nothing_else(database_url: str) -> None:
    async with counter(database_url) as here:
        keys = {scope: await here.key(scope) for scope in Scope}
        for route in routes_of(here.app):
            for scope, headers in keys.items():
                answer = await ask(here, route, headers)
                assert (answer.status_code == 403) == (scope not in route.scopes), (route, scope, answer.text)
        none = await here.key()
        assert {(await ask(here, route, none)).status_code for route in routes_of(here.app)} == {403}


async def test_the_pages_say_of_every_route_what_it_takes(database_url: str) -> None:
    async with counter(database_url) as here:
        there = {route.plain: sorted(route.scopes) for route in routes_of(here.app)}
    told = [(route, sorted(scopes)) for route, scopes in told_routes()]

    assert sorted(there.keys() - {route for route, _ in told}) == [], "these are in no table of docs/"
    assert [(route, scopes) for route, scopes in told if there.get(route) != scopes] == []


def told_routes() -> Iterator[tuple[tuple[str, str], frozenset[Scope]]]:
    """From tables in which a line has routes in its first column and scopes in another.

    A route without a method has that of the one before it; one without `/v1` stands in the place of its last part.
    """
    for page in sorted((ROOT / "docs").glob("*.md")):
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            scopes = next(filter(None, map(_scopes, cells[1:])), None)
            if scopes is None or "/v1/" not in cells[0]:
                continue
            method = path = ""
            for named in re.findall(r"`((?:[A-Z]+ )?/[^`]*)`", cells[0]):
                verb, _, found = named.rpartition(" ")
                method = verb or method
                path = found if found.startswith("/v1/") else path.rpartition("/")[0] + found
                yield (method, re.sub(r"{[^}]*}", "{}", path.partition("?")[0])), scopes


def _scopes(cell: str) -> frozenset[Scope]:
    """Empty where it says something else."""
    if cell == "every key":
        return frozenset(Scope)
    names = {name.strip() for name in cell.split(",")}
    return frozenset(map(Scope, names)) if names <= set(Scope) else frozenset()


# -- what belongs to somebody else

Make = Callable[[Counter, list[str]], Awaitable[str]]
"""The ids that stand before it in the path are given."""


async def a_file(here: Counter, before: list[str]) -> str:
    return await here.upload(b"{}")


async def a_batch(here: Counter, before: list[str]) -> str:
    return str((await here.batch(request()))["id"])


async def a_review_batch(here: Counter, before: list[str]) -> str:
    content = b'{"custom_id": "a", "text": "A contract."}'
    answer = await here.http.post("/v1/reviews", params={"review": "clauses"}, content=content)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


async def a_job(here: Counter, before: list[str]) -> str:
    rows = await here.here.database.rows("select id::text from jobs where batch_id = %s", before)
    return str(rows[0]["id"])


async def a_message_batch(here: Counter, before: list[str]) -> str:
    params = {
        "model": "auto",
        "max_tokens": 99,
        "system": "Look.",
        "messages": [{"role": "user", "content": "A."}],
    }
    body = {"requests": [{"custom_id": "a", "params": params}]}
    answer = await here.http.post("/v1/messages/batches", json=body, headers=VERSION)
    assert answer.status_code == 200, answer.text
    batch_id = str(answer.json()["id"])
    assert (await here.http.post(f"/v1/messages/batches/{batch_id}/cancel", headers=VERSION)).is_success
    await here.work()  # it has ended, so that it has results
    return batch_id


async def an_endpoint(here: Counter, before: list[str]) -> str:
    answer = await here.http.post("/v1/webhooks", json={"url": "https://receiver.example/hooks"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def a_delivery(here: Counter, before: list[str]) -> str:
    answer = await here.http.post(f"/v1/webhooks/{await an_endpoint(here, [])}/test")
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


OBJECTS: dict[tuple[str, str], Make] = {
    ("/v1/files", "file_id"): a_file,
    ("/v1/batches", "batch_id"): a_batch,
    ("/v1/reviews", "batch_id"): a_review_batch,
    ("/v1/reviews", "job"): a_job,
    ("/v1/messages/batches", "batch_id"): a_message_batch,
    ("/v1/webhooks", "endpoint_id"): an_endpoint,
    ("/v1/webhooks", "delivery_id"): a_delivery,
}
"""By the beginning of the path and the name in it, how one is made."""

FOR_ALL = frozenset({"model_id"})
"""Names of what the yard has for everybody."""


def absent(real: str) -> str:
    """An id of the same form, of nothing."""
    return re.sub(r"[0-9a-f]", lambda found: "7" if found[0] != "7" else "3", real[::-1], count=3)[::-1]


@asynccontextmanager
async def two(database_url: str) -> AsyncIterator[tuple[Counter, Counter]]:
    """Two tenants of one database, each with an API process of its own."""
    async with counter(database_url) as mine, counter(database_url, tenant=OTHER) as theirs:
        theirs.http.headers.update(await theirs.key(*Scope, tenant=OTHER))
        mine.http.headers.update(await mine.key(*Scope))
        for here in (mine, theirs):
            here.http.headers.update(VERSION)
        yield mine, theirs


async def test_what_is_another_tenants_is_as_what_is_not_there(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same status, headers and bytes, for each route and each object that a path can name."""
    monkeypatch.setattr(events, "LONGEST_S", 0.1)  # a stream of progress is to come to its end
    async with two(database_url) as (mine, theirs):
        for route in routes_of(mine.app):
            if not FOR_ALL.issuperset(route.names):
                await compare(mine, theirs, route)


async def compare(mine: Counter, theirs: Counter, route: Route) -> None:
    real = await made(mine, route)
    nothing = [absent(one) for one in real]
    assert nothing != real
    seen, unseen = await tried(theirs, route, real), await tried(theirs, route, nothing)

    assert seen.status_code == 404, (route, seen.text)
    assert masked(seen, real) == masked(unseen, nothing), route
    if route.method == "GET":
        assert (await tried(mine, route, real)).status_code == 200, route


async def made(here: Counter, route: Route) -> list[str]:
    ids: list[str] = []
    for name in route.names:
        ids.append(await maker(route, name)(here, ids))
    return ids


def maker(route: Route, name: str) -> Make:
    for (beginning, known), make in OBJECTS.items():
        if route.path.startswith(beginning) and name == known:
            return make
    pytest.fail(f"Say in OBJECTS how an object is made that {route.path!r} calls {name!r}.")


async def tried(here: Counter, route: Route, ids: list[str]) -> httpx.Response:
    body: dict[str, Any] = {"json": {}} if route.method in ("PATCH", "PUT") else {}
    return await here.http.request(route.method, route.at(*ids), **body)


def masked(answer: httpx.Response, ids: list[str]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Without what differs from one request to the next."""
    content = answer.content
    for one in (*ids, answer.headers["request-id"]):
        content = content.replace(one.encode(), b"ID")
    counted = (
        *("date", "request-id", "x-request-id"),
        *("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    )
    headers = [pair for pair in answer.headers.items() if pair[0] not in counted]
    return answer.status_code, headers, content


async def test_lists_hold_what_is_the_tenants_own(database_url: str) -> None:
    makers = {beginning: make for (beginning, _), make in reversed(OBJECTS.items())}
    async with two(database_url) as (mine, theirs):
        for route in routes_of(mine.app):
            if route.method == "GET" and (make := makers.get(route.path)):
                await make(mine, [])
                assert (await mine.http.get(route.path)).json()["data"], route
                assert (await theirs.http.get(route.path)).json()["data"] == [], route


async def test_a_file_of_another_tenant_cannot_be_asked_for_by_a_batch(database_url: str) -> None:
    async with two(database_url) as (mine, theirs):
        file_id = await mine.upload(b"{}")
        asked = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        seen, unseen = [
            await theirs.http.post("/v1/batches", json={**asked, "input_file_id": one})
            for one in (file_id, absent(file_id))
        ]

        assert seen.status_code == 400
        assert masked(seen, [file_id]) == masked(unseen, [absent(file_id)])


async def test_one_key_of_idempotency_is_two_submissions_of_two_tenants(database_url: str) -> None:
    async with two(database_url) as (mine, theirs):
        ids = []
        for here, text in ((mine, "Mine."), (theirs, "Theirs.")):
            answer = await here.http.post(
                "/v1/reviews",
                params={"review": "clauses"},
                content=f'{{"custom_id": "a", "text": "{text}"}}'.encode(),
                headers={"Idempotency-Key": "monday"},
            )
            assert answer.status_code == 202, answer.text
            ids.append(answer.json()["id"])

        assert len(set(ids)) == 2
