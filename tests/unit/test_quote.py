"""A quote, in exact figures: what is expected, what is the worst, who would serve it, and by when."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from classyard.commands.quote import parts
from classyard.commands.quote import quote as command
from classyard.commands.reckoning import read_features
from classyard.context import Context
from classyard.embedded.home import Home
from producer.sources import read_all
from router_worker.features.extract import Extractor
from router_worker.quote import Part, Quote, ceilings, idle, quote
from schemas.catalog import Catalog
from schemas.errors import BadInput
from schemas.policy import BindLate, Weights
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderStatus
from schemas.submission import Rejection, Requirements, SourceDocument
from tests.engine_values import (
    NOON,
    a_job,
    a_load,
    a_model,
    a_policy,
    a_provider,
    a_snapshot,
)
from tests.yard import REVIEW, some_settings

ALPHA = a_provider("alpha")
"""A million input tokens for $1 and output for $4, a second a call, eight slots."""

COST, WORST = 1_001 + 4 * 351, 2 * (1_001 + 4 * 900)
"""Of `a_job()` there, in micro-dollars: 1,000 tokens in and 350 out, each rounded up by one; two attempts at worst."""


def test_sixteen_documents_on_eight_slots_in_exact_figures() -> None:
    found = quote([a_job()] * 16, a_policy(), a_snapshot(ALPHA))

    assert found.parts == {"alpha": Part(16, 16 * 1_001, 16 * 351, 16 * COST, 16_000, 1_000, 2_000)}
    assert (found.documents, found.served) == (16, 16)
    assert (found.cost_usd_micros, found.worst_cost_usd_micros) == (16 * COST, 16 * WORST)
    assert found.finish_ms == 2_000


def test_one_document_takes_as_long_as_its_call_however_many_slots_there_are() -> None:
    assert quote([a_job()], a_policy(), a_snapshot(ALPHA)).finish_ms == 1_000


def test_of_nothing_it_is_nothing() -> None:
    found = quote([], a_policy(), a_snapshot(ALPHA))

    assert found == Quote()
    assert (found.cost_usd_micros, found.finish_ms) == (0, 0)


def test_the_worst_case_is_that_of_the_whole_plan() -> None:
    two = a_snapshot(ALPHA, a_provider("beta"))

    assert quote([a_job()], a_policy(), two).worst_cost_usd_micros == 2 * WORST


def test_refused_documents_are_counted_by_rule_and_cost_nothing() -> None:
    secret, short = a_job(sensitivity=Sensitivity.RESTRICTED), a_job(max_cost_usd_micros=WORST - 1)
    found = quote([a_job(), secret, short, short], a_policy(), a_snapshot(ALPHA))

    assert (found.served, found.cost_usd_micros) == (1, COST)
    assert found.refused == {"boundary": 1, "cost_ceiling": 2}
    assert found.sentences["boundary"].startswith("The document is restricted")


def test_where_nobody_is_up_documents_would_be_held() -> None:
    paused = a_load("alpha", status=ProviderStatus.PAUSED)
    found = quote([a_job()] * 2, a_policy(), a_snapshot(ALPHA, loads=(paused,)))

    assert (found.served, found.held, found.finish_ms) == (0, {"paused": 2}, 0)


def test_work_is_assigned_as_it_goes_so_two_equal_providers_share_it() -> None:
    by_load = a_policy(weights=Weights(cost=0, latency=0, quality=0, load=1))
    found = quote([a_job()] * 10, by_load, a_snapshot(ALPHA, a_provider("beta")))

    assert {name: part.documents for name, part in found.parts.items()} == {"alpha": 5, "beta": 5}


def test_where_the_queue_is_full_time_passes_until_there_is_room() -> None:
    policy = a_policy(bind_late=BindLate(max_jobs=1))
    one_slot = idle(Catalog(providers=(a_provider("alpha", ceiling=1),)), policy, at=NOON)
    assert one_slot.loads[0].headroom_jobs == 1

    found = quote([a_job()] * 5, policy, one_slot)

    assert (found.served, found.held, found.finish_ms) == (5, {}, 5_000)


def test_documents_that_wait_for_a_slow_provider_hold_up_no_others() -> None:
    policy = a_policy(bind_late=BindLate(max_jobs=2))
    fast = a_provider("fast", a_model(languages=("en",)))
    slow = a_provider("slow", a_model(languages=("de",)), ceiling=1)
    two = idle(Catalog(providers=(fast, slow)), policy, at=NOON)
    english, german = a_job(), a_job(language="de")

    mixed = quote([german, english] * 20, policy, two)

    assert mixed.parts["fast"] == quote([english] * 20, policy, two).parts["fast"]
    assert (mixed.parts["fast"].finish_ms, mixed.finish_ms) == (2_500, 20_000)


def test_a_deadline_runs_while_documents_wait_for_room() -> None:
    """A second each, one at a time, 3.5 s: the fourth would be late, and the fifth would come too late to start."""
    policy = a_policy(bind_late=BindLate(max_jobs=1))
    one_slot = idle(Catalog(providers=(a_provider("alpha", ceiling=1),)), policy, at=NOON)

    found = quote([a_job(time_left_ms=3_500)] * 5, policy, one_slot)

    assert (found.served, found.late, found.refused) == (4, 1, {"deadline": 1})


def test_documents_behind_others_in_one_queue_are_late_too() -> None:
    one_slot = a_snapshot(ALPHA, loads=(a_load("alpha", slots=1),))

    assert quote([a_job(time_left_ms=3_500)] * 5, a_policy(), one_slot).late == 2


def test_work_that_is_there_already_is_done_first() -> None:
    """Eight in flight and eight waiting, and eight new ones, a second each, on eight slots."""
    busy = a_load("alpha", in_flight=8, waiting_jobs=8, waiting_tokens=800, job_ms_p50=1_000)

    assert quote([a_job()] * 8, a_policy(), a_snapshot(ALPHA, loads=(busy,))).finish_ms == 3_000


def test_a_queue_that_others_have_filled_makes_room_in_time() -> None:
    full = a_load("alpha", slots=1, waiting_jobs=4, headroom_jobs=0)
    found = quote([a_job()] * 3, a_policy(), a_snapshot(ALPHA, loads=(full,)))

    assert found.served == 3


def test_a_provider_that_will_never_have_room_is_not_waited_for() -> None:
    shut = a_load("alpha", slots=0, headroom_jobs=0)
    found = quote([a_job()] * 3, a_policy(), a_snapshot(ALPHA, loads=(shut,)))

    assert found.held == {"full": 3}


def test_an_idle_yard_has_every_provider_up_at_its_ceiling() -> None:
    found = idle(Catalog(providers=(ALPHA, a_provider("beta", ceiling=3))), a_policy(), at=NOON)

    assert [(load.provider, load.status, load.slots, load.waiting_jobs) for load in found.loads] == [
        ("alpha", ProviderStatus.READY, 8, 0),
        ("beta", ProviderStatus.READY, 3, 0),
    ]


@pytest.mark.parametrize(
    ("sizes", "whole", "shares"),
    [
        ([100, 300], 1_001, [250, 750]),
        ([1, 1, 1], 10, [3, 3, 3]),
        ([0, 0], 10, [0, 0]),
        ([5], None, [None]),
        ([], 10, []),
    ],
)
def test_each_document_may_cost_its_share_by_size(
    sizes: list[int], whole: int | None, shares: list[int | None]
) -> None:
    assert ceilings(sizes, whole) == shares


# -- the command


class OneWord:
    """Counts words, and takes everything for English."""

    def count(self, text: str) -> int:
        return len(text.split())

    def identify(self, text: str) -> str:
        return "en"


def test_documents_are_read_as_the_router_would_see_them() -> None:
    wanted = Requirements(
        sensitivity=Sensitivity.CONFIDENTIAL,
        residency=("eu",),
        quality=Quality.HIGH,
        deadline_s=60,
        max_cost_usd_micros=900,
    )
    found = [
        SourceDocument("a", "a.txt", "one two three", "utf-8"),
        Rejection("b.txt", "empty_file", "It is empty."),
        SourceDocument("c", "c.txt", "é" * 13, "utf-8"),
    ]

    read = read_features(found, REVIEW, wanted, now=NOON, extractor=Extractor(OneWord(), OneWord()))

    assert [one.tokens for one in read.features] == [3, 1]
    assert [one.max_cost_usd_micros for one in read.features] == [300, 600], "by bytes, not by letters"
    assert {(one.sensitivity, one.residency, one.quality, one.time_left_ms) for one in read.features} == {
        (Sensitivity.CONFIDENTIAL, ("eu",), Quality.HIGH, timedelta(seconds=60) // timedelta(milliseconds=1))
    }
    assert [one.where for one in read.rejections] == ["b.txt"]


def test_what_is_told_has_the_figures_and_says_that_they_are_estimates() -> None:
    snapshot = a_snapshot(a_provider("alpha", a_model(), simulated=True))
    found = quote([a_job()] * 16 + [a_job(sensitivity=Sensitivity.RESTRICTED)], a_policy(), snapshot)

    text = told(found, (Rejection("b.txt", "empty_file", "It is \x1bempty."),), snapshot)

    assert (
        "17 documents: 16 would be served, for $0.0385 expected and $0.1472 at worst, in about 2.0 s." in text
    )
    assert "1 by boundary: The document is restricted" in text
    assert "b.txt: It is �empty." in text
    assert "alpha (simulated)         16     16,016       5,616        $0.0385          2.0 s" in text
    assert "These are estimates" in text
    assert "Nothing was sent, and nothing was written." in text


def told(found: Quote, rejections: tuple[Rejection, ...], snapshot: object) -> str:
    screen = Console(file=io.StringIO(), width=400)
    for part in parts(found, rejections, snapshot):  # type: ignore[arg-type]
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def asked(context: Context, paths: list[Path], **changes: str) -> tuple[int, str]:
    screen = Console(file=io.StringIO(), width=400)
    options: dict[str, str | None] = dict.fromkeys(
        ("sensitivity", "deadline", "max_cost", "quality", "priority")
    )
    code = command(context, paths, review="contract-clauses", residency=(), **options | changes, to=screen)  # type: ignore[arg-type]
    assert isinstance(screen.file, io.StringIO)
    return code, screen.file.getvalue()


def test_without_a_yard_it_is_for_an_idle_one_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    for number in range(3):
        text = f"This Agreement No. {number} shall be governed by the laws of the State of New York. "
        (tmp_path / "papers" / f"{number}.txt").write_text(text * 20)
    context = Context(some_settings(), Home(tmp_path / "home"), {})

    code, text = asked(context, [tmp_path / "papers"])

    assert code == 0
    assert "No yard runs here" in text
    assert "3 documents: 3 would be served, for $0." in text
    assert "simulated" in text
    assert not (tmp_path / "home").exists()


def test_documents_that_would_be_refused_are_an_exit_code_of_one(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(
        "This Agreement shall be governed by the laws of the State of New York. " * 20
    )
    context = Context(some_settings(), Home(tmp_path / "home"), {})

    code, text = asked(context, [tmp_path / "one.txt"], max_cost="0")

    assert code == 1
    assert "1 document: 0 would be served." in text
    assert "by cost_ceiling" in text


def test_where_nothing_can_be_read_there_is_no_quote(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    context = Context(some_settings(), Home(tmp_path / "home"), {})

    assert next(read_all([tmp_path / "empty.txt"]))
    with pytest.raises(BadInput, match="nothing to quote"):
        asked(context, [tmp_path / "empty.txt"])
