"""`/v1/webhooks`: who may do what, and what is shown."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.routing import APIRoute

from producer.api import webhooks
from producer.api.errors import WEBHOOKS
from producer.webhooks.deliverer import Deliverer
from producer.webhooks.sender import Sender
from runtime.db.stores import api_keys
from schemas.scopes import Scope
from schemas.webhooks import EVENTS, USUAL
from tests.counter import PEPPER, Counter, counter
from tests.sinks import sink
from tests.yard import TENANT

pytestmark = [pytest.mark.services, pytest.mark.asyncio]

ROUTES = [
    (method, route.path)
    for route in webhooks.router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods)
]
READS = {
    ("GET", WEBHOOKS),
    ("GET", f"{WEBHOOKS}/{{endpoint_id}}"),
    ("GET", f"{WEBHOOKS}/{{endpoint_id}}/deliveries"),
}
ALLOW = "127.0.0.0/8"
PROBLEM = "application/problem+json"


async def call(here: Counter, method: str, path: str, headers: dict[str, str], **more: Any) -> Any:
    there = path.format(endpoint_id="wh_1", delivery_id="1")
    return await here.http.request(method, there, headers={"Authorization": "", **headers}, **more)


async def made(here: Counter, headers: dict[str, str], url: str, **more: Any) -> dict[str, Any]:
    answer = await call(here, "POST", WEBHOOKS, headers, json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_each_route_wants_a_key_with_its_scope(database_url: str) -> None:
    async with counter(database_url) as here:
        revoked = await here.key(*Scope)
        async with here.here.database.transaction() as connection:
            await api_keys.revoke(connection, TENANT, revoked["Authorization"].split("_")[1])
        keys = {scope: await here.key(scope) for scope in Scope}
        stranger = await here.key(*Scope, tenant="somebody-else")
        for method, path in ROUTES:
            for headers in ({}, revoked, stranger):
                answer = await call(here, method, path, headers)
                assert (answer.status_code, answer.headers["content-type"]) == (401, PROBLEM), (method, path)
            may = {Scope.OPERATOR, Scope.KEY_ADMIN, *([Scope.AUDITOR] if (method, path) in READS else [])}
            for scope, headers in keys.items():
                answer = await call(here, method, path, headers)
                assert (answer.status_code != 403) == (scope in may), (method, path, scope)
    assert len(ROUTES) == 10


async def test_an_endpoint_from_its_making_to_its_end(database_url: str) -> None:
    async with counter(database_url, webhook_allow=ALLOW) as here, sink() as there:
        key, reader = await here.key(Scope.OPERATOR), await here.key(Scope.AUDITOR)
        one = await made(here, key, there.url("/good"), name="our desk")
        path = f"{WEBHOOKS}/{one['id']}"

        secret = one.pop("secret")
        assert secret.startswith("whsec_") and one["events"] == list(USUAL) and one["tenant_wide"]
        shown = (await call(here, "GET", path, reader)).json()
        assert shown == one and "salt" not in str(shown) and secret not in str(shown)
        (listed,) = (await call(here, "GET", WEBHOOKS, reader)).json()["data"]
        assert listed == {**one, "waiting": 0, "exhausted": 0}

        changed = (await call(here, "PATCH", path, key, json={"events": ["*"], "disabled": True})).json()
        assert changed["events"] == list(EVENTS) and changed["disabled"] and changed["name"] == "our desk"
        assert (await call(here, "POST", f"{path}/test", key)).status_code == 400
        changed = (await call(here, "PATCH", path, key, json={"disabled": False})).json()
        assert not changed["disabled"] and changed["disabled_reason"] is None

        rotated = (await call(here, "POST", f"{path}/rotate", key, json={"overlap_s": 60})).json()
        assert rotated["secret"] != secret and rotated["previous_until"]
        told = (await call(here, "POST", f"{path}/test", key)).json()
        sender = Sender(here.state.settings.webhook_networks)
        deliverer = Deliverer(here.here.database, TENANT, PEPPER, sender)
        await deliverer.step()
        await deliverer.finish()
        await sender.close()
        log = (await call(here, "GET", f"{path}/deliveries", reader)).json()
        (row,) = log["data"]
        assert (row["id"], row["event_id"], row["state"]) == (told["id"], told["event_id"], "delivered")
        assert row["tries"][0].keys() == {"at", "took_ms", "outcome", "http_status", "sentence"}
        assert there.seen[0].event_id == told["event_id"] and not log["has_more"]

        again = await call(here, "POST", f"{WEBHOOKS}/deliveries/{row['id']}/redeliver", key)
        assert (again.status_code, again.json()["event_id"]) == (202, told["event_id"])
        assert (await call(here, "POST", f"{path}/redeliver", key)).json() == {"redelivered": 0}
        assert (await call(here, "DELETE", path, key)).json() == {"id": one["id"], "deleted": True}
        gone = await call(here, "GET", path, reader)
        assert (gone.status_code, gone.headers["content-type"]) == (404, PROBLEM)


async def test_pages_of_the_log_follow_one_another(database_url: str) -> None:
    async with counter(database_url, webhook_allow=ALLOW) as here:
        key = await here.key(Scope.OPERATOR)
        one = await made(here, key, "http://127.0.0.1:8080/")
        path = f"{WEBHOOKS}/{one['id']}"
        numbers = [(await call(here, "POST", f"{path}/test", key)).json()["id"] for _ in range(5)]
        seen: list[int] = []
        before: dict[str, int] = {}
        while True:
            page = (await call(here, "GET", f"{path}/deliveries", key, params={"limit": 2, **before})).json()
            seen += [row["id"] for row in page["data"]]
            if not page["has_more"]:
                break
            before = {"before": seen[-1]}
        assert seen == numbers[::-1]
        none = await call(here, "GET", f"{path}/deliveries", key, params={"state": "exhausted"})
        assert none.json() == {"data": [], "has_more": False}


@pytest.mark.parametrize(
    "asked",
    [
        {}, {"url": "http://receiver.example/"}, {"url": "https://u:p@receiver.example/"}, {"url": "https://127.1/"},
        {"url": "https://receiver.example:22/"}, {"url": "https://receiver.example/", "events": ["job.routed"]},
        {"url": "https://receiver.example/", "events": []}, {"url": "https://receiver.example/", "name": "x" * 101},
        {"url": "https://receiver.example/", "name": "a\nb"}, {"url": "https://receiver.example/", "secret": "mine"},
        {"url": "https://receiver.example/", "events": "*"},
    ],
)  # fmt: skip
async def test_what_cannot_be_is_a_problem_with_a_sentence(asked: dict[str, Any], database_url: str) -> None:
    async with counter(database_url) as here:
        answer = await call(here, "POST", WEBHOOKS, await here.key(Scope.OPERATOR), json=asked)

        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM), answer.text
        assert answer.json()["detail"] and await here.here.count("webhook_endpoints") == 0


async def test_endpoints_of_another_tenant_are_not_there(database_url: str) -> None:
    async with counter(database_url) as here:
        key = await here.key(Scope.OPERATOR)
        one = await made(here, key, "https://receiver.example/")
        told = (await call(here, "POST", f"{WEBHOOKS}/{one['id']}/test", key)).json()
        await here.here.do("update webhook_endpoints set tenant_id = 'somebody-else'")
        await here.here.do("update webhook_deliveries set tenant_id = 'somebody-else'")

        assert (await call(here, "GET", WEBHOOKS, key)).json() == {"data": []}
        for method, path in ROUTES:
            if (method, path) not in (("POST", WEBHOOKS), ("GET", WEBHOOKS)):
                there = path.replace("{endpoint_id}", one["id"]).replace("{delivery_id}", str(told["id"]))
                body = {"json": {}} if method == "PATCH" else {}
                answer = await call(here, method, there, key, **body)
                assert answer.status_code == 404, (method, path, answer.text)
        assert await here.here.count("webhook_endpoints") == 1


async def test_a_batch_that_names_no_endpoint_of_the_tenant_fails_with_a_sentence(database_url: str) -> None:
    async with counter(database_url) as here:
        line = '{"custom_id": "a", "text": "A contract."}'
        answer = await here.http.post("/v1/reviews?review=clauses&webhook=wh_none", content=line)

        assert answer.status_code == 400 and "no such endpoint" in answer.json()["detail"]
        assert await here.here.count("batches") == 0
