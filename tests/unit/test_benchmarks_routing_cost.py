"""The cost benchmark on tiny made-up data: any folder of that shape will do, and what is wrong is counted."""

from __future__ import annotations

import csv
import gzip
import random
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.routing import cost
from benchmarks.routing.clock import Day, Done, busiest, fullest_minute
from benchmarks.routing.desks import QUALITY, Steady, bucket_for, last_bucket, whole_program
from benchmarks.routing.market import ARRIVALS, CONTRACTS, Job, jobs, market, read_trace
from benchmarks.routing.plan import Plan
from benchmarks.routing.rules import allowed, overdrawn, violations
from router_worker.bound.program import solve
from router_worker.bound.values import Solution
from schemas.sensitivity import Quality, Sensitivity


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    chance = random.Random(3)
    for name in (ARRIVALS, CONTRACTS):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
    at = datetime(2024, 1, 1)
    with gzip.open(data / ARRIVALS, "wt", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["TIMESTAMP", "ContextTokens", "GeneratedTokens"])
        for _ in range(160):
            at += timedelta(seconds=chance.expovariate(5))
            rows.writerow([f"{at:%Y-%m-%d %H:%M:%S.%f}0", 100, chance.randint(1, 600)])
    with zipfile.ZipFile(data / CONTRACTS, "w") as archive:
        for number in range(8):
            archive.writestr(f"contract-{number}.txt", "The parties agree as follows. " * 60 * (number + 1))
    return data


def test_a_quick_run_gives_every_figure_and_a_page(folder: Path) -> None:
    found = cost.figures(Plan(folder, quick=True))

    assert found["policy_violations"] == 0
    assert found["decisions"] >= 6 * found["cost"]["jobs"]
    assert found["cost_over_lp_offline"] is None or found["cost_over_lp_offline"] >= 1 - 1e-9
    assert 0.1 < found["cost"]["pairs_forbidden"] < 0.5
    assert set(found["cost"]["desks"]) == set(cost.NAMES)
    page = cost.page(found)
    assert "| online: no future |" in page
    assert f"0 violations in {found['decisions']:,} decisions" in page


def test_without_data_it_is_left_out_and_says_so(tmp_path: Path) -> None:
    found = cost.figures(Plan(tmp_path, quick=True))

    assert "is not in the data folder" in found["left_out"]["cost"]
    assert cost.page(found) == ""


def a_job(**changes: object) -> Job:
    whole = Job(1, 0.0, 60.0, 1_000, 100, Sensitivity.INTERNAL, (), Quality.STANDARD)
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_the_plain_rules_are_those_of_the_docs() -> None:
    everybody = allowed(a_job(), market())
    assert len(everybody) == 11
    assert {p for p, _ in allowed(a_job(sensitivity=Sensitivity.CONFIDENTIAL), market())} == {
        "google",
        "mistral",
        "own-vllm",
    }
    assert {p for p, _ in allowed(a_job(residency=("us",)), market())} == {"anthropic", "openai", "own-vllm"}
    assert {p for p, _ in allowed(a_job(sensitivity=Sensitivity.RESTRICTED), market())} == {"own-vllm"}
    high = allowed(a_job(quality=Quality.HIGH), market())
    assert ("google", "gemini-2.5-flash-lite") not in high
    assert ("google", "gemini-2.5-flash") in high
    assert allowed(a_job(tokens=2_000_000), market()) == ()


def test_a_wrong_decision_and_an_overdrawn_provider_are_seen(folder: Path) -> None:
    catalog = market()
    day = Day(catalog, Steady()).run(jobs(read_trace(folder), 20, 60, 1))
    assert list(violations(day.decided, catalog)) == []
    assert list(overdrawn(day.done, catalog)) == []

    secret = [one._replace(job=replace(one.job, sensitivity=Sensitivity.RESTRICTED)) for one in day.decided]
    assert any("may not go" in said for said in violations(secret, catalog))
    crowd = [Done(a_job(number=n), "own-vllm", "gpt-oss-120b", 0.0, 9.0, 1, 0.8) for n in range(50)]
    assert list(overdrawn(crowd, catalog)) == ["own-vllm had more calls in flight than its ceiling"]
    spread = [
        Done(a_job(number=n), "mistral", "mistral-small", n / 4, n / 4 + 0.1, 1, 0.7) for n in range(200)
    ]
    assert list(overdrawn(spread, catalog)) == ["mistral had 200 requests in a minute"]


def test_calls_are_counted_as_they_overlap() -> None:
    done = [Done(a_job(number=n), "ada", "one", start, end, 1, 1.0) for n, (start, end) in enumerate(_SPANS)]

    assert busiest(done, "ada") == 2
    assert fullest_minute(done, "ada") == (3, 3 * 1_100)
    assert busiest(done, "bit") == 0


_SPANS = ((0.0, 10.0), (10.0, 70.0), (11.0, 12.0), (80.0, 81.0))


def test_every_job_is_served_once_and_no_day_is_cheaper_than_the_bound(folder: Path) -> None:
    catalog = market()
    work = jobs(read_trace(folder), 20, 120, 4)
    bucket_s = bucket_for(work, 20.0)
    program = whole_program(work, catalog, bucket_s)
    bound = solve(program)
    assert isinstance(bound, Solution)
    assert bound.unserved == pytest.approx(0)

    for price in (bound.quality_price, 2 * bound.quality_price):
        day = Day(catalog, Steady(price)).run(work)
        assert sorted(one.job.number for one in day.done) == [job.number for job in work]
        quality = sum(one.quality for one in day.done) / len(work)
        short = max(0.0, QUALITY - quality) * len(work)
        if not any(one.is_late for one in day.done):
            spent = sum(one.cost_usd_micros for one in day.done)
            assert spent >= bound.cost_usd_micros - bound.quality_price * short - 1


def test_the_last_bucket_ends_when_the_last_job_is_due() -> None:
    work = [a_job(due_s=47.0), a_job(due_s=101.0)]

    assert bucket_for(work, 20.0) == pytest.approx(101 / 5)
    assert last_bucket(101.0, 101 / 5) == 4
    assert last_bucket(20.0, 20.0) == 0


def test_what_misses_quality_is_measured_against_the_bound_of_what_it_reached() -> None:
    whole = {"usd_micros": 110, "lp_usd_micros": 100, "quality": QUALITY}

    assert cost.over([whole, whole]) == 1.1
    assert cost.over([whole, whole | {"quality": QUALITY - 0.05}]) is None
