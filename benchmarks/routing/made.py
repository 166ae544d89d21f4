"""Yards that are made up from a seed: catalogs, policies, jobs, loads. Figures sit around each other's bounds, so that
every rule of the engine refuses now and then, and most jobs still find somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random
from typing import Any

from schemas.canonical import digest
from schemas.catalog import (
    Catalog,
    CatalogModel,
    CatalogProvider,
    DataTerms,
    LatencyPrior,
    Price,
    ProviderKind,
)
from schemas.decision import Decision, Outcome
from schemas.features import JobFeatures
from schemas.ladder import Ladder, Rung
from schemas.policy import Objective, PlanLimits, RoutingPolicy, Rule, Scales, Tier, Weights
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import Assigned, Health, ProviderLoad, ProviderSnapshot, ProviderStatus

CHECKED = date(2026, 11, 23)
MORNING = datetime(2026, 11, 23, 8, tzinfo=UTC)
LANGUAGES = ("en", "de", "fr", "und")
REGIONS = ("eu", "us", "eu-central", "eu-west", "local")
FAULTS = (ProviderStatus.PAUSED, ProviderStatus.DOWN, ProviderStatus.NO_WORKER, ProviderStatus.NO_KEY)

OF_JOBS = (
    "job.tokens > 20000",
    "job.quality == 'draft' && job.tokens < 2000",
    "job.time_left_ms >= 0 && job.time_left_ms < 300000",
    "job.sensitivity_rank >= 2",
    "job.language in ['de', 'fr']",
)
OF_PAIRS = (
    "job.tokens > {n}000 && job.quality != 'draft' && model.quality < 0.{n}",
    "job.sensitivity == 'confidential' && provider.regions.exists(r, r.startsWith('us')) && job.tokens > {n}00",
    "job.language != 'en' && !(job.language in model.languages || '*' in model.languages) && job.tokens > {n}",
    "provider.retention_days > {n} && job.sensitivity_rank >= 2",
    "job.needs_json_schema && !model.json_schema && job.time_left_ms >= 0 && job.time_left_ms < {n}0000",
    "model.output_usd_micros_per_mtok > {n}000000 && job.max_output_tokens > {n}00 && job.quality == 'draft'",
    "job.tokens + job.prompt_tokens + job.max_output_tokens > model.context_tokens - {n}00",
    "job.residency.size() > 0 && !provider.self_hosted && job.tokens > {n}000 && job.sensitivity == 'restricted'",
)
"""Of the kinds that people write; `n` makes each its own."""


def a_catalog(chance: Random, models: int, *, of_each: int = 4) -> Catalog:
    """`models` in all, `of_each` of them at a provider."""
    names = [f"model-{number:03}" for number in range(models)]
    return Catalog(
        providers=tuple(
            _provider(chance, f"provider-{start // of_each:02}", names[start : start + of_each])
            for start in range(0, models, of_each)
        )
    )


def a_policy(chance: Random, catalog: Catalog, *, rules: int, tiers: int, ladders: int = 0) -> RoutingPolicy:
    """`catalog`: of whose models the ladders are."""
    names = [f"{provider.name}/{model.name}" for provider in catalog.providers for model in provider.models]
    cost, latency, quality, load = (chance.choice((0.0, 0.15, 0.35, 1.0)) for _ in range(4))
    return RoutingPolicy(
        policy="made",
        version=1,
        weights=Weights(cost=cost, latency=latency, quality=quality + 0.1, load=load),
        scales=Scales(),
        self_hosted_from=chance.choice((None, None, Sensitivity.RESTRICTED)),
        allow_training=chance.random() < 0.5,
        plan=PlanLimits(max_steps=chance.randint(1, 5), attempts_per_step=chance.randint(1, 3)),
        rules=tuple(_rule(chance, number) for number in range(rules)),
        tiers=tuple(_tier(chance, number) for number in range(tiers)),
        ladders=tuple(_ladder(chance, number, names) for number in range(ladders)),
        exploration=chance.choice((0.0, 0.1)) if ladders else 0.0,
        objective=chance.choice(tuple(Objective)) if ladders else Objective.EACH,
    )


def a_job(chance: Random) -> JobFeatures:
    tokens = int(chance.lognormvariate(8, 1.3))
    longest = chance.choice((500, 900, 2_000))
    job = JobFeatures(
        tokens=tokens,
        prompt_tokens=chance.randint(200, 900),
        expected_output_tokens=chance.choice((150, 350, longest)),
        max_output_tokens=longest,
        characters=tokens * 4,
        language=chance.choices(LANGUAGES, (12, 4, 2, 1))[0],
        modalities=("text",),
        needs_json_schema=chance.random() < 0.8,
        sensitivity=chance.choices(tuple(Sensitivity), (6, 6, 3, 1))[0],
        residency=chance.choice(((), (), (), (), ("eu",), ("us", "eu-west"))),
        quality=chance.choices(tuple(Quality), (3, 6, 2))[0],
        time_left_ms=chance.choice((None, None, None, 3_600_000, 400_000, 20_000)),
        max_cost_usd_micros=chance.choice((None, None, None, 500_000, 50_000, 5_000)),
        draw=chance.randrange(1_000_000),
        budget_left_usd_micros=chance.choice((None, None, None, 1_000_000, 20_000)),
    )
    budget = "batch" if job.budget_left_usd_micros is not None else ""
    late = {"time_left_ms": 0, "closed_by": ("language",)} if chance.random() < 0.02 else {}
    return replace(job, budget=budget, **late)


def a_snapshot(chance: Random, catalog: Catalog, *, second: int, name: str = "") -> ProviderSnapshot:
    """`name`: the catalog's digest, where it is known."""
    loads = tuple(a_load(chance, provider) for provider in catalog.providers)
    at = MORNING.replace(minute=second // 60 % 60, second=second % 60, microsecond=chance.randrange(10**6))
    return ProviderSnapshot(catalog, name or digest(catalog), loads, at)


def a_load(chance: Random, provider: CatalogProvider) -> ProviderLoad:
    fault = chance.choice(FAULTS) if chance.random() < 0.08 else None
    slots, waiting = chance.randint(1, provider.ceiling), chance.choice((0, 3, 40, 400))
    return ProviderLoad(
        provider=provider.name,
        status=fault or ProviderStatus.READY,
        reason=f"{provider.name} rests until 8:30." if fault is ProviderStatus.DOWN else "",
        ceiling=provider.ceiling,
        slots=0 if fault else slots,
        in_flight=chance.randint(0, slots),
        waiting_jobs=waiting,
        waiting_tokens=waiting * 2_000,
        headroom_jobs=chance.choice((0, 2, 20, 200, 200, 200)),
        job_ms_p50=chance.choice((None, 400, 2_500, 9_000)),
        in_flight_tokens=chance.choice((0, 12_000)),
        waiting_work_ms=waiting * chance.choice((0, 900)),
        in_flight_work_ms=chance.choice((0, 4_000)),
        pace_millionths=chance.choice((None, None, 800_000, 3_000_000)),
        latency_ms_p95=chance.choice((None, 4_000)),
        tokens_per_s=chance.choice((None, 60)),
        health=chance.choices(tuple(Health), (12, 1, 1))[0],
        shadow_usd_micros_per_s=chance.choice((0, 0, 40)),
    )


def bound(decision: Decision, job: JobFeatures) -> dict[str, Assigned]:
    """What the decision adds to the load of a provider; nothing where it binds the job to none."""
    if decision.outcome is not Outcome.ROUTED:
        return {}
    return {decision.plan[0].provider: Assigned(1, job.tokens, job.tokens // 10)}


def _provider(chance: Random, name: str, models: Sequence[str]) -> CatalogProvider:
    own = chance.random() < 0.2
    regions = ("local",) if own else tuple(chance.sample(REGIONS[:-1], chance.randint(1, 2)))
    return CatalogProvider(
        name=name,
        kind=ProviderKind.SELF_HOSTED if own else ProviderKind.API,
        adapter="openai",
        base_url="http://127.0.0.1:9/v1",
        boundary=Sensitivity.RESTRICTED if own else chance.choices(tuple(Sensitivity), (1, 4, 3, 2))[0],
        regions=regions,
        data_terms=DataTerms(
            retention_days=chance.choice((0, 0, 30)),
            trains_on_data=chance.random() < 0.1,
            source="made up",
            checked=CHECKED,
        ),
        ceiling=chance.choice((4, 8, 64)),
        models=tuple(_model(chance, each) for each in models),
    )


def _model(chance: Random, name: str) -> CatalogModel:
    rate = chance.choice((60_000, 150_000, 600_000, 2_500_000))
    price = Price(
        input_usd_micros_per_mtok=rate,
        output_usd_micros_per_mtok=chance.choice((4, 5)) * rate,
        source="made up",
        checked=CHECKED,
    )
    return CatalogModel(
        name=name,
        version=f"{name}-1",
        context_tokens=chance.choice((16_000, 128_000, 128_000, 200_000)),
        max_output_tokens=chance.choice((1_500, 4_096, 8_192)),
        json_schema=chance.random() < 0.95,
        languages=chance.choice((("*",), ("*",), ("*",), ("en", "fr"), ("de", "en"))),
        quality=round(chance.uniform(0.4, 0.98), 2),
        tokens_per_o200k=chance.choice((0.9, 1.0, 1.2)),
        price=price if chance.random() < 0.97 else None,
        latency=LatencyPrior(
            base_ms=chance.choice((120, 800, 2_000)),
            ms_per_input_token=chance.choice((0.02, 0.2)),
            ms_per_output_token=chance.choice((2.0, 15.0)),
        ),
    )


def _rule(chance: Random, number: int) -> Rule:
    forbid = OF_PAIRS[number % len(OF_PAIRS)].format(n=chance.randint(1, 9))
    return Rule(rule=f"made-{number:02}", forbid=forbid, because=f"The made-up rule {number} forbids it.")


def _tier(chance: Random, number: int) -> Tier:
    fields: dict[str, Any] = {
        "weights": chance.choice((None, Weights(cost=0, quality=1, load=0, latency=0), Weights(latency=3))),
        "quality_floor": chance.choice((None, None, 0.4)),
        "max_steps": chance.choice((None, 1, 4)),
    }
    return Tier(tier=f"kind-{number}", when=OF_JOBS[number % len(OF_JOBS)], **fields)


def _ladder(chance: Random, number: int, names: Sequence[str]) -> Ladder:
    asked = chance.sample(names, min(len(names), chance.randint(1, 3)))
    return Ladder(
        ladder=f"ladder-{number}",
        when=OF_JOBS[-1 - number % len(OF_JOBS)],
        rungs=tuple(
            Rung(model=name, samples=chance.choice((1, 1, 2)), keep_from=chance.choice((None, 0.6, 0.9)))
            for name in asked
        ),
    )
