"""The yard at a glance, and its providers: rendered from values."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType

from classyard.commands import providers, resolve, status
from classyard.commands.catalogs import parsed, simulated_in
from classyard.commands.status import Status
from classyard.commands.terminal import SIMULATED_NOTE
from router_worker.observe import snapshot_of
from schemas.canonical import digest
from schemas.catalog import Catalog
from schemas.policy import BindLate

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = "\x1b]0;owned\x07[bold red]evil[/]\u202e"


def drawn(found: Iterable[RenderableType], width: int) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    for part in found:
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def worker(role: str, provider: str | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "role": role,
        "provider": provider,
        "host": "here",
        "pid": 4711,
        "slots": 8,
        "key_found": True,
        "detail": "",
        "metrics_address": "127.0.0.1:9100",
    } | changed


BATCH = {
    "id": "01a20986-7ea0-7305-9c10-8513ce4697a6",
    "source": "contracts.zip",
    "review_name": "contract-clauses",
    "accepted": 60,
    "rejected": 2,
    "created_at": NOW - timedelta(minutes=3),
    "finished_at": None,
    "cost_usd_micros": 90_700,
    "gap": 0.0571,
    "open": 12,
}

ALIVE = (worker("router"), worker("keeper"), worker("provider", "sim-swift"))


def glance(**changed: Any) -> Status:
    whole: dict[str, Any] = {
        "place": "Home: /data/classyard",
        "workers": ALIVE,
        "states": {"accepted": 4, "serving": 8},
        "batches": (BATCH,),
        "simulated": frozenset({"sim-swift"}),
        "now": NOW,
    }
    return Status(**whole | changed)


@pytest.mark.parametrize("width", [70, 80, 100])
def test_the_status_shows_who_is_alive_what_is_open_and_what_came_lately(width: int) -> None:
    text = drawn(status.parts(glance(), width=width), width)

    assert "Home: /data/classyard" in text
    assert "sim-swift (simulated)" in text
    assert "127.0.0.1:9100" in text
    assert "accepted 4   serving 8" in text
    assert "ce4697a6" in text
    assert ("$0.0907" in text and "5.7 %" in text) == (width >= 92)
    assert "3m ago" in text
    assert SIMULATED_NOTE in text
    assert max(len(line) for line in text.splitlines()) <= width


def test_missing_roles_and_keys_are_said() -> None:
    keyless = worker("provider", "vendor", key_found=False, detail="Provider 'vendor' has no key there.")

    assert status.missing(ALIVE) == []
    assert len(status.missing(())) == 3
    assert status.missing((*ALIVE, keyless)) == ["Provider 'vendor' has no key there."]


def test_an_idle_yard_without_simulated_providers_says_little() -> None:
    text = drawn(status.parts(glance(states={}, batches=(), simulated=frozenset()), width=80), 80)

    assert "none yet" in text
    assert "simulated" not in text


def test_workers_of_several_hosts_are_told_apart() -> None:
    text = drawn(status.parts(glance(workers=(*ALIVE, worker("router", host="there"))), width=100), 100)

    assert "there:4711" in text
    assert "here:4711" in text


def test_hostile_rows_reach_no_terminal() -> None:
    found = glance(
        place=HOSTILE,
        workers=(worker("provider", HOSTILE, metrics_address=HOSTILE, host=HOSTILE), worker(HOSTILE)),
        batches=(BATCH | {"source": HOSTILE, "review_name": HOSTILE},),
    )

    assert not {"\x1b", "\x07", "\u202e"} & set(drawn(status.parts(found, width=100), 100))


# -- providers

TERMS = {"retention_days": 30, "trains_on_data": True, "source": "terms", "checked": date(2026, 11, 23)}
PRICE = {
    "input_usd_micros_per_mtok": 150_000,
    "output_usd_micros_per_mtok": 600_000,
    "source": "list",
    "checked": date(2026, 11, 23),
}
MODEL = {
    "name": "one",
    "version": "one-2026",
    "context_tokens": 128_000,
    "max_output_tokens": 4_000,
    "json_schema": True,
    "quality": 0.62,
    "price": PRICE,
}
CATALOG = Catalog.model_validate(
    {
        "providers": [
            {
                "name": "sim-swift",
                "kind": "api",
                "adapter": "openai",
                "base_url": "http://127.0.0.1/v1",
                "simulated": True,
                "boundary": "internal",
                "regions": ["eu", "us"],
                "data_terms": TERMS,
                "ceiling": 8,
                "models": [MODEL, MODEL | {"name": "two", "version": "two", "price": None}],
            }
        ]
    }
)
LOAD = {
    "name": "sim-swift",
    "ceiling": 8,
    "paused": True,
    "resting": False,
    "rest_reason": "",
    "slots": 4,
    "workers": 1,
    "keyless": 0,
    "detail": "",
    "in_flight": 6,
    "waiting_jobs": 10,
    "waiting_tokens": 0,
    "job_ms_p50": 1_240,
}


def yard(*rows: dict[str, Any]) -> providers.Providers:
    snapshot = snapshot_of(CATALOG, digest(CATALOG), rows, BindLate(), taken_at=NOW)
    return providers.Providers(snapshot, {"sim-swift": 4})


@pytest.mark.parametrize("width", [80, 100])
def test_a_provider_is_shown_with_what_it_is_and_how_busy_it_is(width: int) -> None:
    text = drawn(providers.parts(yard(LOAD), width=width), width)

    assert "sim-swift (simulated)  paused" in text
    assert "sim-swift is paused by an operator." in text
    assert "API · up to internal · eu, us · keeps 30 days · trains on what it is sent" in text
    assert "4 in flight · 12 waiting · 4 slots of a ceiling of 8 · p50 1.2 s" in text
    assert "128,000" in text
    assert "$0.15 / $0.60" in text
    assert providers.NO_PRICE in text
    assert SIMULATED_NOTE in text


def test_without_a_yard_the_catalog_is_shown_and_the_reason_said() -> None:
    found = providers.at_rest(CATALOG, BindLate(), "No yard is running in '/data'.")

    text = drawn(providers.parts(found, width=80), 80)

    assert "no worker" in text
    assert "No yard is running" in text


def test_a_stored_catalog_is_read_back_and_a_strange_one_is_left_alone() -> None:
    stored = CATALOG.model_dump(mode="json")

    assert parsed(stored) == CATALOG
    assert parsed({"providers": [{"colour": "blue"}]}) is None
    assert parsed(None) is None
    assert simulated_in(stored) == {"sim-swift"}
    assert simulated_in(None) == frozenset()


# -- names


def test_the_empty_text_and_broken_characters_name_nothing() -> None:
    assert [resolve._can_be_asked(given) for given in ("", "a\x00b", "\udc80", "c1", "é")] == [
        False,
        False,
        False,
        True,
        True,
    ]
