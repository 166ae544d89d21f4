"""Hypothesis strategies for the values that a decision is made of.

Figures come from small sets that sit on and around each other's bounds, so that refusals, ties and lateness happen
often; most are easy ones, since with fifteen rules hardly a candidate would else be left to rank. Names come in any
order. Scales run the sensible way: less cost, latency and delay is better, and more quality.
"""

from __future__ import annotations

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
from schemas.policy import PlanLimits, RoutingPolicy, Scale, Scales, Weights
from schemas.sensitivity import Quality, Sensitivity
from schemas.snapshot import ProviderLoad, ProviderSnapshot, ProviderStatus

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REGIONS = ("eu", "eu-central", "eu-west", "us", "us-east", "local")
PROVIDERS = ("ada", "bit", "cog", "dot", "elk")
MODELS = ("mini", "plus", "ultra")


def mostly(easy: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The first in three of four draws."""
    return st.sampled_from([easy] * 3 * len(others) + list(others))


def prices() -> st.SearchStrategy[Price]:
    rates = st.sampled_from([0, 1, 150_000, 600_000, 2_500_000, 12_000_000])
    return st.builds(
        Price,
        input_usd_micros_per_mtok=rates,
        output_usd_micros_per_mtok=rates,
        source=st.just("a test"),
        checked=st.just(date(2026, 11, 23)),
    )


def models(name: str) -> st.SearchStrategy[CatalogModel]:
    return st.builds(
        CatalogModel,
        name=st.just(name),
        version=st.just(f"{name}-1"),
        context_tokens=mostly(200_000, 2_000, 8_192, 128_000),
        max_output_tokens=mostly(8_192, 500, 900),
        json_schema=mostly(True, False),
        languages=mostly(("*",), ("en",), ("de", "en")),
        modalities=mostly(("text",), ("text", "image")),
        quality=st.sampled_from([0.0, 0.15, 0.5, 0.62, 0.75, 0.93, 1.0]),
        tokens_per_o200k=st.sampled_from([0.9, 1.0, 1.2]),
        price=st.one_of(*[prices()] * 9, st.none()),
        latency=st.builds(
            LatencyPrior,
            base_ms=st.sampled_from([0, 200, 2_000]),
            ms_per_input_token=st.sampled_from([0.0, 0.02, 1.5]),
            ms_per_output_token=st.sampled_from([0.0, 2.0, 22.5]),
        ),
    )


@st.composite
def providers(draw: st.DrawFn, name: str) -> CatalogProvider:
    names = draw(st.lists(st.sampled_from(MODELS), min_size=1, max_size=3, unique=True))
    return CatalogProvider(
        name=name,
        kind=draw(mostly(ProviderKind.API, ProviderKind.SELF_HOSTED)),
        adapter="openai",
        base_url="http://provider.test/v1",
        boundary=draw(mostly(Sensitivity.RESTRICTED, *Sensitivity)),
        regions=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, max_size=2, unique=True))),
        data_terms=DataTerms(
            retention_days=0,
            trains_on_data=draw(mostly(False, True)),
            source="a test",
            checked=date(2026, 11, 23),
        ),
        ceiling=8,
        models=tuple(draw(models(each)) for each in names),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    names = draw(st.lists(st.sampled_from(PROVIDERS), min_size=1, max_size=4, unique=True))
    return Catalog(providers=tuple(draw(providers(name)) for name in names))


@st.composite
def policies(draw: st.DrawFn) -> RoutingPolicy:
    weights = draw(st.lists(st.sampled_from([0.0, 0.1, 0.35, 1.0, 7.0]), min_size=4, max_size=4).filter(any))
    return RoutingPolicy(
        policy="drawn",
        version=1,
        weights=Weights(**dict(zip(("cost", "latency", "quality", "load"), weights, strict=True))),
        scales=Scales(
            cost_usd_micros=_falling(draw, [0, 10, 1_000], [2_000, 50_000]),
            latency_ms=_falling(draw, [0, 500], [5_000, 60_000]),
            quality=draw(st.sampled_from([Scale(best=1.0, worst=0.0), Scale(best=0.9, worst=0.3)])),
            delay_ms=_falling(draw, [0, 1_000], [10_000, 60_000]),
        ),
        quality_floors=draw(st.dictionaries(st.sampled_from(Quality), mostly(0.0, 0.5, 0.75), max_size=3)),
        providers=draw(mostly((), ("ada", "bit"), ("cog",))),
        self_hosted_from=draw(mostly(None, *Sensitivity)),
        allow_training=draw(st.booleans()),
        plan=PlanLimits(
            max_steps=draw(st.integers(1, 5)), attempts_per_step=draw(st.sampled_from([1, 2, 3]))
        ),
    )


def _falling(draw: st.DrawFn, best: list[int], worst: list[int]) -> Scale:
    return Scale(best=draw(st.sampled_from(best)), worst=draw(st.sampled_from(worst)))


def features() -> st.SearchStrategy[JobFeatures]:
    return st.builds(
        JobFeatures,
        tokens=mostly(700, 0, 1, 6_000, 150_000),
        prompt_tokens=st.sampled_from([0, 400]),
        expected_output_tokens=st.sampled_from([1, 350, 2_000]),
        max_output_tokens=mostly(500, 16, 900),
        characters=st.just(1_000),
        language=mostly("en", "de", "fr", "und"),
        modalities=mostly(("text",), ("text", "image")),
        needs_json_schema=st.booleans(),
        sensitivity=st.sampled_from(Sensitivity),
        residency=mostly((), ("eu",), ("eu-west", "us"), ("local",)),
        quality=st.sampled_from(Quality),
        time_left_ms=st.sampled_from([None, None, None, None, 900, 5_000, 60_000, 1, 0, -1]),
        max_cost_usd_micros=st.sampled_from([None, None, None, 100_000, 5_000, 500, 0]),
        closed_by=st.just(()),
    )


def loads(provider: str) -> st.SearchStrategy[ProviderLoad]:
    return st.builds(
        ProviderLoad,
        provider=st.just(provider),
        status=mostly(ProviderStatus.READY, *ProviderStatus),
        reason=st.just(""),
        ceiling=st.just(8),
        slots=st.sampled_from([0, 1, 4, 8]),
        in_flight=st.integers(0, 8),
        waiting_jobs=st.sampled_from([0, 1, 3, 40]),
        waiting_tokens=st.sampled_from([0, 90_000]),
        headroom_jobs=mostly(200, 0, 1),
        job_ms_p50=st.sampled_from([None, 1, 400, 9_000]),
    )


@st.composite
def snapshots(draw: st.DrawFn, catalog: Catalog | None = None) -> ProviderSnapshot:
    known = catalog if catalog is not None else draw(catalogs())
    found = [draw(loads(provider.name)) for provider in known.providers if draw(st.integers(0, 9))]
    return ProviderSnapshot(known, digest(known), tuple(draw(st.permutations(found))), NOON)


def with_models(snapshot: ProviderSnapshot, change: Any) -> ProviderSnapshot:
    """The snapshot over a changed catalog: `change(provider, model)` gives the model to keep, or None to drop it.

    A provider without models goes, and its load with it; a catalog needs one provider, so None stands for an empty one.
    """
    kept = []
    for provider in snapshot.catalog.providers:
        found = [change(provider, model) for model in provider.models]
        if any(found):
            kept.append(provider.model_copy(update={"models": tuple(each for each in found if each)}))
    catalog = Catalog(providers=tuple(kept))
    names = {provider.name for provider in kept}
    left = tuple(load for load in snapshot.loads if load.provider in names)
    return replace(snapshot, catalog=catalog, catalog_digest=digest(catalog), loads=left)
