"""Hypothesis strategies for the values that a decision is made of.

Figures come from small sets that sit on and around each other's bounds, so that refusals, ties and lateness happen
often. A value is an easy one with a few fields made hard: with fifteen rules hardly a candidate would else be left.
Scales run the sensible way: less cost, latency and delay is better, and more quality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import strategies as st

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
from schemas.features import JobFeatures
from schemas.ladder import Asked, FallbackClass, Ladder, Rung
from schemas.policy import Objective, PlanLimits, RoutingPolicy, Rule, Scale, Scales, Tier, Weights
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import Health, ProviderLoad, ProviderSnapshot, ProviderStatus, RungPromise
from tests.oracles.rules import OF_JOBS, OF_PAIRS

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = date(2026, 11, 23)
REGIONS = ("eu", "us", "eu-central", "eu-west", "europe", "local")
PROVIDERS = ("ada", "bit", "cog", "dot", "elk")
MODELS = ("mini", "plus", "ultra")

_RATES = (600_000, 150_000, 2_500_000, 12_000_000, 1, 0)
_PRIORS = tuple(
    LatencyPrior(base_ms=base, ms_per_input_token=read, ms_per_output_token=written)
    for base, read, written in ((200, 0.02, 2.0), (0, 0.0, 0.0), (2_000, 0.0, 22.5), (200, 1.5, 2.0))
)

_HARD_MODEL: Mapping[str, tuple[Any, ...]] = {
    "context_tokens": (2_000, 8_192, 128_000),
    "max_output_tokens": (500, 900),
    "json_schema": (False,),
    "languages": (("en",), ("de", "en")),
    "modalities": (("text", "image"), ("image",)),
    "tokens_per_o200k": (0.9, 1.2),
    "tokenizer": ("cl100k", "llama3", "o200k"),
    "price": (None,),
}
_HARD_PROVIDER: Mapping[str, tuple[Any, ...]] = {
    "kind": (ProviderKind.SELF_HOSTED,),
    "boundary": tuple(Sensitivity),
    "trains_on_data": (True,),
}
_HARD_POLICY: Mapping[str, tuple[Any, ...]] = {
    "providers": (("ada", "bit"), ("cog",)),
    "self_hosted_from": tuple(Sensitivity),
    "allow_training": (True,),
    "quality_floors": ({}, {Quality.STANDARD: 0.5, Quality.HIGH: 0.75}, {Quality.DRAFT: 0.62}),
}
_HARD_JOB: Mapping[str, tuple[Any, ...]] = {
    "tokens": (0, 1, 6_000, 150_000, 180_000),
    "prompt_tokens": (0,),
    "expected_output_tokens": (1, 2_000),
    "max_output_tokens": (16, 900),
    "language": ("de", "fr", "und"),
    "modalities": (("text", "image"), ()),
    "needs_json_schema": (False,),
    "sensitivity": tuple(Sensitivity),
    "residency": (("eu",), ("eu-west", "us"), ("local",)),
    "quality": tuple(Quality),
    "tokens_by_family": ((("cl100k", 650),), (("cl100k", 9_000),)),
    "kind": ("contract", "other"),
    "difficulty": (0.4, 0.9),
    "personal_data": ((("iban", 2),), (("email", 1), ("phone", 3))),
    "secrets": ((("aws", 1),),),
    "raised_by": (("secrets",),),
    "draw": (1, 999_999),
    "asked_model": ("mini", "ada/mini", "bit/plus", "ghost"),
    "asked_tier": ("x", "y", "ghost"),
}


def _few(draw: st.DrawFn, hard: Mapping[str, tuple[Any, ...]], most: int) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(hard)), max_size=most, unique=True))
    return {name: draw(st.sampled_from(hard[name])) for name in names}


@st.composite
def models(draw: st.DrawFn, name: str) -> CatalogModel:
    rate = draw(st.sampled_from(_RATES))
    fields: dict[str, Any] = {
        "context_tokens": 200_000,
        "max_output_tokens": 8_192,
        "json_schema": True,
        "price": Price(
            input_usd_micros_per_mtok=rate,
            output_usd_micros_per_mtok=5 * rate,
            source="a test",
            checked=TODAY,
        ),
        "quality": draw(st.sampled_from([0.62, 0.93, 0.15, 0.75, 0.0, 1.0])),
        "latency": draw(st.sampled_from(_PRIORS)),
    }
    return CatalogModel(name=name, version=f"{name}-1", **fields | _few(draw, _HARD_MODEL, 1))


@st.composite
def providers(draw: st.DrawFn, name: str) -> CatalogProvider:
    names = draw(st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True))
    fields = {"kind": ProviderKind.API, "boundary": Sensitivity.RESTRICTED, "trains_on_data": False}
    fields |= _few(draw, _HARD_PROVIDER, 1)
    trains = fields.pop("trains_on_data")
    return CatalogProvider(
        name=name,
        adapter="openai",
        base_url="http://provider.test/v1",
        regions=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, max_size=2, unique=True))),
        data_terms=DataTerms(retention_days=0, trains_on_data=trains, source="a test", checked=TODAY),
        ceiling=8,
        models=tuple(draw(models(each)) for each in names),
        **fields,
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    names = draw(st.lists(st.sampled_from(PROVIDERS), min_size=1, max_size=4, unique=True))
    return Catalog(providers=tuple(draw(providers(name)) for name in names))


@st.composite
def policies(draw: st.DrawFn) -> RoutingPolicy:
    cost, latency, quality, load = draw(
        st.sampled_from(
            [(7, 3, 6, 4), (1, 1, 1, 1), (1, 0, 0, 0), (0, 0.1, 0.35, 0), (0.35, 0, 0, 7), (0, 1, 0, 0)]
        )
    )
    return RoutingPolicy(
        policy="drawn",
        version=1,
        weights=Weights(cost=cost, latency=latency, quality=quality, load=load),
        scales=Scales(
            cost_usd_micros=draw(
                st.sampled_from([Scale(best=0, worst=50_000), Scale(best=1_000, worst=2_000)])
            ),
            latency_ms=draw(st.sampled_from([Scale(best=500, worst=60_000), Scale(best=0, worst=5_000)])),
            quality=draw(st.sampled_from([Scale(best=1.0, worst=0.0), Scale(best=0.9, worst=0.3)])),
        ),
        plan=PlanLimits(
            max_steps=draw(st.integers(1, 5)), attempts_per_step=draw(st.sampled_from([1, 2, 3]))
        ),
        objective=draw(st.sampled_from(Objective)),
        **_few(draw, _HARD_POLICY, 1),
    )


def rules(name: str) -> st.SearchStrategy[Rule]:
    return st.builds(
        Rule,
        rule=st.just(name),
        forbid=st.sampled_from([*OF_PAIRS, *OF_PAIRS, *OF_JOBS]),
        because=st.just("It is forbidden here."),
    )


def tiers(name: str, used: tuple[str, ...]) -> st.SearchStrategy[Tier]:
    """`used` are the policy's providers; empty: all."""
    return st.builds(
        Tier,
        tier=st.just(name),
        when=st.sampled_from(sorted(OF_JOBS)),
        weights=st.sampled_from([None, Weights(cost=0, quality=1, load=0, latency=0), Weights(cost=3)]),
        quality_floor=st.sampled_from([None, None, 0.0, 0.62, 0.9]),
        providers=st.sampled_from([(), (), used[:1] or ("bit", "dot")]),
        max_steps=st.sampled_from([None, 1, 4]),
    )


@st.composite
def ruled_policies(draw: st.DrawFn) -> RoutingPolicy:
    """With up to three rules and three tiers."""
    plain = draw(policies())
    ruled = [draw(rules(name)) for name in draw(st.sampled_from(["", "a", "ba", "cab"]))]
    tiered = [draw(tiers(name, plain.providers)) for name in draw(st.sampled_from(["", "x", "yx", "zxy"]))]
    return plain.model_copy(update={"rules": tuple(ruled), "tiers": tuple(tiered)})


PAIRS = [f"{provider}/{model}" for provider in PROVIDERS for model in MODELS]


@st.composite
def ladders(draw: st.DrawFn, name: str) -> Ladder:
    rungs = [
        Rung(
            model=model,
            samples=draw(st.sampled_from([1, 1, 2, 3])),
            **draw(st.sampled_from([{}, {"keep_from": 0.7}, {"promise": Asked(agreement=0.9)}])),
        )
        for model in draw(st.lists(st.sampled_from(PAIRS), min_size=4, max_size=6))
    ]
    return Ladder(
        ladder=name,
        when=draw(st.sampled_from(["true", "true", *sorted(OF_JOBS)])),
        rungs=tuple(rungs),
        max_cost_usd_micros=draw(st.sampled_from([None, None, 4_000, 20_000, 1])),
    )


@st.composite
def fallback_classes(draw: st.DrawFn) -> tuple[FallbackClass, ...]:
    names = draw(st.sampled_from(["", "k", "kl"]))
    patterns = st.sampled_from([*PAIRS, "*/mini", "*/plus", "ada/*", "bit/*", "*/*"])
    return tuple(
        FallbackClass(
            fallback=name,
            models=tuple(draw(st.lists(patterns, min_size=1, max_size=3))),
            then=tuple(draw(st.lists(st.sampled_from(names), max_size=2))),
        )
        for name in names
    )


@st.composite
def laddered_policies(draw: st.DrawFn) -> RoutingPolicy:
    """With up to two ladders, up to two fallback classes, and all, some or none that explore."""
    plain = draw(st.one_of(policies(), ruled_policies()))
    found = tuple(draw(ladders(name)) for name in draw(st.sampled_from(["", "p", "pq"])))
    shares = st.sampled_from([0.0, 0.5, 1.0])
    update = {"ladders": found, "fallbacks": draw(fallback_classes()), "exploration": draw(shares)}
    return plain.model_copy(update=update)


@st.composite
def promised_snapshots(draw: st.DrawFn) -> ProviderSnapshot:
    """With promises of some rungs, and for some that there is none."""
    asked = draw(st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from(PAIRS)), max_size=20, unique=True))
    kept = st.sampled_from([None, 0, 700_000, 1_000_000])
    found = tuple(RungPromise(ladder, model, draw(kept), 40, "It is so.") for ladder, model in asked)
    return replace(draw(snapshots()), promises=found)


@st.composite
def features(draw: st.DrawFn) -> JobFeatures:
    easy = JobFeatures(
        tokens=700,
        prompt_tokens=400,
        expected_output_tokens=350,
        max_output_tokens=500,
        characters=3_500,
        language="en",
        modalities=("text",),
        needs_json_schema=True,
        sensitivity=Sensitivity.PUBLIC,
        residency=(),
        quality=Quality.STANDARD,
        time_left_ms=draw(st.sampled_from([None, None, None, 5_000, 900, 12_000, 60_000, 0, -1])),
        max_cost_usd_micros=draw(st.sampled_from([None, None, None, 20_000, 9_000, 5_000, 3_000, 500, 0])),
        draw=draw(st.sampled_from([0, 499_999, 500_000, 999_999])),
        urgent=draw(st.booleans()),
    )
    left = draw(st.sampled_from([None, None, None, None, 20_000, 4_000, 1_000, 200, 0]))
    budget = {"budget_left_usd_micros": left, "budget": "" if left is None else "tenant ($1.00)"}
    return replace(easy, **budget, **_few(draw, _HARD_JOB, 2))


@st.composite
def loads(draw: st.DrawFn, provider: str) -> ProviderLoad:
    ready = ProviderStatus.READY
    status, headroom = draw(
        st.sampled_from([(ready, 200)] * 6 + [(ready, 0)] * 2 + [(each, 5) for each in ProviderStatus])
    )
    slots, waiting = draw(st.sampled_from([(8, 0), (4, 3), (1, 40), (8, 40), (0, 1)]))
    sized: dict[str, Any] = {}
    if draw(st.booleans()):
        sized = {
            "waiting_work_ms": waiting * draw(st.sampled_from([0, 900, 7_001])),
            "in_flight_work_ms": draw(st.sampled_from([0, 1, 30_001])),
            "pace_millionths": draw(st.sampled_from([None, 1_000_000, 333_333, 3_000_001])),
            "health": draw(st.sampled_from([Health.WELL, Health.WELL, Health.SLOW, Health.FAILING])),
            "room_work_ms": draw(st.sampled_from([None, 0, 5_000, 10**6])),
        }
    return ProviderLoad(
        provider=provider,
        status=status,
        reason="",
        ceiling=8,
        slots=slots,
        in_flight=draw(st.sampled_from([0, 0, 5, 8])),
        waiting_jobs=waiting,
        waiting_tokens=0,
        headroom_jobs=headroom,
        urgent_room_jobs=headroom + draw(st.integers(0, 2)),
        job_ms_p50=draw(st.sampled_from([None, 400, 9_000, 1])),
        shadow_usd_micros_per_s=draw(st.sampled_from([0, 0, 1, 900, 10**7])),
        **sized,
    )


@st.composite
def snapshots(draw: st.DrawFn) -> ProviderSnapshot:
    """Some leave one provider of the catalog out."""
    catalog = draw(catalogs())
    silent = draw(st.sampled_from(["", "", "", "ada", "bit"]))
    found = [draw(loads(provider.name)) for provider in catalog.providers if provider.name != silent]
    return ProviderSnapshot(catalog, digest(catalog), tuple(found), NOON)


def with_models(
    snapshot: ProviderSnapshot, change: Callable[[CatalogProvider, CatalogModel], CatalogModel | None]
) -> ProviderSnapshot:
    """The snapshot over a changed catalog: `change` gives the model to keep, or None to drop it.

    A provider without models goes, and its load with it; one model must be left.
    """
    kept = []
    for provider in snapshot.catalog.providers:
        found = tuple(each for model in provider.models if (each := change(provider, model)))
        if found:
            kept.append(provider.model_copy(update={"models": found}))
    catalog = Catalog(providers=tuple(kept))
    names = {provider.name for provider in kept}
    left = tuple(load for load in snapshot.loads if load.provider in names)
    return replace(snapshot, catalog=catalog, catalog_digest=digest(catalog), loads=left)
